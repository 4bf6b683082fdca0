package pool

// This file holds the rules for answers that go on without a slot: a worker may let go
// of the slot when the head of its answer is in. The stream then counts for itself.

// Detach lets the answer of the slot's request go on without the slot, which the caller
// turns then. It reports false when the worker has as many such streams as it may have:
// nothing has changed. The stream counts until EndStream.
func (p *Pool) Detach(s *Slot) bool {
	p.mu.Lock()
	defer p.unlock()
	w := s.worker
	if w.streams >= w.spec.Streams {
		return false
	}
	w.streams++
	return true
}

// EndStream ends what Detach began. A retiring worker is idle when its last stream has
// ended, too.
func (p *Pool) EndStream(w *Worker) {
	p.mu.Lock()
	defer p.unlock()
	w.streams--
	p.tellIdle(w)
}
