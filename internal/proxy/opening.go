package proxy

import (
	"errors"
	"syscall"
	"time"
)

// This file sees to it that no connection is closed on a client in the middle of its
// handshake, or of the record in which its request comes.

// beginHead gives a head, which began to arrive at that moment, its time.
func (c *conn) beginHead(at time.Duration) {
	c.opening = int64(at + c.srv.config.Load().Timeouts.ClientHeader)
	c.phase.Store(phaseHead)
	c.deadline.Store(c.opening)
}

// awaitOpening reads what comes in phaseHandshake. A deadline that was brought forward
// does not end a handshake whose next bytes are there already.
func (c *conn) awaitOpening(b []byte) (int, error) {
	for {
		n, err := c.await(func(fd uintptr) (int, syscall.Errno) { return recv(fd, b, 0) })
		if errors.Is(err, errBodyTimeout) && c.deadline.Load() == 1 && c.unread() {
			c.deadline.Store(c.opening)
			continue
		}
		if err == nil {
			c.stirred.Store(int64(c.srv.clock.now()))
			c.goesOn(stepBegun)
		}
		return n, err
	}
}

// recordHead is the length of what stands before each TLS record: its last two bytes tell
// how long the rest is (RFC 8446 section 5.1).
const recordHead = 5

// records follows the TLS records of a connection. The zero value stands before the first.
type records struct {
	head   int    // how much of a record's head has come
	length uint16 // the head's last two bytes so far
	left   int    // of the record
}

// pass goes over the bytes that follow.
func (r *records) pass(b []byte) {
	for len(b) > 0 {
		if r.left > 0 {
			n := min(r.left, len(b))
			r.left -= n
			b = b[n:]
			continue
		}
		r.length = r.length<<8 | uint16(b[0])
		b = b[1:]
		if r.head++; r.head == recordHead {
			r.head, r.left = 0, int(r.length)
		}
	}
}

// inside reports whether the last record is not complete.
func (r *records) inside() bool { return r.head > 0 || r.left > 0 }

// recordBegins is called when all that has come is read and holds no part of a request
// that could be decrypted. A part of a record is taken for one of a head; it reports
// whether one has just begun.
func (c *conn) recordBegins() bool {
	if c.turn.Load() != turnFree {
		return false
	}
	inside := c.secure.wire.records.inside()
	switch phase := c.phase.Load(); {
	case phase == phaseIdle && inside:
		c.beginHead(c.srv.clock.now())
		return true
	case phase == phaseHead && !inside: // it was none of a request
		c.phase.Store(phaseIdle)
		c.deadline.Store(int64(c.srv.clock.now() + c.srv.config.Load().Timeouts.ClientIdle))
	}
	return false
}
