package pool_test

import (
	"cmp"
	"slices"
	"time"

	"ripd/internal/pool"
)

// model is a second pool, slow and plain: it says in slices and sorts what the
// real one does with lists. The machine makes each step in both and compares.
type model struct {
	size     int
	required int
	stopping bool
	hopeless bool
	retry    time.Duration
	now      time.Duration

	order   int // arrivals so far
	parks   int // times that a slot became idle so far
	queue   []*call
	workers []*process // those that are not gone
	counts  pool.Counts
	events  []told
	fresh   []*call // leased in this step
}

// call is a request of the model.
type call struct {
	name    string
	ticket  *pool.Ticket
	order   int
	arrived time.Duration
	leased  time.Duration
	place   place
	slot    *seat // while it is held
	ends    int
}

// Describe names the call for a snapshot.
func (c *call) Describe() string { return c.name }

// place is where a call is.
type place int

const (
	outside place = iota // refused, left, expired, or served
	inQueue
	held
)

// process is a worker of the model.
type process struct {
	worker   *pool.Worker
	spec     pool.WorkerSpec
	state    pool.State
	seats    []*seat
	handled  int
	served   time.Duration
	last     time.Duration
	toldIdle bool
}

// seat is a lease slot of the model, with what its goroutine is about to do.
type seat struct {
	slot    *pool.Slot
	process *process
	phase   phase
	call    *call // while it is given or serving
	parked  int   // its place among the idle ones: which park has made it
	rested  int   // which park made it idle
}

type phase int

const (
	turning phase = iota // will call Turn, with no lease
	idle                 // will call Wait, and would block
	given                // will call Wait, and get its call or its end
	serving              // has a call
	ended
)

// told is an event.
type told struct {
	worker *pool.Worker
	kind   pool.EventKind
	cause  pool.Cause
}

func (m *model) submit(c *call) pool.Verdict {
	m.order++
	c.order, c.arrived, c.leased = m.order, m.now, 0
	if m.stopping {
		m.counts.RefusedStopping++
		m.end(c)
		return pool.Stopping
	}
	if s := m.pick(); s != nil {
		m.lease(s, c, m.now, given)
		return pool.Leased
	}
	if m.hopeless {
		m.counts.RefusedNoWorker++
		m.end(c)
		return pool.NoWorker
	}
	if len(m.queue) >= m.size {
		m.counts.RefusedFull++
		m.end(c)
		return pool.Full
	}
	m.enqueue(c)
	return pool.Queued
}

func (m *model) retryCall(s *seat) (pool.Verdict, *call) {
	c := s.call
	m.release(s)
	if other := m.pick(); other != nil {
		m.lease(other, c, m.now, given)
		return pool.Leased, nil
	}
	if m.hopeless {
		m.counts.RefusedNoWorker++
		m.end(c)
		return pool.NoWorker, nil
	}
	if len(m.queue) < m.size {
		m.enqueue(c)
		return pool.Queued, nil
	}
	// One too many: the youngest of all of them goes.
	m.counts.RefusedFull++
	if len(m.queue) == 0 || m.queue[len(m.queue)-1].order < c.order {
		m.end(c)
		return pool.Full, nil
	}
	youngest := m.queue[len(m.queue)-1]
	m.dequeue(youngest)
	m.end(youngest)
	m.enqueue(c)
	return pool.Queued, youngest
}

// turn returns the call that the seat takes, and whether the seat has ended.
func (m *model) turn(s *seat, now time.Duration) (*call, bool) {
	p := s.process
	if s.phase == serving {
		p.handled++
		if s.call.leased > 0 {
			p.served += min(max(now-s.call.leased, 0), pool.ServedMost)
		}
		p.last = max(p.last, now)
		if p.spec.MaxRequests > 0 && p.handled == p.spec.MaxRequests && (p.state == pool.Ready || p.state == pool.Drained) {
			m.tell(p, pool.Exhausted, "")
		}
		m.end(s.call)
		m.release(s)
	}
	switch p.state {
	case pool.Ready, pool.Drained:
		if p.state == pool.Ready && p.spec.Generation >= m.required && len(m.queue) > 0 {
			c := m.queue[0]
			m.dequeue(c)
			m.lease(s, c, max(now, c.arrived), serving)
			return c, false
		}
		m.park(s)
		return nil, false
	default:
		s.phase = ended
		return nil, true
	}
}

