// Package pool owns the states of an app's workers and the queue of requests
// that wait for one of them. Everything that decides who serves whom happens
// here, in one place and under one lock: a request is leased to an idle worker,
// given a place in the bounded queue, or refused, in one decision.
//
// Three rules hold at every moment when the lock is free, and the tests check
// them after each step of random histories:
//
//   - a lease slot serves at most one request, until the body of its answer is in;
//   - the queue is first in, first out, and never longer than its bound;
//   - no eligible slot is idle while a request waits.
package pool

import (
	"sync"
	"sync/atomic"
	"time"
)

// Options are fixed for the life of a Pool.
type Options struct {
	// Size is the bound of the queue, in requests. Zero means that a request
	// that finds no idle worker is refused.
	Size int
	// Serve runs the life of one lease slot: it calls Next until that returns
	// nil. The pool starts it in a goroutine of its own for each slot of a
	// worker that becomes ready.
	Serve func(*Slot)
	// Events is told what the owner of the processes has to know, one event at a
	// time and in the order in which they happened. It is called without the lock
	// held, by a goroutine that is inside some method of the pool, and must not
	// block; it may call the pool. Nil drops the events.
	Events func(Event)
}

// Pool is the set of workers and the queue in front of them. All methods may be
// called from any goroutine.
type Pool struct {
	serve  func(*Slot)
	events func(Event)
	slots  sync.WaitGroup // goroutines that run Serve

	mu       sync.Mutex
	queue    queue
	size     int
	idle     idleList
	workers  []*Worker    // all that are not Gone, in the order of Add
	newest   int          // highest generation that ever became ready
	barrier  atomic.Int64 // a copy of required
	required int          // only workers of this generation or newer take requests
	stopping bool
	hopeless bool
	retry    time.Duration // with hopeless: when the next worker may be there
	sequence uint64
	counts   Counts
	pending  []Event // what unlock tells Options.Events
	telling  bool    // a goroutine is in unlock and tells
}

// New returns a pool without workers.
func New(o Options) *Pool {
	p := &Pool{serve: o.Serve, events: o.Events, size: o.Size}
	if p.events == nil {
		p.events = func(Event) {}
	}
	return p
}

// Verdict is the one decision on an arriving request.
type Verdict uint8

// The verdicts of Submit and Retry.
const (
	// Leased: an idle worker has it.
	Leased Verdict = iota
	// Queued: it waits for one.
	Queued
	// Full: the queue is at its bound.
	Full
	// NoWorker: no worker is ready and none is about to be.
	NoWorker
	// Stopping: the pool admits nothing any more.
	Stopping
	// Crowded: the request asks for another protocol, and each worker has as many
	// upgrades as it may have.
	Crowded
)

// String returns the verdict's name as logs and metrics show it.
func (v Verdict) String() string {
	return [...]string{"leased", "queued", "queue-full", "no-worker", "stopping", "upgrades-full"}[v]
}

// Submit admits a request at the moment now (monotonic). It never blocks.
func (p *Pool) Submit(t *Ticket, now time.Duration) Verdict {
	v, s := p.submit(t, now)
	if s != nil && s.Sleeper != nil {
		s.Sleeper.Start()
	}
	return v
}

// submit is Submit, and tells which slot was given the request.
func (p *Pool) submit(t *Ticket, now time.Duration) (Verdict, *Slot) {
	p.mu.Lock()
	defer p.unlock()
	p.sequence++
	t.enter(p.sequence, now)
	if p.stopping {
		p.counts.RefusedStopping++
		t.state = refused
		return Stopping, nil
	}
	if s := p.pick(t); s != nil {
		p.lease(s, t, now)
		s.wake <- t // never blocks: the slot was idle and its channel holds one
		return Leased, s
	}
	return p.enqueue(t), nil
}

