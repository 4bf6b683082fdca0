package proxy

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// stopIdleGrace is how long a connection may have been idle before a stop
	// closes it. A client in the middle of its work sends its next request within
	// that time, and is answered with Connection: close instead of a reset.
	stopIdleGrace = 500 * time.Millisecond
	// backlogMax bounds how many connections a stop still takes from a
	// listener's backlog.
	backlogMax = 4096
	// The pauses after an accept that failed for want of descriptors or memory.
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// StopReport says what Stop did.
type StopReport struct {
	// Answered counts the requests that were answered after Stop was called.
	Answered int
	// Closed counts the connections that came to their proper end.
	Closed int
	// Cut counts the connections that had to be cut off when time ran out, and
	// Refused the requests that were taken out of the queue then and got 503.
	Cut, Refused int
	// Took is how long it lasted.
	Took time.Duration
}

// Stop ends the server, and drops nothing: it accepts what the listeners' backlogs
// hold and closes them, lets every connection that is open finish its request
// with Connection: close, serves the queue, and closes the connections that stay
// idle. The workers must go on meanwhile. When ctx ends, requests that still wait
// are answered 503, and what is open after that is cut. A second call, of this or
// of Leave, waits for the first, and gives the same report.
func (s *Server) Stop(ctx context.Context) StopReport {
	return s.stopOnce(ctx, true)
}

// Leave is Stop for a server whose listening sockets live on in another process:
// it accepts nothing more, and leaves what waits in their backlogs to that one.
func (s *Server) Leave(ctx context.Context) StopReport {
	return s.stopOnce(ctx, false)
}

func (s *Server) stopOnce(ctx context.Context, last bool) StopReport {
	s.end.Do(func() { s.report = s.stop(ctx, last) })
	return s.report
}

func (s *Server) stop(ctx context.Context, last bool) StopReport {
	begin, answered := s.clock.now(), s.answered.Load()
	s.mu.Lock()
	s.leaving.Store(!last)
	s.stopping.Store(true)
	open := len(s.conns)
	for l := range s.listeners {
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
			_ = d.SetDeadline(time.Unix(1, 0)) // Serve takes the backlog and closes it
		}
	}
	s.places.Broadcast()
	s.mu.Unlock()
	s.wakeJanitor()

	var report StopReport
	drained := make(chan struct{})
	go func() {
		s.awaitListeners()
		s.tasks.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		report.Refused, report.Cut = s.cutOff(drained)
	}
	s.pool.Stop()
	close(s.quit)
	<-s.done
	report.Answered = int(s.answered.Load() - answered)
	report.Closed = max(0, open-report.Cut)
	report.Took = s.clock.now() - begin
	return report
}

// awaitListeners returns when no Serve accepts any more.
func (s *Server) awaitListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.listeners) > 0 {
		s.places.Wait()
	}
}

// acceptRest takes what the listener's backlog holds, unless another process does,
// and closes the listener: closing it first would reset clients that have
// connected already.
func (s *Server) acceptRest(l net.Listener, a *acceptor) {
	for range backlogMax {
		if s.leaving.Load() {
			break
		}
		nc, err := acceptNow(l)
		if err != nil {
			break
		}
		s.welcome(nc, a)
	}
	l.Close()
	s.mu.Lock()
	delete(s.listeners, l)
	s.places.Broadcast()
	s.mu.Unlock()
}

// acceptNow accepts without waiting.
func acceptNow(l net.Listener) (net.Conn, error) {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd, acceptErr := -1, error(nil)
	err = raw.Control(func(lfd uintptr) {
		fd, _, acceptErr = unix.Accept4(int(lfd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	})
	if err = errors.Join(err, acceptErr); err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "accepted")
	defer f.Close()
	return net.FileConn(f)
}

// closeIdle is the janitor's part of a stop. The caller has the lock.
func (s *Server) closeIdle(c *conn, now time.Duration) {
	timeouts := &s.config.Load().Timeouts
	at := time.Duration(c.deadline.Load())
	switch c.phase.Load() {
	case phaseIdle:
		switch {
		case now-(at-timeouts.ClientIdle) < stopIdleGrace:
		case c.takes(now):
			c.deadline.CompareAndSwap(int64(at), int64(now+timeouts.ClientIdle)) // it is idle when it has all
		default:
			c.hurry(at)
		}
	case phaseHandshake:
		// Whoever is in the middle of it, however late, is about to send a request.
		if now-max(at-timeouts.ClientHeader, time.Duration(c.stirred.Load())) >= handshakeGrace {
			c.hurry(at)
		}
	}
}

// cutOff answers what waits with 503 and cuts what is still open after that.
func (s *Server) cutOff(drained <-chan struct{}) (refused, cut int) {
	s.pool.Stop()
	for t := s.pool.Abandon(); t != nil; t = s.pool.Abandon() {
		t.Request.(*request).refuse(503, causeStopping)
		refused++
	}
	select {
	case <-drained:
		return refused, 0
	case <-time.After(tick * roundTicks): // for the answers just given to get out
	}
	cut = s.severAll()
	for {
		select {
		case <-drained:
			return refused, cut
		case <-time.After(tick * roundTicks): // a lease may have been connecting
			s.severAll()
		}
	}
}

// severAll cuts every connection, and returns how many were not closing yet.
func (s *Server) severAll() (cut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if p := c.phase.Load(); p != phaseClosing {
			cut++
		}
		c.sever()
	}
	for l := range s.leases {
		if nc := l.watched.Load(); nc != nil {
			(*nc).Close() // the slot's goroutine ends the exchange
		}
	}
	for l := range s.released {
		if nc := l.watched.Load(); nc != nil {
			(*nc).Close() // likewise the stream's
		}
	}
	return cut
}

// sever ends the connection from another goroutine: reading and writing fail, and
// the client's goroutine closes it.
func (c *conn) sever() {
	_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// acceptBackoff meets accepts that fail.
type acceptBackoff struct {
	srv   *Server
	pause time.Duration
}

func (b *acceptBackoff) reset() { b.pause = 0 }

// wait pauses after a failure that may pass: a lack of descriptors or memory, or an
// error of the network that the kernel tells here (accept(2)). It returns false for
// one of the listener itself, and at the end.
func (b *acceptBackoff) wait(err error, quit <-chan struct{}) bool {
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSOCK):
		return false
	case starved(err):
		b.srv.makeDescriptors(err)
	default:
		b.srv.warn(noticeAccept, "a connection could not be accepted; trying again", "error", err)
	}
	b.pause = min(max(2*b.pause, acceptPauseMin), acceptPauseMax)
	select {
	case <-time.After(b.pause):
		return true
	case <-quit:
		return false
	}
}
