package proxy

import "time"

// This file sees to it that the end of a connection takes nothing from the last answer.
// A socket that is closed while bytes of the client's are unread, or before they come, is
// reset by the kernel, and what the client has not yet read of the answer is lost (RFC 9112
// section 9.6). So ripd ends its own side, and reads and drops what comes until the
// client ends, too, or has had its time.

const (
	// lingerTime is how long a connection whose last answer is given waits for the
	// client's end before it is closed, and for how long a client may take nothing of it.
	lingerTime = 2 * time.Second
	// lingerMost bounds the wait for a client that goes on to take its answer.
	lingerMost = 30 * time.Second
)

// lingers reports whether the client of a connection in phaseClosing, which has had its
// time, gets more, since it has not taken all and goes on to take it.
func (c *conn) lingers() bool {
	now := c.srv.clock.now()
	if c.out.cut || c.out.broken() {
		return false
	}
	if c.lingered == 0 {
		c.lingered = now
	}
	if !c.atEnd.goesOn(c.raw, now) || now-c.lingered >= lingerMost {
		return false
	}
	c.deadline.Store(int64(now + lingerTime))
	return true
}

// retire ends an idle connection: at once, or, where the client has not taken all of the
// last answer, as after an answer that says so.
func (c *conn) retire() {
	if c.gone = unsent(c.raw) == 0; c.gone {
		return
	}
	now := c.srv.clock.now()
	c.phase.Store(phaseClosing)
	c.deadline.Store(int64(now + lingerTime))
	waits := false
	if c.secure != nil {
		c.secure.bye()
		c.out.mu.Lock()
		waits = c.out.draining // the client sees the end of TLS, and then ends its side
		c.out.mu.Unlock()
	}
	if !waits {
		_ = c.nc.CloseWrite() // an error: the client is gone, which reading tells
	}
	c.atEnd.look(c.raw, now) // the next look, after lingerTime, tells whether it goes on
}

// takes is the janitor's look, at a stop, at an idle connection. It reports whether the client
// is still at its last answer. That one is in the middle of its work, and about to send
// its next request, as long as it goes on.
func (c *conn) takes(now time.Duration) bool { return c.atStop.goesOn(c.raw, now) }
