package pool

import (
	"fmt"
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
	// MaxRequests is after how many requests Exhausted is told; 0 means never.
	MaxRequests int
}

// Worker is one process in the pool.
type Worker struct {
	spec WorkerSpec

	// The rest is under the pool's lock.
	state      State
	slots      []*Slot
	inFlight   int
	handled    int
	lastServed time.Duration
}

// Spec returns what Add was given, with the socket that the worker registered.
func (w *Worker) Spec() WorkerSpec { return w.spec }

// Slot is one lease of a worker: it serves one request at a time.
type Slot struct {
	worker *Worker
	wake   chan *Ticket // holds one: a request for the idle slot, or nil at its end

	// The rest is under the pool's lock.
	state      slotState
	ticket     *Ticket
	prev, next *Slot // idle list
	listed     bool
}

type slotState uint8

const (
	slotBusy  slotState = iota // its goroutine serves, or is about to take its turn
	slotIdle                   // its goroutine waits, or is about to
	slotEnded                  // it has been told to end
)

// Worker returns the worker that the slot belongs to.
func (s *Slot) Worker() *Worker { return s.worker }

// EventKind is what Options.Events is told.
type EventKind uint8

// The kinds of events.
const (
	// Exhausted: the worker has served MaxRequests; it goes on until it is retired.
	Exhausted EventKind = iota
	// Dropped: the worker was dropped at a failure, see Cause and Detail.
	Dropped
	// Idle: a retiring or failed worker has no request in flight any more.
	Idle
)

// Cause is why a worker was dropped or a request retried.
type Cause string

// The causes; they are also values of log fields and metric labels.
const (
	// CauseConnect: connecting to the worker's socket failed.
	CauseConnect Cause = "connect-failed"
	// CauseClosed: a kept-alive connection was closed before it took a byte.
	CauseClosed Cause = "connection-closed"
	// CauseWrite: the request could not be written.
	CauseWrite Cause = "write-failed"
	// CauseRead: the answer broke off.
	CauseRead Cause = "read-failed"
	// CauseAnswer: the answer was not HTTP.
	CauseAnswer Cause = "bad-answer"
	// CauseTimeout: the worker passed the read timeout.
	CauseTimeout Cause = "read-timeout"
	// CauseBusy: the worker answered 503 with Rip-Worker-Busy.
	CauseBusy Cause = "worker-busy"
)

// Event tells the owner of the processes what happened to a worker.
type Event struct {
	Worker *Worker
	Kind   EventKind
	Cause  Cause
	// Detail is one line for the log: the error, and which request it was.
	Detail string
}

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
// pull, oldest request first, so there is no wake-up to lose. socket replaces the spec's when it is not empty.
func (p *Pool) Ready(w *Worker, socket string) error {
	p.mu.Lock()
	defer p.unlock()
	if w.state != Starting {
		return &StepError{w.spec.ID, w.spec.Generation, w.state, Ready}
	}
	w.state = Ready
	if socket != "" {
		w.spec.Socket = socket
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

// Resume lets a drained worker take requests again.
func (p *Pool) Resume(w *Worker) error {
	p.mu.Lock()
	defer p.unlock()
	if w.state != Drained {
		return &StepError{w.spec.ID, w.spec.Generation, w.state, Ready}
	}
	w.state = Ready
	for _, s := range w.slots {
		if s.state == slotIdle {
			p.idle.push(s)
		}
	}
	p.dispatch()
	return nil
}

// Retire lets the worker finish what runs and gives it nothing new. Event Idle
// follows when its last lease has ended; at once when it has none.
func (p *Pool) Retire(w *Worker) error {
	p.mu.Lock()
	defer p.unlock()
	if err := p.step(w, Retiring); err != nil {
		return err
	}
	p.endIdleSlots(w)
	if w.inFlight == 0 {
		p.tell(Event{Worker: w, Kind: Idle})
	}
	return nil
}

// Fail drops the worker at a failure. Event Dropped follows, and Idle when its
// last lease has ended. Failing a worker that failed already changes nothing and
// is no error: each of its slots may meet the same broken process.
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
	if w.inFlight == 0 {
		p.tell(Event{Worker: w, Kind: Idle})
	}
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
	for i, other := range p.workers {
		if other == w {
			p.workers = append(p.workers[:i], p.workers[i+1:]...)
			break
		}
	}
	return nil
}

// step moves the worker along one legal transition.
func (p *Pool) step(w *Worker, to State) error {
	if !steps[w.state][to] {
		return &StepError{w.spec.ID, w.spec.Generation, w.state, to}
	}
	w.state = to
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
		s.wake <- nil // never blocks: the slot was idle and its channel is empty
	}
}
