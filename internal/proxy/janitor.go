package proxy

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tick is how often the janitor looks at the queue's head: the grain of
	// queue.timeout.
	tick = 20 * time.Millisecond
	// roundTicks is how many ticks pass between two looks at all connections and
	// leases: the grain of the other time-outs is tick * roundTicks, 200 ms.
	roundTicks = 10
)

// janitor looks at every deadline from one place, so that a request sets no timer
// (a timer and a deadline a request cost 1.4 µs). It sleeps while nothing is open.
func (s *Server) janitor() {
	defer close(s.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-s.quit:
			return
		case <-t.C:
		}
		now := s.clock.now()
		s.expireQueue(now)
		if s.crowded.Load() > 0 { // connections have become old enough to make room
			s.mu.Lock()
			s.places.Broadcast()
			s.mu.Unlock()
		}
		if n%roundTicks != 0 {
			continue
		}
		if s.round(now) == 0 && !s.sleepUntilNeeded(t) {
			return
		}
	}
}

// sleepUntilNeeded stops the ticker until a connection comes.
func (s *Server) sleepUntilNeeded(t *time.Ticker) bool {
	t.Stop()
	select {
	case <-s.quit:
		return false
	case <-s.kick:
		t.Reset(tick)
		return true
	}
}

// wakeJanitor is called when a connection comes.
func (s *Server) wakeJanitor() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// expireQueue answers what has waited for queue.timeout.
func (s *Server) expireQueue(now time.Duration) {
	if s.maintained.Load() { // one may have come to the queue at the moment of Maintain
		s.answerQueue()
	}
	limit := s.config.Load().Queue.Timeout
	for t := s.pool.Expire(now, limit); t != nil; t = s.pool.Expire(now, limit) {
		t.Request.(*request).refuse(504, causeQueueTimeout)
	}
}

// round looks at all connections and leases, and returns how many connections
// there are.
func (s *Server) round(now time.Duration) int {
	timeouts := &s.config.Load().Timeouts
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.leases {
		since, nc := l.waitingSince(), l.watched.Load()
		if nc != nil && since != 0 && now-since >= timeouts.Read {
			_ = (*nc).SetReadDeadline(time.Unix(1, 0)) // exchange looks at its clock
		}
	}
	for l := range s.leases {
		l.lookForListener(now)
	}
	for l := range s.released {
		l.lookAtReleased(now)
		l.lookForListener(now)
	}
	for t := range s.tunnels {
		t.look(now)
	}
	// Connections that have become idle since Serve last looked make room now.
	s.places.Broadcast()
	for c := range s.conns {
		if at := c.deadline.Load(); at != 0 && int64(now) >= at {
			c.wake()
		}
		if c.out.watching.Load() && now-time.Duration(c.out.progress.Load()) >= timeouts.ClientWrite {
			_ = c.nc.SetWriteDeadline(time.Unix(1, 0)) // push looks at its clock
		}
		if m := c.streams.Load(); m != nil {
			m.look(now)
		}
		if s.stopping.Load() {
			s.closeIdle(c, now)
		}
		c.noticeEnd(now, timeouts.ClientIdle)
	}
	return len(s.conns)
}

// noticeEnd looks whether the client has ended its side: once after the connection has become
// idle or got its last answer, and once while a request waits or runs. onReadable does
// not hear of an end that came in one event with a request's bytes, and to read again after
// every request would cost more than this (2 to 3 % of the CPU time where requests queue).
func (c *conn) noticeEnd(now, idleTime time.Duration) {
	at := c.deadline.Load()
	since := time.Duration(at) - idleTime
	switch c.phase.Load() {
	case phaseIdle:
	case phaseRunning:
		at = c.submitted.Load()
		since = time.Duration(at)
	case phaseClosing:
		since = 0
	default:
		return
	}
	if now-since < tick*roundTicks || at == c.lookedAt {
		return
	}
	c.lookedAt = at
	var one [1]byte
	n, errno := 0, syscall.EAGAIN
	err := c.raw.Control(func(fd uintptr) { n, errno = recv(fd, one[:], unix.MSG_PEEK) })
	if err == nil && n == 0 && errno == 0 {
		c.wake()
	}
}
