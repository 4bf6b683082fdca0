package proxy

import (
	"sync/atomic"
	"syscall"
	"time"
)

// stuck knows for how long a worker has taken nothing of what its tunnel has for it.
// What goes the other way does not count: a worker that sends on and never reads
// would keep its client waiting for ever.
type stuck struct {
	since atomic.Int64 // when the write that is on its way began, on the server's clock; 0: none is

	// The rest is the janitor's.
	write  int64 // the write that it has seen
	taking taking
}

// lasts is called each round. A write of many pieces lasts long with a worker that
// reads slowly: it counts from when the worker took something last.
func (s *stuck) lasts(now time.Duration, to syscall.RawConn) time.Duration {
	since := s.since.Load()
	if since == 0 {
		return 0
	}
	s.taking.look(to, now)
	if since != s.write {
		s.write, s.taking.since = since, time.Duration(since)
	}
	return now - s.taking.since
}
