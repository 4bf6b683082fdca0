package proxy

import (
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stuck knows for how long a worker has taken nothing of what its tunnel has for it.
// What goes the other way does not count: a worker that sends on and never reads
// would keep its client waiting for ever.
type stuck struct {
	since atomic.Int64 // when the write that is on its way began, on the server's clock; 0: none is

	// The rest is the janitor's.
	write  int64         // the write that it has seen
	queued int           // bytes that the worker had not taken then
	moved  time.Duration // when the write began, or the worker took some of them last
}

// lasts is called each round. A write of many pieces lasts long with a worker that
// reads slowly: it counts from when the worker took something last.
func (s *stuck) lasts(now time.Duration, to syscall.RawConn) time.Duration {
	since := s.since.Load()
	if since == 0 {
		return 0
	}
	queued := unsent(to)
	if since != s.write {
		s.write, s.moved = since, time.Duration(since)
	} else if queued != s.queued {
		s.moved = now
	}
	s.queued = queued
	return now - s.moved
}

// unsent is how many bytes a connection holds that its peer has not taken.
func unsent(c syscall.RawConn) (n int) {
	_ = c.Control(func(fd uintptr) { // an error: it is closed, and the write ends
		n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) // a socket has one
	})
	return n
}
