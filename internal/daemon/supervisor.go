package daemon

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"ripd/internal/api"
	"ripd/internal/pool"
)

// supervisor keeps the app's workers running. One goroutine (run) owns all of
// its state: what happens arrives through the mailbox as a function that notes a
// fact, and after each one settle decides what follows from the facts. Nothing
// here blocks; what could (reading files, stopping) happens aside or by
// deadline.
//
// These hold after each turn, and the tests check them over random histories:
//
//   - a slot has at most one current process and one successor;
//   - a ready process is retired only when its successor is ready, it is scaled
//     away, it wants to leave, or ripd stops;
//   - every process that was started is ended, by force after a bound.
type supervisor struct {
	seams
	mail *mailbox
	done chan struct{} // closed when every process has ended after stop

	slots     []*slot // by id
	wanted    int
	auto      bool // wanted follows from the CPUs
	externals map[int]*instance
	byToken   map[string]*instance

	release    *release // of every start that no roll asks for
	generation int      // the highest that was given out
	roll       *roll    // that goes on, or nil
	waiting    []*roll  // at most one of each kind
	lastRoll   *api.Roll
	scaling    *scaling // that somebody waits for, or nil

	required int      // process reload: workers of older generations get no requests
	broken   *failure // process reload: why the newest code does not serve

	stopping  bool
	announced bool // ready was called
	arranged  bool // settled was called

	maintained bool // an operator has turned the maintenance page on
	hopeless   bool
	scheduling scheduling
	measuring  bool
	measureAt  time.Time
	settledAt  time.Time // of the last turn
	illegal    int       // illegal steps, always 0
	killed     int       // processes that were killed at stop
}

// failure is why code does not serve, in the app's own words.
type failure struct {
	reason string
	words  []string
}

// The supervisor's own bounds. Those that users care about are settings.
const (
	// killWait is how long a killed process may take to disappear. One that takes
	// longer hangs in the kernel; it is written off.
	killWait = 10 * time.Second
	// failStop is how long a failed process may take to end by itself.
	failStop = 3 * time.Second
	// exitWait is how long a drained process has at least to end by itself,
	// even at the end of the stop timeout.
	exitWait = 5 * time.Second
	// goodMinute is how long a process serves before its crashes are forgotten.
	goodMinute = time.Minute
	// measureEvery is how often memory is measured, where it has a limit.
	measureEvery = 5 * time.Second
	// soon is how near a start has to be to count as one that goes on.
	soon = 100 * time.Millisecond
	// idleTick is how long the loop sleeps at the most.
	idleTick = time.Hour
)

var errEnded = errors.New("ripd has stopped")

// newSupervisor makes a supervisor that will run the first generation from r.
func newSupervisor(d seams, r *release) *supervisor {
	r.generation = 1
	s := &supervisor{
		seams: d, mail: newMailbox(), done: make(chan struct{}),
		externals: map[int]*instance{}, byToken: map[string]*instance{},
		release: r, generation: 1,
		auto: r.config.Workers.CountAuto,
	}
	s.resize(r.config.Workers.Count)
	return s
}

// run is the supervisor's goroutine. It returns when stop was asked for and
// every process has ended.
func (s *supervisor) run() {
	defer close(s.done)
	defer s.mail.close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !s.finished() {
		select {
		case <-s.mail.wake:
			for f := s.mail.take(); f != nil; f = s.mail.take() {
				s.turn(f)
			}
		case <-timer.C:
			s.turn(func() {})
		}
		timer.Reset(max(0, s.nextDeadline().Sub(s.now())))
	}
}

// turn notes one fact and settles what follows from it.
func (s *supervisor) turn(f func()) {
	f()
	now := s.now()
	s.tick(now)
	s.settle(now)
	s.settledAt = now
}

// ask runs f on the supervisor's goroutine and waits for it.
func (s *supervisor) ask(f func()) error {
	ran := make(chan struct{})
	if !s.mail.post(func() { f(); close(ran) }) {
		return errEnded
	}
	select {
	case <-ran:
		return nil
	case <-s.done:
		select {
		case <-ran:
			return nil
		default:
			return errEnded
		}
	}
}

// settle decides what follows from the facts. It is called after each of them,
// and changes nothing when nothing is to do.
func (s *supervisor) settle(now time.Time) {
	s.dropEmptySlots()
	if !s.stopping {
		s.advanceRoll(now)
		for _, sl := range s.slots {
			s.fill(sl, now)
		}
		s.replaceDue(now)
		s.reviewScale()
		s.announce()
	}
	s.lookOut(now)
	if s.tellTrouble != nil {
		s.tellTrouble(s.trouble())
	}
}

