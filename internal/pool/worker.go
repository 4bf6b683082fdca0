package pool

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// State is where a worker stands in its life.
type State uint8

// A worker's states. The zero value is Starting.
const (
	// Starting: its process runs, it takes no requests yet.
	Starting State = iota
	// Ready: it takes requests.
	Ready
	// Drained: an operator holds it back; it finishes what runs and can be resumed.
	Drained
	// Retiring: it finishes what runs and takes nothing new, for ever.
	Retiring
	// Failed: it was dropped at a failure.
	Failed
	// Gone: its process has ended.
	Gone
	states = iota
)

// String returns the state's name as operators see it.
func (s State) String() string {
	return [...]string{"starting", "ready", "drained", "retiring", "failed", "gone"}[s]
}

// steps holds the legal transitions: steps[from][to].
var steps = [states][states]bool{
	Starting: {Ready: true, Retiring: true, Failed: true, Gone: true},
	Ready:    {Drained: true, Retiring: true, Failed: true, Gone: true},
	Drained:  {Ready: true, Retiring: true, Failed: true, Gone: true},
	Retiring: {Failed: true, Gone: true},
	Failed:   {Gone: true},
	Gone:     {},
}

// StepError is returned for a transition that a worker's life does not have.
// Nothing has changed then.
type StepError struct {
	ID, Generation int
	From, To       State
}

// Error names the worker and the illegal step.
func (e *StepError) Error() string {
	return fmt.Sprintf("worker %d of generation %d is %s: it cannot become %s", e.ID, e.Generation, e.From, e.To)
}

// WorkerSpec describes one process of the app; it does not change.
type WorkerSpec struct {
	// ID is the worker's place, 1..N. Two generations may hold one place for a while.
	ID int
	// Generation counts the rolls; a newer one is preferred.
	Generation int
	// PID is the process, 0 for a worker that has not told it.
	PID int
	// Socket is the path of the unix socket on which it serves.
	Socket string
	// Slots is the number of requests in flight that it takes, at least 1.
	Slots int
	// Upgrades is how many connections may have been switched to another protocol at
	// a time; 0 is none.
	Upgrades int
	// Streams is how many answers may go on without a slot at a time; 0 is none.
	Streams int
	// MaxRequests is after how many requests Exhausted is told; 0 means never.
	MaxRequests int
}

// Worker is one process in the pool.
type Worker struct {
	spec   WorkerSpec             // as Add was given it
	socket atomic.Pointer[string] // what Ready was given instead of the spec's
	held   atomic.Bool            // neither Starting nor Ready

	// The rest is under the pool's lock.
	state      State
	slots      []*Slot
	warm       []*Slot // those in the idle list, the one that became idle last at the end
	inFlight   int
	upgrades   int // open, and those that may become so
	streams    int // answers that go on without a slot
	handled    int
	served     time.Duration // by all slots together, in what they have handled
	lastServed time.Duration
	toldIdle   bool
}

// Spec returns what Add was given, with the socket that the worker registered.
func (w *Worker) Spec() WorkerSpec {
	spec := w.spec
	if s := w.socket.Load(); s != nil {
		spec.Socket = *s
	}
	return spec
}

// Slot is one lease of a worker: it serves one request at a time.
type Slot struct {
	// Sleeper is set by the slot's goroutine before its first Turn, and stays. Nil: it
	// always waits in Wait.
	Sleeper Sleeper

	worker *Worker
	wake   chan *Ticket // holds one: a request for the idle slot, or nil at its end

	// The rest is under the pool's lock.
	state      slotState
	ticket     *Ticket
	upgrade    bool  // the ticket's
	prev, next *Slot // idle list
	listed     bool
}

// Sleeper is a slot's goroutine that may wait for something else while its slot is
// idle. Once it does it must look whether its slot was Given something before, and
// call Wait when one of these calls has come.
type Sleeper interface {
	// Start is called by the goroutine that has submitted a request of which the slot
	// was given, after that and without the pool's lock: it may take it from the slot
	// by Wait, and begin with it. By then the slot's goroutine may have done so.
	Start()
	// Rouse tells that the slot was given something. It is called under the pool's lock.
	Rouse()
}

type slotState uint8

const (
	slotBusy  slotState = iota // its goroutine serves, or is about to take its turn
	slotIdle                   // its goroutine waits, or is about to
	slotEnded                  // it has been told to end
)

// parked tells whether the slot's goroutine owes a call of Wait: the slot is
// idle, or it was given a request or its end while it was.
func (s *Slot) parked() bool { return s.state == slotIdle || len(s.wake) > 0 }