func (m *model) park(s *seat) {
	m.parks++
	s.phase, s.parked, s.rested = idle, m.parks, m.parks
}

// pick returns the idle seat whose turn it is: newest generation, then the worker with
// the fewest requests, then the oldest place; of that worker the seat that became idle last.
func (m *model) pick() *seat {
	var best *seat
	for _, p := range m.workers {
		for _, s := range p.seats {
			if !m.eligible(s) {
				continue
			}
			if best == nil || cmp.Or(cmp.Compare(best.process.spec.Generation, p.spec.Generation),
				cmp.Compare(p.inFlight(), best.process.inFlight()), cmp.Compare(s.parked, best.parked)) < 0 {
				best = s
			}
		}
	}
	if best == nil {
		return nil
	}
	last := best
	for _, s := range best.process.seats {
		if m.eligible(s) && s.rested > last.rested {
			last = s
		}
	}
	best.parked = last.parked
	return last
}

func (m *model) eligible(s *seat) bool {
	return s.phase == idle && s.process.state == pool.Ready && s.process.spec.Generation >= m.required
}

func (m *model) lease(s *seat, c *call, leased time.Duration, p phase) {
	c.place, c.leased, c.slot = held, leased, s
	s.call, s.phase = c, p
	m.counts.Leases++
	m.fresh = append(m.fresh, c)
}

func (m *model) release(s *seat) {
	s.call.slot = nil
	s.call, s.phase = nil, turning
	m.tellIdle(s.process)
}

func (m *model) dispatch() {
	for len(m.queue) > 0 {
		s := m.pick()
		if s == nil {
			return
		}
		c := m.queue[0]
		m.dequeue(c)
		m.lease(s, c, 0, given)
	}
}

func (m *model) enqueue(c *call) {
	c.place = inQueue
	m.queue = append(m.queue, c)
	slices.SortFunc(m.queue, func(a, b *call) int { return a.order - b.order })
}

func (m *model) dequeue(c *call) {
	m.queue = slices.DeleteFunc(m.queue, func(other *call) bool { return other == c })
}

func (m *model) end(c *call) {
	c.place = outside
	c.ends++
}

// finish ends the seats that are idle, because their worker takes no more.
func (m *model) finish(p *process) {
	for _, s := range p.seats {
		if s.phase == idle {
			s.phase = given
		}
	}
	m.tellIdle(p)
}

func (m *model) tell(p *process, kind pool.EventKind, cause pool.Cause) {
	m.events = append(m.events, told{p.worker, kind, cause})
}

func (m *model) tellIdle(p *process) {
	if p.inFlight() == 0 && !p.toldIdle && (p.state == pool.Retiring || p.state == pool.Failed) {
		p.toldIdle = true
		m.tell(p, pool.Idle, "")
	}
}

func (p *process) inFlight() int {
	n := 0
	for _, s := range p.seats {
		if s.call != nil {
			n++
		}
	}
	return n
}

// snapshot is what Pool.Snapshot ought to return.
func (m *model) snapshot() pool.Snapshot {
	s := pool.Snapshot{QueueLength: len(m.queue), QueueSize: m.size, Counts: m.counts, Workers: []pool.WorkerInfo{}}
	if len(m.queue) > 0 {
		s.OldestWait = m.now - m.queue[0].arrived
	}
	for _, p := range m.workers {
		s.Workers = append(s.Workers, m.info(p))
		for _, seat := range p.seats {
			if m.eligible(seat) {
				s.Idle++
			}
		}
	}
	return s
}

func (m *model) info(p *process) pool.WorkerInfo {
	i := pool.WorkerInfo{WorkerSpec: p.spec, State: p.state, InFlight: p.inFlight(), Handled: p.handled, Served: p.served, LastServed: p.last}
	for _, s := range p.seats {
		if s.call == nil {
			continue
		}
		if running := m.now - max(s.call.leased, s.call.arrived); i.Request == "" || running > i.Running {
			i.Request, i.Running = s.call.name, running
		}
	}
	return i
}