// fill starts the slot's process when it has none and one is due.
func (s *supervisor) fill(sl *slot, now time.Time) {
	if sl.removing || sl.current != nil || now.Before(sl.startAt) || len(sl.leaving) > maxLeaving {
		return
	}
	if s.roll.claims(sl) || s.release.generation < s.required {
		return // the roll starts what comes next; or nothing that could be started here would serve
	}
	if sl.crash.count > 0 {
		sl.restarts++
	}
	s.launch(sl, s.release)
}

// tick enforces what is due by time.
func (s *supervisor) tick(now time.Time) {
	var due []*instance
	s.instances(func(in *instance) {
		if !in.deadline.IsZero() && !now.Before(in.deadline) {
			due = append(due, in)
		}
		if in.phase.serves() && !in.ageAt.IsZero() && !now.Before(in.ageAt) {
			in.ageAt = time.Time{}
			s.replaceSoon(in, "max_age reached")
		}
	})
	for _, in := range due {
		s.expire(in)
	}
	if !s.measureAt.IsZero() && !now.Before(s.measureAt) {
		s.measure()
	}
	s.lookAtScheduling(now)
}

// nextDeadline is when time alone gives something to do. What was due at the last
// turn and was not done waits for something else, which will bring its own turn.
func (s *supervisor) nextDeadline() time.Time {
	next := s.settledAt.Add(idleTick)
	earlier := func(t time.Time) {
		if t.After(s.settledAt) && t.Before(next) {
			next = t
		}
	}
	s.instances(func(in *instance) {
		earlier(in.deadline)
		if in.phase.serves() {
			earlier(in.ageAt)
		}
	})
	if s.stopping {
		return next
	}
	for _, sl := range s.slots {
		if sl.current == nil {
			earlier(sl.startAt)
		}
		if sl.due != "" {
			earlier(sl.replaceAt)
		}
	}
	earlier(s.measureAt)
	earlier(s.scheduling.lookAt)
	if s.roll != nil {
		earlier(s.roll.againAt)
		for _, st := range s.roll.steps {
			earlier(st.wakeAt())
		}
	}
	return next
}

// lookOut tells the pool whether a worker can be expected, when that changes.
func (s *supervisor) lookOut(now time.Time) {
	hope := false
	next := time.Time{}
	s.instances(func(in *instance) {
		hope = hope || !in.phase.ending() && in.phase != phaseGone && in.release.generation >= s.required
	})
	if s.roll != nil || len(s.waiting) > 0 {
		hope = true
	}
	for _, sl := range s.slots {
		if sl.current == nil && !sl.removing && (next.IsZero() || sl.startAt.Before(next)) {
			next = sl.startAt
		}
	}
	if !next.IsZero() && next.Sub(now) <= soon && s.release.generation >= s.required {
		hope = true // the first respawn: it is as good as started
	}
	hopeless := !hope
	if hopeless != s.hopeless {
		s.hopeless = hopeless
		s.seating.Outlook(hopeless, max(0, next.Sub(now)))
	}
}

// announce tells once that the first worker is ready, and once that the start is over.
func (s *supervisor) announce() {
	if s.announced && s.arranged {
		return
	}
	ready, over := 0, true
	for _, sl := range s.slots {
		switch {
		case sl.current != nil && sl.current.phase.serves():
			ready++
		case sl.crash.count == 0:
			over = false
		}
	}
	if ready > 0 && !s.announced {
		s.announced = true
		s.ready()
	}
	if over && !s.arranged {
		s.arranged = true
		s.settled()
	}
}

// instances calls f for each process, the external ones too.
func (s *supervisor) instances(f func(*instance)) {
	for _, sl := range s.slots {
		sl.instances(f)
	}
	for _, in := range s.externals {
		f(in)
	}
}

// find returns the slot with this id, or nil.
func (s *supervisor) find(id int) *slot {
	i, found := slices.BinarySearchFunc(s.slots, id, func(sl *slot, id int) int { return cmp.Compare(sl.id, id) })
	if !found {
		return nil
	}
	return s.slots[i]
}

func (s *supervisor) emit(kind api.EventKind, in *instance, message string, output []string) {
	e := api.Event{Time: s.now(), Kind: kind, Message: message, Output: output}
	if in != nil {
		e.Worker, e.PID, e.Generation = in.id, in.pid(), in.release.generation
	}
	s.events(e)
}

// poolEvent posts what the pool tells about a worker.
func (s *supervisor) poolEvent(in *instance) func(pool.Event) {
	return func(e pool.Event) {
		s.mail.post(func() {
			switch e.Kind {
			case pool.Exhausted:
				s.replaceSoon(in, "max_requests reached")
			case pool.Dropped:
				s.dropped(in, e)
			case pool.Idle:
				s.idle(in)
			}
		})
	}
}