// Given tells whether the slot was given something that nobody has fetched by Wait.
func (s *Slot) Given() bool { return len(s.wake) > 0 }

// give hands something to the idle slot: a request, or nil at its end. It never blocks: the
// slot's channel is empty. The caller has the pool's lock.
func (s *Slot) give(t *Ticket) {
	s.wake <- t
	if s.Sleeper != nil {
		s.Sleeper.Rouse()
	}
}

// Worker returns the worker that the slot belongs to.
func (s *Slot) Worker() *Worker { return s.worker }

// Add brings a worker in, Starting. A spec with fewer than one slot gets one.
func (p *Pool) Add(spec WorkerSpec) *Worker {
	spec.Slots = max(spec.Slots, 1)
	w := &Worker{spec: spec}
	p.mu.Lock()
	defer p.unlock()
	p.workers = append(p.workers, w)
	return w
}

// Ready makes a starting worker serve: a goroutine for each slot starts to
// pull, oldest request first, so there is no wake-up to lose. socket replaces
// the spec's when it is not empty. A worker that is ready ends what Outlook said.
func (p *Pool) Ready(w *Worker, socket string) error {
	p.mu.Lock()
	defer p.unlock()
	if w.state != Starting {
		return &StepError{w.spec.ID, w.spec.Generation, w.state, Ready}
	}
	w.state = Ready
	if socket != "" {
		w.socket.Store(&socket)
	}
	p.newest = max(p.newest, w.spec.Generation)
	p.hopeless = false
	for range w.spec.Slots {
		s := &Slot{worker: w, wake: make(chan *Ticket, 1)}
		w.slots = append(w.slots, s)
		p.slots.Add(1)
		go func() {
			defer p.slots.Done()
			p.serve(s)
		}()
	}
	return nil
}

// Drain holds a ready worker back, for an operator: it finishes what runs.
func (p *Pool) Drain(w *Worker) error {
	p.mu.Lock()
	defer p.unlock()
	if err := p.step(w, Drained); err != nil {
		return err
	}
	for _, s := range w.slots {
		p.idle.remove(s)
	}
	return nil
}

// Resume lets a drained worker take requests again. It ends what Outlook said.
func (p *Pool) Resume(w *Worker) error {
	p.mu.Lock()
	defer p.unlock()
	if w.state != Drained {
		return &StepError{w.spec.ID, w.spec.Generation, w.state, Ready}
	}
	w.state = Ready
	w.held.Store(false)
	p.hopeless = false
	for _, s := range w.slots {
		if s.state == slotIdle {
			p.idle.push(s)
		}
	}
	p.dispatch()
	return nil
}

// Retire lets the worker finish what runs and gives it nothing new. Event Idle
// follows when its last lease, upgrade and stream have ended; at once when it has none.
func (p *Pool) Retire(w *Worker) error {
	p.mu.Lock()
	defer p.unlock()
	if err := p.step(w, Retiring); err != nil {
		return err
	}
	p.endIdleSlots(w)
	p.tellIdle(w)
	return nil
}

// Fail drops the worker at a failure. Event Dropped follows, and Idle when its
// last lease has ended. Failing a worker that failed already or is gone changes
// nothing and is no error: each of its slots may meet the same broken process.
func (p *Pool) Fail(w *Worker, cause Cause, detail string) error {
	p.mu.Lock()
	defer p.unlock()
	if w.state == Failed || w.state == Gone {
		return nil
	}
	if err := p.step(w, Failed); err != nil {
		return err
	}
	p.endIdleSlots(w)
	p.tell(Event{Worker: w, Kind: Dropped, Cause: cause, Detail: detail})
	p.tellIdle(w)
	return nil
}

// Remove takes the worker out: its process has ended. Leases that still run end
// when their connections break.
func (p *Pool) Remove(w *Worker) error {
	p.mu.Lock()
	defer p.unlock()
	if err := p.step(w, Gone); err != nil {
		return err
	}
	p.endIdleSlots(w)
	p.workers = slices.DeleteFunc(p.workers, func(other *Worker) bool { return other == w })
	return nil
}

// step moves the worker along one legal transition.
func (p *Pool) step(w *Worker, to State) error {
	if !steps[w.state][to] {
		return &StepError{w.spec.ID, w.spec.Generation, w.state, to}
	}
	w.state = to
	w.held.Store(to != Ready)
	return nil
}

// endIdleSlots tells the worker's idle slots to end. Busy ones end at their turn.
func (p *Pool) endIdleSlots(w *Worker) {
	for _, s := range w.slots {
		if s.state != slotIdle {
			continue
		}
		p.idle.remove(s)
		s.state = slotEnded
		s.give(nil)
	}
}
