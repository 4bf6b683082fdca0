package reload

import "sync"

// sharing lets callers share the checks of one thing. At any moment at most
// one check runs, and all who come meanwhile wait for the next one: the one
// that runs may have passed by what they have just changed.
type sharing struct {
	mu       sync.Mutex
	started  uint64 // checks begun; the n-th check has number n
	finished uint64 // number of the last one that ended
	running  bool
	last     verdict // of check number finished

	// Those who wait want check started+1, or, once that runs, started: two
	// numbers in a row. The parity of the number chooses where they wait.
	waiters [2]sync.Cond
}

// do returns the verdict of a check that began after do was called.
func (s *sharing) do(check func() verdict) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := s.started + 1
	for s.finished < want {
		if s.running {
			s.place(want).Wait()
			continue
		}
		s.run(check)
	}
	return s.last
}

// run does the next check. The caller holds mu, which is free meanwhile.
func (s *sharing) run(check func() verdict) {
	s.running = true
	s.started++
	number := s.started
	s.mu.Unlock()
	v := check()
	s.mu.Lock()
	s.running, s.finished, s.last = false, number, v
	s.place(number).Broadcast()
	// One of those who came meanwhile does the next check.
	s.place(number + 1).Signal()
}

func (s *sharing) place(number uint64) *sync.Cond {
	c := &s.waiters[number%2]
	c.L = &s.mu
	return c
}
