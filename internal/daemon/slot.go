package daemon

import (
	"fmt"
	"time"

	"ripd/internal/pool"
)

// instance is one process of the app, in a slot or, if ripd did not start it,
// beside them.
type instance struct {
	id       int
	slot     *slot // nil for an external worker
	release  *release
	phase    phase
	process  process       // nil until it runs, and for an external worker
	started  chan struct{} // closed when process is known, or is known not to run; nil for an external worker
	giveUp   func()        // ends a start that is not wanted any more; nil for an external worker
	seat     seat
	seated   bool // the pool knows that it is ready
	failed   bool // it was dropped at a failure
	token    string
	socket   string
	number   int // of its socket within the slot
	external int // pid of an external worker
	claimed  int // the id that an external worker gave itself

	handled int           // requests, and
	served  time.Duration // their time, as of the last look at how workers run
	batch   bool          // its process was told to run by SCHED_BATCH

	began    time.Time // when its process was started
	readyAt  time.Time
	deadline time.Time // when the phase ends by force; zero: never
	ageAt    time.Time // when it is old enough to be replaced; zero: never
}

func (in *instance) pid() int {
	if in.process != nil {
		return in.process.PID()
	}
	return in.external
}

func (in *instance) lastWords() []string {
	if in.process == nil {
		return nil
	}
	return in.process.LastWords()
}

func (in *instance) outOfMemory() string {
	if in.process == nil {
		return ""
	}
	return in.process.OutOfMemory()
}

func (in *instance) inFlight() int {
	if in.seat == nil {
		return 0
	}
	return in.seat.Info().InFlight
}

// load tells what the process has to do still.
func (in *instance) load() string {
	info := in.info()
	text := fmt.Sprintf("%d in flight", info.InFlight)
	if info.Upgraded > 0 {
		text += fmt.Sprintf(", %s open", plural(info.Upgraded, "upgraded connection"))
	}
	if info.Streams > 0 {
		text += fmt.Sprintf(", %s open", plural(info.Streams, "stream"))
	}
	return text
}

func (in *instance) info() pool.WorkerInfo {
	if in.seat == nil {
		return pool.WorkerInfo{}
	}
	return in.seat.Info()
}

// maxLeaving is how many processes of a slot may be on their way out while
// another is started in their place. With the current one and its successor it
// bounds the memory that a slot can take.
const maxLeaving = 1

// slot is one worker's place. At each moment it has at most one current process
// and at most one successor that is starting; what else is left of it is leaving.
type slot struct {
	id      int
	current *instance
	next    *instance   // starts to replace current; never without current
	leaving []*instance // retiring, stopping or killed

	drained  bool // an operator holds it back
	removing bool // scaled away: it exists until its processes have ended

	backoff  backoff
	startAt  time.Time // without current: when the next process is started
	restarts int       // starts that no roll, scale or recycling asked for

	due       string // why the current process is to be replaced; "": it is not
	dueAt     time.Time
	replaceAt time.Time // not before

	crash crash
}

// crash is what is known of the ends in a row that nobody asked for.
type crash struct {
	count int
	since time.Time
	exit  string
	words []string
	of    *instance // the last one that ended so
}

// instances calls f for each process of the slot; f must not change the lists.
func (sl *slot) instances(f func(*instance)) {
	if sl.current != nil {
		f(sl.current)
	}
	if sl.next != nil {
		f(sl.next)
	}
	for _, in := range sl.leaving {
		f(in)
	}
}

func (sl *slot) empty() bool {
	return sl.current == nil && sl.next == nil && len(sl.leaving) == 0
}

// detach takes the process out of the current or successor's place. A successor
// without a current process takes its place.
func (sl *slot) detach(in *instance) {
	switch in {
	case sl.current:
		sl.current, sl.next = sl.next, nil
		sl.due = ""
	case sl.next:
		sl.next = nil
	}
}

// number returns the lowest socket number that no process of the slot uses. Two
// processes that live at the same time never share a path.
func (sl *slot) number() int {
	for n := 1; ; n++ {
		taken := false
		sl.instances(func(in *instance) { taken = taken || in.number == n })
		if !taken {
			return n
		}
	}
}
