package proxy

import (
	"sync/atomic"
	"syscall"
	"time"

	"ripd/internal/pool"
)

// closePatience is how long the peers of a WebSocket get to answer a close frame, and
// a frame that is on its way to be complete before it.
const closePatience = time.Second

// The causes for which ripd ends a tunnel, as the access log shows them.
const (
	causeUpgradeIdle  = "upgrade-idle"
	causeUpgradeDrain = "upgrade-drain"
	causeMessage      = "message-too-large"
	causeFrame        = "bad-frame"
)

// tunnel is a connection that has been switched to another protocol: bytes go both
// ways until one side has ended it. The client's goroutine carries them to the worker,
// another one back. Each waits for its receiver before it reads on, so a tunnel holds
// at most one buffer each way; one over which nothing goes holds none.
type tunnel struct {
	srv    *Server
	conn   *conn
	nc     rawConn // to the worker
	worker *pool.Worker
	frames bool // the protocol is WebSocket

	forth, back flow
	done        chan struct{} // closed when the goroutine of back has ended

	stuck   stuck         // on the way to the worker
	moved   atomic.Int64  // when a byte was passed on last, on the server's clock
	closing atomic.Uint32 // the code of the close frames to be sent; 0: none
	over    atomic.Bool   // both sides end now
	ended   atomic.Int32  // directions that have come to their end
	cause   atomic.Pointer[string]

	// The rest is the janitor's.
	heldSince time.Duration // when the worker was first seen to be held; 0: it is not
	closeAt   time.Duration // when the peers' time to answer is over; 0: not closing
}

func newTunnel(c *conn, nc rawConn, raw syscall.RawConn, w *pool.Worker, frames bool) *tunnel {
	t := &tunnel{srv: c.srv, conn: c, nc: nc, worker: w, frames: frames, done: make(chan struct{})}
	t.forth = flow{t: t, from: raw, recv: c.recv, begin: c.look, write: t.toWorker, end: t.endWorker, clear: c.lookAround, forth: true}
	t.back = flow{t: t, from: raw, recv: recvPlain, begin: func() {}, write: t.toClient, end: t.endClient, clear: t.clearWorker}
	t.forth.from = c.raw
	t.forth.onFill, t.back.onFill = t.forth.fillOnce, t.back.fillOnce
	t.moved.Store(int64(c.srv.clock.now()))
	return t
}

// recvPlain is recv without flags.
func recvPlain(fd uintptr, b []byte) (n int, errno syscall.Errno) { return recv(fd, b, 0) }

// carry is the life of the tunnel, in the client's goroutine.
func (t *tunnel) carry() {
	c := t.conn
	c.phase.Store(phaseTunnel)
	c.req.shorten()
	c.req.close = true
	t.forth.early = append([]byte(nil), c.buffer()...)
	c.dropBuffer()
	t.srv.metrics.TunnelOpened()
	go func() {
		defer close(t.done)
		t.back.run()
	}()
	t.forth.run()
	<-t.done
	t.nc.Close()
	a := &c.req.answer
	c.req.bytesIn, a.bytesOut = t.forth.bytes, t.back.bytes
	if cause := t.cause.Load(); cause != nil {
		a.cause = *cause
	}
	c.tunnel.Store(nil)
	delist(t.srv, t.srv.tunnels, t)
	t.srv.pool.EndUpgrade(t.worker)
	c.out.finish(false)
}

// stop ends both directions now. What has not been passed on is lost.
func (t *tunnel) stop() {
	t.over.Store(true)
	t.nc.Close()
	t.conn.wake()
}

// endOne notes that a direction has come to its end; with the second one the tunnel
// has.
func (t *tunnel) endOne() {
	if t.ended.Add(1) == 2 {
		t.stop()
	}
}

// leave begins the end for ripd's own reasons: with close frames where the protocol
// has them.
func (t *tunnel) leave(code uint32, cause string) {
	t.cause.CompareAndSwap(nil, &cause)
	if !t.frames {
		t.cut()
		return
	}
	if t.closing.CompareAndSwap(0, code) {
		t.conn.wake()
		_ = t.nc.SetReadDeadline(time.Unix(1, 0)) // back looks around
	}
}

// cut ends a tunnel whose peers have had their time. A client that takes nothing
// keeps nobody.
func (t *tunnel) cut() {
	t.stop()
	if t.conn.out.watching.Load() {
		t.conn.sever()
	}
}

// look is the janitor's round.
func (t *tunnel) look(now time.Duration) {
	cfg := t.srv.config.Load()
	last := t.srv.stopping.Load() && !t.srv.leaving.Load()
	switch held := t.srv.stopping.Load() || t.worker.Held(); {
	case !held:
		t.heldSince = 0
	case t.heldSince == 0:
		t.heldSince = now
	}
	idle := cfg.Timeouts.UpgradeIdle
	switch {
	case t.closing.Load() != 0 || t.over.Load():
		if t.closeAt == 0 {
			t.closeAt = now + closePatience
		}
		if now >= t.closeAt {
			t.cut()
		}
	case last:
		t.leave(closeGoingAway, causeStopping)
	case t.srv.pool.Barred(t.worker): // its code is out of date: the client is to get the new one
		t.leave(closeGoingAway, causeUpgradeDrain)
	case t.heldSince != 0 && now-t.heldSince >= cfg.UpgradePatience():
		t.leave(closeGoingAway, causeUpgradeDrain)
	case idle > 0 && now-time.Duration(t.moved.Load()) >= idle:
		t.srv.reached(boundUpgradeIdle, "nothing came over a connection that was switched to another protocol, and it was closed")
		t.leave(closeGoingAway, causeUpgradeIdle)
	case idle > 0 && t.stuck.lasts(now, t.back.from) >= idle:
		t.srv.reached(boundUpgradeIdle, "a worker took nothing of what came over a connection that was switched to another protocol, and it was closed")
		t.leave(closeGoingAway, causeUpgradeIdle)
	}
}

func (t *tunnel) toWorker(b []byte) error {
	t.stuck.since.Store(max(1, int64(t.srv.clock.now())))
	defer t.stuck.since.Store(0)
	_, err := t.nc.Write(b)
	return err
}

func (t *tunnel) endWorker() { _ = t.nc.CloseWrite() } // an error: the worker has gone, which reading tells

func (t *tunnel) clearWorker() { _ = t.nc.SetReadDeadline(time.Time{}) }

// toClient gives b to the client and waits until it has been taken.
func (t *tunnel) toClient(b []byte) error {
	o := &t.conn.out
	o.write(b)
	if !o.settle() {
		return errClientGone
	}
	return nil
}

// endClient ends the way to the client, who may go on sending.
func (t *tunnel) endClient() {
	if s := t.conn.secure; s != nil {
		s.bye()
	}
	_ = t.conn.nc.CloseWrite() // an error: the client has gone, which reading tells
}
