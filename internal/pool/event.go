package pool

// EventKind is what Options.Events is told.
type EventKind uint8

// The kinds of events.
const (
	// Exhausted: the worker has served MaxRequests; it goes on until it is
	// retired. One that takes no more anyway is not told.
	Exhausted EventKind = iota
	// Dropped: the worker was dropped at a failure, see Cause and Detail.
	Dropped
	// Idle: a retiring or failed worker has no request in flight any more, and, if it
	// is retiring, no upgrade. It is told once, and not after Remove.
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

func (p *Pool) tell(e Event) { p.pending = append(p.pending, e) }

// tellIdle tells Idle for a worker that takes no more and has nothing in flight,
// once: one that was retired can still fail.
func (p *Pool) tellIdle(w *Worker) {
	if w.inFlight > 0 || w.upgrades+w.streams > 0 && w.state == Retiring || w.toldIdle || (w.state != Retiring && w.state != Failed) {
		return
	}
	w.toldIdle = true
	p.tell(Event{Worker: w, Kind: Idle})
}

// unlock frees the lock and then tells what happened under it. One goroutine
// tells at a time, also what others add meanwhile: if each told its own, a
// worker's Idle could overtake its Dropped.
func (p *Pool) unlock() {
	if p.telling || len(p.pending) == 0 {
		p.mu.Unlock()
		return
	}
	p.telling = true
	for len(p.pending) > 0 {
		events := p.pending
		p.pending = nil
		p.mu.Unlock()
		for _, e := range events {
			p.events(e)
		}
		p.mu.Lock()
	}
	p.telling = false
	p.mu.Unlock()
}
