package pool

import "time"

// This file holds the rules for requests that ask for another protocol. Such a
// request is leased as any other, to a worker that may have one more upgrade. When
// the worker agrees, the lease ends and the upgrade lives on beside the slots: they
// are free for other requests. The queue stays first in, first out among the
// requests that a worker can take.

// Switch is Turn for a slot whose worker has agreed to another protocol. The upgrade
// counts until EndUpgrade.
func (p *Pool) Switch(s *Slot, now time.Duration) (t *Ticket, ended bool) {
	p.mu.Lock()
	s.upgrade = false // release leaves it in the count
	p.unlock()
	return p.Turn(s, now)
}

// EndUpgrade ends what Switch began. A retiring worker is idle when its last upgrade
// has ended, too.
func (p *Pool) EndUpgrade(w *Worker) {
	p.mu.Lock()
	defer p.unlock()
	w.upgrades--
	p.tellIdle(w)
	p.dispatch()
}

// Barred tells whether the worker is of a generation that may not answer any more
// (Require). It takes no lock.
func (p *Pool) Barred(w *Worker) bool { return int64(w.spec.Generation) < p.barrier.Load() }

// Held tells whether the worker is to take nothing new: it is drained or on its way
// out. It takes no lock.
func (w *Worker) Held() bool { return w.held.Load() }
