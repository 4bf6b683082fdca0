package pool

import "fmt"

// Slots returns the worker's slots, for tests that play their goroutines.
func (p *Pool) Slots(w *Worker) []*Slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Slot(nil), w.slots...)
}

// OlderWaits tells whether a request that arrived before t stands in the queue.
func (p *Pool) OlderWaits(t *Ticket) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.head != nil && p.queue.head.sequence < t.sequence
}

// Waiting returns the tickets in the queue, oldest first.
func (p *Pool) Waiting() []*Ticket {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*Ticket
	for t := p.queue.head; t != nil; t = t.next {
		all = append(all, t)
	}
	return all
}

// Check tells which rule of the package is broken at this moment, if one is.
func (p *Pool) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.queue.check(); err != nil {
		return err
	}
	listed, err := p.idle.check()
	if err != nil {
		return err
	}
	leases := map[*Ticket]*Slot{}
	for _, w := range p.workers {
		if err := w.check(leases); err != nil {
			return err
		}
		for _, s := range w.warm {
			if !listed[s] || s.worker != w {
				return fmt.Errorf("a slot that is not in the idle list counts as idle for worker %d", w.spec.ID)
			}
		}
		if idle := countListed(w); idle != len(w.warm) {
			return fmt.Errorf("worker %d has %d slots in the idle list, and counts %d", w.spec.ID, idle, len(w.warm))
		}
		for _, s := range w.slots {
			if want := s.state == slotIdle && w.state == Ready; listed[s] != want || s.listed != want {
				return fmt.Errorf("worker %d is %s, its slot is %d: in the idle list %v, marked %v", w.spec.ID, w.state, s.state, listed[s], s.listed)
			}
			delete(listed, s)
			if p.oldestFor(w) != nil && s.listed && w.spec.Generation >= p.required {
				return fmt.Errorf("%d requests wait beside an idle slot of worker %d", p.queue.length, w.spec.ID)
			}
		}
	}
	if len(listed) > 0 {
		return fmt.Errorf("%d slots in the idle list belong to no worker of the pool", len(listed))
	}
	return nil
}

func countListed(w *Worker) (n int) {
	for _, s := range w.slots {
		if s.listed {
			n++
		}
	}
	return n
}

func (q *queue) check() error {
	n := 0
	var last *Ticket
	for t := q.head; t != nil; last, t = t, t.next {
		n++
		switch {
		case n > q.length:
			return fmt.Errorf("the queue holds more than its length %d", q.length)
		case t.prev != last:
			return fmt.Errorf("ticket %d of the queue is linked to a wrong one before it", n)
		case t.state != waiting:
			return fmt.Errorf("ticket %d of the queue is in state %d", n, t.state)
		case last != nil && t.sequence <= last.sequence:
			return fmt.Errorf("ticket %d of the queue arrived before the one before it", n)
		}
	}
	if n != q.length || q.tail != last {
		return fmt.Errorf("the queue holds %d, its length is %d", n, q.length)
	}
	return nil
}

func (l *idleList) check() (map[*Slot]bool, error) {
	listed := map[*Slot]bool{}
	var last *Slot
	for s := l.head; s != nil; last, s = s, s.next {
		if listed[s] || s.prev != last {
			return nil, fmt.Errorf("the idle list is broken after %d slots", len(listed))
		}
		listed[s] = true
	}
	if l.tail != last {
		return nil, fmt.Errorf("the idle list ends elsewhere than after %d slots", len(listed))
	}
	return listed, nil
}

func (w *Worker) check(leases map[*Ticket]*Slot) error {
	busy, asked := 0, 0
	for _, s := range w.slots {
		if s.upgrade {
			asked++
		}
		if s.ticket != nil {
			busy++
			if s.ticket.state != leased {
				return fmt.Errorf("a leased ticket is in state %d", s.ticket.state)
			}
			if leases[s.ticket] != nil {
				return fmt.Errorf("two slots serve one request")
			}
			leases[s.ticket] = s
		}
		if s.state == slotIdle && len(s.wake) > 0 {
			return fmt.Errorf("an idle slot was given something")
		}
		if s.state == slotIdle && w.state != Ready && w.state != Drained {
			return fmt.Errorf("a slot of a worker that is %s stands idle for ever", w.state)
		}
	}
	if asked > w.upgrades || w.upgrades > w.spec.Upgrades {
		return fmt.Errorf("worker %d counts %d upgrades of at most %d, %d are asked for", w.spec.ID, w.upgrades, w.spec.Upgrades, asked)
	}
	if busy != w.inFlight || busy > w.spec.Slots {
		return fmt.Errorf("worker %d has %d requests in flight on %d slots, and counts %d", w.spec.ID, busy, w.spec.Slots, w.inFlight)
	}
	return nil
}
