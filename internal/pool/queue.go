package pool

import (
	"slices"
	"time"
)

// Ticket is a request's place in the pool. It is part of the request, so that
// queueing allocates nothing; one ticket serves one request after another.
type Ticket struct {
	// Request is the request that the ticket belongs to, set once by its owner.
	Request Request
	// Upgrade tells that the request asks for another protocol (Switch). Its owner
	// sets it before Submit.
	Upgrade bool

	// The rest is under the pool's lock while the request waits, and belongs to
	// the slot's goroutine while it is leased.
	state      ticketState
	sequence   uint64
	arrived    time.Duration
	leased     time.Duration
	prev, next *Ticket
}

// Request is what a pool has to know of a request: how to name it.
type Request interface {
	// Describe returns the request's method and target for operators. It is
	// called under the pool's lock, only while the request is leased.
	Describe() string
}

type ticketState uint8

const (
	fresh ticketState = iota
	waiting
	leased
	left
	expired
	refused
)

// enter starts the ticket's way for a new request.
func (t *Ticket) enter(sequence uint64, now time.Duration) {
	t.state, t.sequence, t.arrived, t.leased = waiting, sequence, now, 0
}

// Arrived is when the request was submitted.
func (t *Ticket) Arrived() time.Duration { return t.arrived }

// Leased is when the request was last leased; 0 when the pool does not know
// better than the goroutine that took it.
func (t *Ticket) Leased() time.Duration { return t.leased }

// began is from when the lease is counted.
func (t *Ticket) began() time.Duration { return max(t.leased, t.arrived) }

// queue is a list of waiting tickets, oldest first.
type queue struct {
	head, tail *Ticket
	length     int
}

// push adds the youngest.
func (q *queue) push(t *Ticket) {
	t.prev, t.next = q.tail, nil
	if q.tail != nil {
		q.tail.next = t
	} else {
		q.head = t
	}
	q.tail = t
	q.length++
}

// insert puts t where its arrival belongs; it is nearly always the oldest.
func (q *queue) insert(t *Ticket) {
	after := q.head
	for after != nil && after.sequence < t.sequence {
		after = after.next
	}
	if after == nil {
		q.push(t)
		return
	}
	t.prev, t.next = after.prev, after
	if after.prev != nil {
		after.prev.next = t
	} else {
		q.head = t
	}
	after.prev = t
	q.length++
}

func (q *queue) remove(t *Ticket) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		q.head = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		q.tail = t.prev
	}
	t.prev, t.next = nil, nil
	q.length--
}

// idleList holds the idle slots of ready workers. Each has a place in it, the oldest first,
// and which workers are chosen goes by these. Of one worker, the slot that became idle
// last is taken: so few of its connections are in use, and their memory is in the caches of
// both sides.
type idleList struct {
	head, tail *Slot
}

func (l *idleList) push(s *Slot) {
	s.prev, s.next, s.listed = l.tail, nil, true
	l.link(s)
	s.worker.warm = append(s.worker.warm, s)
}

// link has the neighbours of s, which it knows, know it.
func (l *idleList) link(s *Slot) {
	if s.prev != nil {
		s.prev.next = s
	} else {
		l.head = s
	}
	if s.next != nil {
		s.next.prev = s
	} else {
		l.tail = s
	}
}

// remove takes the slot out; one that is not listed stays as it is.
func (l *idleList) remove(s *Slot) {
	if !s.listed {
		return
	}
	l.unlink(s)
	w := s.worker
	i := len(w.warm) - 1
	for w.warm[i] != s {
		i--
	}
	w.warm = slices.Delete(w.warm, i, i+1)
}

func (l *idleList) unlink(s *Slot) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		l.head = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		l.tail = s.prev
	}
	s.prev, s.next, s.listed = nil, nil, false
}

// take frees the place of slot, and takes out the slot of the same worker that became idle
// last; where that is another one, slot gets its place.
func (l *idleList) take(slot *Slot) *Slot {
	warm := slot.worker.warm
	s := warm[len(warm)-1]
	if l.unlink(slot); s != slot {
		slot.prev, slot.next, slot.listed = s.prev, s.next, true
		l.link(slot)
		s.prev, s.next, s.listed = nil, nil, false
	}
	slot.worker.warm = warm[:len(warm)-1]
	return s
}
