package pool

// This file holds the choice of the slot for a request, and of the request for a slot.

// dispatch serves the queue with idle slots; it follows everything that makes a
// slot eligible, so that no request waits beside one.
func (p *Pool) dispatch() {
	for t := p.queue.head; t != nil && p.idle.head != nil; {
		s, next := p.pick(t), t.next
		switch {
		case s == nil && !t.Upgrade:
			return
		case s == nil:
			t = next // those behind it may go to workers that are full of upgrades
			continue
		}
		p.queue.remove(t)
		// Whoever made the slot eligible has no clock at hand: the lease counts
		// from the request's arrival until the slot's goroutine takes it over.
		p.lease(s, t, 0)
		s.give(t)
		t = next
	}
}

// lookMost is how many idle slots are looked at for one whose worker has less to do.
// Workers of one slot have nothing to do while it is idle: the first one is taken.
const lookMost = 256

// pick takes a slot out of the idle list: of the newest generation that has one
// idle, of its workers one that has the fewest requests in flight, and of these the one
// with the place in the list that is oldest; of its slots the one that became idle last. It
// returns nil when none is eligible for the request.
func (p *Pool) pick(t *Ticket) *Slot {
	best := p.idle.head
	for best != nil && !best.worker.takes(t) {
		best = best.next
	}
	if best == nil {
		return nil
	}
	looked := 0
	for s := best; s != nil && (best.worker.spec.Generation < p.newest || best.worker.inFlight > 0 && looked < lookMost); s = s.next {
		if s.worker.takes(t) && s.before(best) {
			best = s
		}
		looked++
	}
	if best.worker.spec.Generation < p.required {
		return nil
	}
	return p.idle.take(best)
}

// before tells whether the slot is the better choice, whatever their order in the
// idle list.
func (s *Slot) before(other *Slot) bool {
	if a, b := s.worker.spec.Generation, other.worker.spec.Generation; a != b {
		return a > b
	}
	return s.worker.inFlight < other.worker.inFlight
}

// takes tells whether the worker's slots are eligible for the request, as far as
// upgrades go. One that is not answered yet counts, too.
func (w *Worker) takes(t *Ticket) bool { return !t.Upgrade || w.upgrades < w.spec.Upgrades }

// oldestFor is the oldest waiting request that the worker can take; nil without one.
func (p *Pool) oldestFor(w *Worker) *Ticket {
	t := p.queue.head
	for t != nil && !w.takes(t) {
		t = t.next
	}
	return t
}

// crowded tells whether each worker that could take requests has as many upgrades as
// it may have. It is false when there is no such worker.
func (p *Pool) crowded() bool {
	found := false
	for _, w := range p.workers {
		if w.state != Ready || w.spec.Generation < p.required {
			continue
		}
		if w.upgrades < w.spec.Upgrades {
			return false
		}
		found = true
	}
	return found
}
