package proxy

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ended meets the end of the client's side, or a broken connection. It reports
// whether to leave the callback.
//
// A client that closes its socket and one that only ends its side and waits for
// the answer look the same. While the request waits in the queue an interim
// answer tells them apart: it draws a reset from the socket that was closed.
// Without that (HTTP/1.0) a waiting request whose client ended its side counts
// as left; a running one gets its answer.
func (c *conn) ended(fd uintptr, errno syscall.Errno) (leave bool) {
	c.want = wantClose
	if errno != 0 || c.turn.Load() == turnFree || hungUp(fd) {
		return true
	}
	if c.halfOpen.Load() {
		return false // the poller woke us, but nothing has changed
	}
	if c.req.minor == 0 && c.srv.pool.Leave(&c.req.ticket) {
		c.req.answer.cause = causeClientLeft
		c.done()
		return true
	}
	c.halfOpen.Store(true)
	c.dropBuffer()
	if c.req.minor > 0 && c.srv.pool.Waits(&c.req.ticket) {
		c.out.probe()
	}
	// The answer may have been given meanwhile; then nobody wakes us again.
	return c.turn.Load() == turnFree
}

// lookAround follows a kick of the janitor's or of done: it acts on whatever has
// come to its deadline.
func (c *conn) lookAround() {
	// Errors here mean that the socket is closed, which reading tells next.
	_ = c.nc.SetReadDeadline(time.Time{})
	c.kicked.Store(false)
	at := c.deadline.Load()
	due := at != 0 && int64(c.srv.clock.now()) >= at
	switch phase := c.phase.Load(); {
	case c.halfOpen.Load() && c.turn.Load() == turnFree, c.out.broken():
		c.gone = true
	case !due:
	case at == 1 && phase == phaseHead:
		if !c.pending() {
			c.retire()
			c.yields = c.gone && step(c.step.Load()) != stepDone
			break
		}
		c.deadline.Store(c.opening)
	case phase == phaseHead:
		c.refuseHead(newHeadScratch(), errHeadTimeout)
	case phase == phaseIdle && (c.filled > 0 || c.secure != nil && c.secure.wire.records.inside()):
		// It began to come before the last request was done, so that nobody has told.
		c.beginHead(c.srv.clock.now())
	case phase == phaseIdle:
		if !c.pending() {
			c.retire()
		}
		c.yields = c.gone && at == 1 && step(c.step.Load()) != stepDone && !c.srv.stopping.Load()
	case phase == phaseClosing:
		c.gone = !c.lingers()
	}
}

// pending looks for a request that has just come, so that an idle connection is
// never closed on one.
func (c *conn) pending() bool {
	return c.secure != nil && c.secure.wire.unseen || c.unread()
}

// unread reports whether the socket has bytes that nobody has read.
func (c *conn) unread() bool {
	var one [1]byte
	var n int
	err := c.raw.Control(func(fd uintptr) { n, _ = recv(fd, one[:], unix.MSG_PEEK) })
	return err == nil && n > 0
}

// hurry brings the end of an idle connection, or of a handshake, forward to now. The
// caller has read its deadline, at, and then its phase. Where it has gone on since, at is
// no longer its deadline, or is about to be replaced: whoever changes the phase to one of
// these stores the deadline after it. It reports whether there was something to bring
// forward.
func (c *conn) hurry(at time.Duration) bool {
	if at <= 1 || !c.deadline.CompareAndSwap(int64(at), 1) {
		return false
	}
	c.wake()
	return true
}

// wake makes the client's goroutine look around.
func (c *conn) wake() {
	if c.kicked.CompareAndSwap(false, true) {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}
