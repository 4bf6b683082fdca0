package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"

	"ripd/internal/http1"
)

// This file holds the way of a request that asks for another protocol, from its head
// to the tunnel: it is admitted as any other; meanwhile its connection reads on, but
// looks at nothing: what comes belongs to the other protocol if the worker agrees,
// and is the next request if it does not.

// upgrades tells whether the request asks for another protocol. One with a body is an
// ordinary request: ignoring Upgrade is always allowed (RFC 9110 section 7.8).
func (c *conn) upgrades(head *http1.Request) bool {
	return head.Upgrade && !head.HasBody() && c.srv.config.Load().Workers.Upgrades > 0
}

// awaitUpgrade waits until the request for another protocol is answered, and then
// carries what follows, if that is a tunnel.
func (c *conn) awaitUpgrade() {
	for !c.gone {
		if t := c.tunnel.Load(); t != nil {
			t.carry()
			return
		}
		if c.turn.Load() == turnFree {
			c.kept = c.filled > 0
			return
		}
		err := c.raw.Read(c.onPending)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.lookAround()
		case err != nil || c.want == wantClose:
			c.gone = true // end gives the request up, or waits for its answer
		}
	}
}

// onPending reads into the buffer, as far as it has room, until the request is
// answered. It runs inside RawConn.Read.
func (c *conn) onPending(fd uintptr) (leave bool) {
	c.look()
	for {
		if c.turn.Load() == turnFree || c.tunnel.Load() != nil {
			return true
		}
		if c.halfOpen.Load() {
			if hungUp(fd) {
				c.want = wantClose
				return true
			}
			return false
		}
		b := c.room()
		if len(b) == 0 {
			return false
		}
		n, errno := c.recv(fd, b)
		switch {
		case errno == syscall.EAGAIN:
			if c.filled == 0 {
				c.dropBuffer()
			}
			return false
		case errno != 0 || n == 0 && hungUp(fd):
			c.want = wantClose
			return true
		case n == 0:
			c.halfOpen.Store(true)
			if c.srv.pool.Waits(&c.req.ticket) {
				c.out.probe() // see ended
			}
			continue
		}
		if c.filled == 0 {
			c.began = c.srv.clock.now()
		}
		c.filled += n
	}
}

// enter gives the connection to the tunnel: its goroutine carries it from here on,
// wherever it is.
func (c *conn) enter(t *tunnel) {
	c.tunnel.Store(t)
	if c.turn.CompareAndSwap(turnAwaited, turnTaken) {
		c.turnFree <- struct{}{}
		return
	}
	c.wake()
}

// switching acts on the head of a 101. A worker may switch only to a protocol that
// the client has asked for.
func (l *lease) switching() error {
	a, r := &l.answer, l.req
	protocol := a.head.Accepts(r.upgrade)
	if protocol == nil {
		return fmt.Errorf("status %d, which nobody asked for", a.head.Status)
	}
	a.frames = bytes.EqualFold(protocol, []byte(http1.WebSocket))
	a.out = http1.Out{Date: l.srv.clock.httpDate(l.srv.clock.now()), RequestID: r.id[:]}
	l.out = a.head.AppendSwitching(l.out, &a.out)
	r.answer.status = a.head.Status
	a.stage = stageSwitched
	return nil
}

// switchOver ends the lease and makes its connection one end of a tunnel.
func (l *lease) switchOver() {
	r := l.req
	if whole := l.stopFeeding(); !whole {
		l.bad(errors.New("status 101 before the request was read"))
		return
	}
	c := r.client.(*conn) // no other client asks for a protocol
	t := newTunnel(c, l.nc, l.raw, l.slot.Worker(), l.answer.frames)
	t.back.early = append([]byte(nil), l.in[:l.n]...)
	l.n = 0
	l.watched.Store(nil)
	l.nc, l.raw = nil, nil
	l.since.Store(0)
	c.write(l.out)
	l.out = l.out[:0]
	enlist(l.srv, l.srv.tunnels, t)
	l.turnBy(l.srv.pool.Switch)
	c.enter(t)
}

// shorten gives back all of the request's head but what its record needs.
func (r *request) shorten() {
	r.wire = append([]byte(nil), r.wire[:r.methodLen+1+r.target+1]...)
	if r.wireBlock != nil {
		r.wireBlock.free()
		r.wireBlock = nil
	}
}