// enqueue decides on a request that finds no idle slot. The caller has the lock.
func (p *Pool) enqueue(t *Ticket) Verdict {
	if p.hopeless {
		p.counts.RefusedNoWorker++
		t.state = refused
		return NoWorker
	}
	if t.Upgrade && p.crowded() {
		p.counts.RefusedCrowded++
		t.state = refused
		return Crowded
	}
	if p.queue.length >= p.size {
		p.counts.RefusedFull++
		t.state = refused
		return Full
	}
	p.queue.push(t)
	return Queued
}

// Retry gives the slot's request, which its worker cannot have begun, back. The
// lease is over and not counted as served; the request keeps the place that its
// arrival gave it. Where the queue is full the bound still holds: the youngest
// waiting request is returned as displaced, and is the caller's to refuse. The
// slot's goroutine goes on with Next.
func (p *Pool) Retry(s *Slot, now time.Duration) (v Verdict, displaced *Ticket) {
	p.mu.Lock()
	defer p.unlock()
	t := s.ticket
	if s.upgrade {
		defer p.dispatch() // as in Turn
	}
	p.release(s)
	t.state = waiting
	if other := p.pick(t); other != nil {
		p.lease(other, t, now)
		other.give(t)
		return Leased, nil
	}
	if p.hopeless {
		p.counts.RefusedNoWorker++
		t.state = refused
		return NoWorker, nil
	}
	if p.queue.length >= p.size {
		displaced = p.queue.tail
		if displaced == nil || displaced.sequence < t.sequence {
			displaced = nil
			p.counts.RefusedFull++
			t.state = refused
			return Full, nil
		}
		p.queue.remove(displaced)
		p.counts.RefusedFull++
		displaced.state = refused
	}
	p.queue.insert(t)
	return Queued, displaced
}

// Leave takes a waiting request out of the queue because its client has gone.
// It returns false when the request does not wait: then its answer is under way
// or given, and the lease goes on.
func (p *Pool) Leave(t *Ticket) bool {
	p.mu.Lock()
	defer p.unlock()
	if t.state != waiting {
		return false
	}
	p.queue.remove(t)
	t.state = left
	p.counts.Left++
	return true
}

// Waits reports whether the request is in the queue.
func (p *Pool) Waits(t *Ticket) bool {
	p.mu.Lock()
	defer p.unlock()
	return t.state == waiting
}

// Expire takes the oldest waiting request out of the queue when it has waited
// for at least timeout at the moment now. It returns nil when nobody has; the
// caller asks again until then, and answers 504.
func (p *Pool) Expire(now, timeout time.Duration) *Ticket {
	p.mu.Lock()
	defer p.unlock()
	t := p.queue.head
	if t == nil || now-t.arrived < timeout {
		return nil
	}
	p.queue.remove(t)
	t.state = expired
	p.counts.Expired++
	return t
}

// Next ends the slot's lease, if it has one, and waits for the next request. It
// returns nil when the slot has come to its end: its worker serves no more.
func (p *Pool) Next(s *Slot, now time.Duration) *Ticket {
	if t, ended := p.Turn(s, now); t != nil || ended {
		return t
	}
	return s.Wait()
}

// Turn ends the slot's lease, if it has one, and takes the oldest waiting
// request. With none it returns nil, and the slot stands idle: its goroutine
// must call Wait. ended tells that the slot has come to its end instead. To turn
// a slot again that stands idle changes nothing.
//
// A worker's goroutine calls Turn when the body of an answer is in and writes the
// next request to its worker before that answer to its client; the worker is
// busy sooner by one system call (7 % more requests a second with 512 clients).
func (p *Pool) Turn(s *Slot, now time.Duration) (t *Ticket, ended bool) {
	p.mu.Lock()
	defer p.unlock()
	if s.parked() {
		return nil, false
	}
	w := s.worker
	if s.upgrade {
		defer p.dispatch() // the worker may have room for an upgrade that waits
	}
	p.endLease(s, now)
	if w.state == Ready && w.spec.Generation >= p.required {
		t = p.oldestFor(w)
	}
	switch {
	case t != nil:
		p.queue.remove(t)
		// The caller read its clock before it had the lock, and may have waited
		// for the lock while the request arrived: no wait is below zero.
		p.lease(s, t, max(now, t.arrived))
		return t, false
	case w.state == Ready || w.state == Drained:
		p.park(s)
		return nil, false
	}
	s.state = slotEnded
	return nil, true
}

