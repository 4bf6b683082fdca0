package pool

import "time"

// Counts are totals since the pool was made.
type Counts struct {
	Leases          uint64 // requests given to a worker; a retried one counts twice
	RefusedFull     uint64 // the queue was at its bound
	RefusedNoWorker uint64 // no worker could be had
	RefusedStopping uint64 // the pool had been stopped
	RefusedCrowded  uint64 // each worker had as many upgrades as it may have
	Expired         uint64 // the queue's timeout passed
	Left            uint64 // the client left the queue
}

// Snapshot is the pool at one moment.
type Snapshot struct {
	QueueLength int
	QueueSize   int
	OldestWait  time.Duration // of the request at the queue's head; 0 when it is empty
	Idle        int           // slots that would take a request at once
	Counts      Counts
	Workers     []WorkerInfo // in the order in which they were added
}

// ServedMost is as what a request counts in WorkerInfo.Served that had its slot for longer: a
// second, so that one that waits for news for minutes does not hide the thousands that were
// served while it ended.
const ServedMost = time.Second

// WorkerInfo is one worker at one moment.
type WorkerInfo struct {
	WorkerSpec
	State      State
	InFlight   int
	Upgraded   int // connections that were switched to another protocol, and requests that ask for it
	Streams    int // answers that go on without a slot
	Handled    int
	Served     time.Duration // the sum of the time that these requests had a slot, each up to ServedMost
	LastServed time.Duration // when its last lease ended (monotonic); 0 before the first
	Request    string        // of its leases the one that runs longest; "" when idle
	Running    time.Duration // for how long that one has run
}

// Snapshot returns the pool at the moment now (monotonic).
func (p *Pool) Snapshot(now time.Duration) Snapshot {
	p.mu.Lock()
	defer p.unlock()
	s := Snapshot{QueueLength: p.queue.length, QueueSize: p.size, Idle: p.eligible(), Counts: p.counts}
	if p.queue.head != nil {
		s.OldestWait = max(now-p.queue.head.arrived, 0)
	}
	s.Workers = make([]WorkerInfo, 0, len(p.workers))
	for _, w := range p.workers {
		s.Workers = append(s.Workers, w.info(now))
	}
	return s
}

// Info returns one worker at the moment now; also one that is Gone.
func (p *Pool) Info(w *Worker, now time.Duration) WorkerInfo {
	p.mu.Lock()
	defer p.unlock()
	return w.info(now)
}

// eligible counts the idle slots that Require allows to take requests.
func (p *Pool) eligible() int {
	n := 0
	for s := p.idle.head; s != nil; s = s.next {
		if s.worker.spec.Generation >= p.required {
			n++
		}
	}
	return n
}

func (w *Worker) info(now time.Duration) WorkerInfo {
	i := WorkerInfo{WorkerSpec: w.Spec(), State: w.state, InFlight: w.inFlight, Upgraded: w.upgrades, Streams: w.streams, Handled: w.handled, Served: w.served, LastServed: w.lastServed}
	var longest *Ticket
	for _, s := range w.slots {
		if s.ticket != nil && (longest == nil || s.ticket.began() < longest.began()) {
			longest = s.ticket
		}
	}
	if longest != nil {
		i.Request = longest.Request.Describe()
		i.Running = max(now-longest.began(), 0)
	}
	return i
}