// Wait blocks until the idle slot is given a request, or returns nil at its end.
func (s *Slot) Wait() *Ticket { return <-s.wake }

// Require sets the oldest generation whose workers may take requests. It is the
// barrier behind which no code older than a change answers; requests wait until
// a worker of that generation is ready.
func (p *Pool) Require(generation int) {
	p.mu.Lock()
	defer p.unlock()
	p.required = generation
	p.barrier.Store(int64(generation))
	p.dispatch()
}

// Outlook tells the pool whether a worker can be expected. While hopeless (none
// is ready and none is being started), a new request is refused at once with
// retryAfter as its advice; requests that wait already keep their place.
func (p *Pool) Outlook(hopeless bool, retryAfter time.Duration) {
	p.mu.Lock()
	defer p.unlock()
	p.hopeless, p.retry = hopeless, retryAfter
}

// RetryAfter is the advice of the last Outlook.
func (p *Pool) RetryAfter() time.Duration {
	p.mu.Lock()
	defer p.unlock()
	return p.retry
}

// Resize changes the queue's bound. Requests beyond a smaller one keep their
// place; none is added until the queue is below it.
func (p *Pool) Resize(size int) {
	p.mu.Lock()
	defer p.unlock()
	p.size = size
}

// Stop ends admission for ever: Submit answers Stopping. What waits is served.
func (p *Pool) Stop() {
	p.mu.Lock()
	defer p.unlock()
	p.stopping = true
}

// Abandon takes the oldest waiting request out of the queue, whatever its age;
// nil when the queue is empty. It empties the queue when a stop has run out of
// time.
func (p *Pool) Abandon() *Ticket {
	p.mu.Lock()
	defer p.unlock()
	t := p.queue.head
	if t != nil {
		p.queue.remove(t)
		t.state = refused
		p.counts.RefusedStopping++
	}
	return t
}

// Wait returns when the goroutine of each slot has ended, which is after every
// worker was retired, failed or removed and the last lease is over.
func (p *Pool) Wait() { p.slots.Wait() }

// lease gives the request to the slot.
func (p *Pool) lease(s *Slot, t *Ticket, now time.Duration) {
	t.state, t.leased = leased, now
	s.state, s.ticket = slotBusy, t
	s.worker.inFlight++
	if s.upgrade = t.Upgrade; s.upgrade {
		s.worker.upgrades++
	}
	p.counts.Leases++
}

// endLease counts what the slot has served, and tells when its worker has served
// what it may.
func (p *Pool) endLease(s *Slot, now time.Duration) {
	if s.ticket == nil {
		return
	}
	w := s.worker
	w.handled++
	if s.ticket.leased > 0 { // else nobody knows
		w.served += min(max(now-s.ticket.leased, 0), ServedMost)
	}
	w.lastServed = max(w.lastServed, now)
	if w.handled == w.spec.MaxRequests && (w.state == Ready || w.state == Drained) {
		p.tell(Event{Worker: w, Kind: Exhausted})
	}
	p.release(s)
}

// release ends the slot's lease, and tells when a worker that takes no more has
// become idle with it.
func (p *Pool) release(s *Slot) {
	if s.upgrade {
		s.worker.upgrades--
	}
	s.ticket, s.upgrade = nil, false
	s.worker.inFlight--
	p.tellIdle(s.worker)
}

// park makes the slot idle; only a ready worker's slots are in the idle list.
func (p *Pool) park(s *Slot) {
	s.state = slotIdle
	if s.worker.state == Ready {
		p.idle.push(s)
	}
}
