package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/pool"
)

const (
	// workerIdle is how long a connection to a worker may have been idle and
	// still be used. It is below the keep-alive times of common servers (2 s in
	// gunicorn, 5 s in Node, 20 s in Puma), so that a request never meets a
	// connection that its worker is about to close.
	workerIdle = time.Second
	// probation is how long after a worker's first answer its connection must
	// stay open before it is used again. A simple worker that ends each
	// connection without saying so shows it within this time, once.
	probation = 25 * time.Millisecond
	// connectPause is the wait before connecting anew to a worker whose backlog
	// is full.
	connectPause = 2 * time.Millisecond
)

// lease is the life of one slot: a goroutine that takes the oldest request, runs
// the exchange on its own connection to the worker, and writes the answer to the
// client. One goroutine for each slot is what makes a request in flight single.
type lease struct {
	srv  *Server
	slot *pool.Slot
	spec pool.WorkerSpec

	nc     rawConn // nil while not connected
	raw    syscall.RawConn
	proven bool          // the worker keeps its connections
	closes bool          // it does not, whatever it says
	used   int           // answers that came over this connection
	idle   time.Duration // when the last of them ended

	req  *request // in hand
	next *request // taken at the end of req; not yet in hand
	sent int      // how much of next's wire was written when it was taken
	wait bool     // the slot stands idle in the pool
	over bool     // the slot has come to its end

	in     []byte // what came from the worker
	n      int    // how much of in is filled
	err    error  // what is wrong with it
	out    []byte // what goes to the client
	answer answer
	away   *released  // of an answer that goes on without the slot; nil: it has the slot
	press  *press     // compresses the answer; nil: nobody does
	given  int64      // the length of the body of the answer before
	fed    chan error // the result of the goroutine that writes a long request; nil without one
	eof    bool       // the worker ended the connection; errno says how
	errno  syscall.Errno

	since    atomic.Int64             // since when the worker is waited for; 0: it is not
	live     atomic.Pointer[liveBody] // of the request in hand: tells that instead
	listener atomic.Pointer[listener] // of an answer without a known end, that comes in pieces

	watched atomic.Pointer[rawConn] // a copy of nc, for the janitor
	rest    rest

	readable func(fd uintptr) bool // onReadable, made once; likewise the next three
	fillOnce func(fd uintptr) bool
	trySend  func(fd uintptr)
	look     func(fd uintptr) bool
	one      [1]byte // what look has seen, and how much
	seen     int
	sending  []byte
}

// serveSlot is what the pool runs for each slot.
func (s *Server) serveSlot(slot *pool.Slot) {
	l := &lease{srv: s, slot: slot, spec: slot.Worker().Spec()}
	l.in = make([]byte, max(copySize, int(s.config.Load().Limits.Header)))
	l.readable, l.fillOnce, l.trySend, l.look = l.onReadable, l.onFill, l.sendOnce, l.onLook
	l.rest.try = l.startOn
	slot.Sleeper = l
	enlist(s, s.leases, l)
	defer delist(s, s.leases, l)
	defer l.disconnect()
	for l.take() {
		if l.begin() {
			l.exchange()
		}
	}
}

// take puts the next request in hand. It waits for one, and returns false at the
// slot's end.
func (l *lease) take() bool {
	l.req = nil
	switch {
	case l.next != nil:
		l.req, l.next = l.next, nil
		return true
	case l.over:
		return false
	}
	var t *pool.Ticket
	if l.wait {
		l.wait = false
		t = l.slot.Wait()
	} else {
		t = l.srv.pool.Next(l.slot, l.srv.clock.now())
	}
	if t == nil {
		return false
	}
	l.req = l.leased(t, l.srv.clock.now())
	l.sent = 0
	return true
}

// leased notes in the request who has it.
func (l *lease) leased(t *pool.Ticket, now time.Duration) *request {
	r := t.Request.(*request)
	a := &r.answer
	a.leased, a.worker, a.generation = now, l.spec.ID, l.spec.Generation
	l.since.Store(int64(now))
	return r
}

// turn ends the lease of the request in hand, whose answer is in, and takes the
// next one that waits.
func (l *lease) turn() { l.turnBy(l.srv.pool.Turn) }

// turnBy is turn by one of the pool's two ways to end a lease.
func (l *lease) turnBy(turn func(*pool.Slot, time.Duration) (*pool.Ticket, bool)) {
	l.listener.Store(nil)
	now := l.srv.clock.now()
	l.req.answer.ended, l.idle = now, now
	l.since.Store(0)
	l.live.Store(nil)
	t, ended := turn(l.slot, now)
	l.sent = 0
	switch {
	case t != nil:
		l.next = l.leased(t, now)
	case ended:
		l.over = true
	default:
		l.wait = true
	}
}

// begin writes the request in hand to the worker. It reports false when that
// failed and the request has been given back or answered.
func (l *lease) begin() bool {
	r := l.req
	l.readyForAnswer()
	if l.sent > 0 { // turn's early write was cut short
		return l.feed(l.sent)
	}
	if l.nc != nil && !l.usable() {
		l.disconnect()
	}
	for {
		if l.nc == nil {
			if err := l.connect(); starved(err) {
				l.turn()
				r.refuse(503, causeDescriptors)
				return false
			} else if err != nil {
				l.giveBack(pool.CauseConnect, err)
				return false
			}
		}
		n, err := l.send(r.wire)
		switch {
		case err == nil:
			return l.feed(n)
		case n == 0 && l.used > 0 && !r.retried:
			// The kept-alive connection was closed and took no byte of it.
			r.retried = true
			l.srv.metrics.Retried(string(pool.CauseClosed))
			l.disconnect()
		default:
			l.disconnect()
			l.giveBack(pool.CauseWrite, err)
			return false
		}
	}
}

// readyForAnswer forgets the last answer.
func (l *lease) readyForAnswer() {
	l.answer.reset()
	l.n, l.err, l.eof, l.errno, l.out = 0, nil, false, 0, l.out[:0]
}

// usable looks whether the idle connection may take a request: it is young, open,
// and nothing has come over it that nobody asked for.
func (l *lease) usable() bool {
	age := l.srv.clock.now() - l.idle
	if age > workerIdle {
		return false
	}
	if !l.proven && age < probation {
		return l.prove(probation - age)
	}
	l.seen, l.errno = 0, 0
	err := l.raw.Read(l.look)
	n, errno := l.seen, l.errno
	l.errno = 0
	l.proven = l.proven || errno == syscall.EAGAIN
	if n > 0 {
		l.srv.warn(noticeUnasked, "a worker wrote what nobody asked for; its connection was closed", "worker", l.spec.ID)
	}
	return err == nil && errno == syscall.EAGAIN
}

// onLook is the callback of usable.
func (l *lease) onLook(fd uintptr) bool {
	l.seen, l.errno = recv(fd, l.one[:], unix.MSG_PEEK)
	return true
}

// prove waits for a first connection to be closed by the worker, or to stay open.
func (l *lease) prove(wait time.Duration) bool {
	var one [1]byte
	_ = l.nc.SetReadDeadline(time.Now().Add(wait))
	err := l.raw.Read(func(fd uintptr) bool {
		_, errno := recv(fd, one[:], unix.MSG_PEEK)
		return errno != syscall.EAGAIN
	})
	_ = l.nc.SetReadDeadline(time.Time{})
	l.proven = errors.Is(err, os.ErrDeadlineExceeded)
	l.closes = !l.proven
	return l.proven
}

// connect opens the connection to the worker's socket within timeouts.connect.
func (l *lease) connect() error {
	limit := l.srv.config.Load().Timeouts.Connect
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var passing error // of the attempt before
	for {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "unix", l.spec.Socket)
		if passing != nil && err != nil && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)) {
			return fmt.Errorf("connect within %s: %w", limit, passing)
		}
		// Its backlog is full, or ripd itself has no descriptor left; connect(2).
		if errors.Is(err, syscall.EAGAIN) || starved(err) {
			if passing = err; starved(err) {
				l.srv.makeDescriptors(err)
			}
			select {
			case <-time.After(connectPause):
			case <-ctx.Done():
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		l.nc = nc.(rawConn)
		if l.raw, err = l.nc.SyscallConn(); err != nil {
			l.disconnect()
			return fmt.Errorf("connect: %w", err)
		}
		l.used = 0
		watched := l.nc // the janitor must not look into l.nc, which changes
		l.watched.Store(&watched)
		return nil
	}
}

// disconnect ends the connection, if there is one.
func (l *lease) disconnect() {
	if l.nc != nil {
		l.watched.Store(nil)
		l.nc.Close()
		l.nc, l.raw = nil, nil
	}
}

// send writes what the worker's socket takes at once. A full socket is no error.
func (l *lease) send(b []byte) (n int, err error) {
	l.sending, l.errno = b, 0
	err = l.raw.Control(l.trySend)
	n = len(b) - len(l.sending)
	l.sending = nil
	if err == nil && l.errno != 0 && l.errno != syscall.EAGAIN {
		err = l.errno
	}
	l.errno = 0
	return n, err
}

// sendOnce is the callback of send: one attempt, no waiting.
func (l *lease) sendOnce(fd uintptr) {
	var n int
	n, l.errno = send(fd, l.sending)
	l.sending = l.sending[n:]
}

// feed sees to what is left of the request after its first n bytes. A goroutine
// writes it, because the worker may answer before it has read everything.
func (l *lease) feed(n int) bool {
	r := l.req
	if n == len(r.wire) && r.rest == nil && r.live == nil {
		return true
	}
	l.fed = make(chan error, 1)
	if r.live != nil {
		l.live.Store(r.live)
	}
	nc, fed := l.nc, l.fed
	go func() { fed <- l.writeLong(nc, r, r.wire[n:]) }()
	return true
}

// writeLong writes what did not fit into the worker's socket at once. It ends
// early when the connection is closed, or its write deadline set to the past.
func (l *lease) writeLong(nc rawConn, r *request, head []byte) error {
	if _, err := nc.Write(head); err != nil {
		return err
	}
	if r.live != nil {
		r.live.start <- nc
		return nil
	}
	if r.rest == nil {
		return nil
	}
	r.rest.rewind()
	buf := newCopyBlock()
	defer buf.free()
	for {
		n, err := r.rest.read(buf[:])
		if n == 0 {
			if r.rest.empty() {
				return nil
			}
			return err
		}
		if _, err := nc.Write(buf[:n]); err != nil {
			return err
		}
		l.since.Store(int64(l.srv.clock.now())) // the worker is reading: that is progress
	}
}

// stopFeeding ends the goroutine of feed. It reports whether the request had been
// written whole.
func (l *lease) stopFeeding() (whole bool) {
	if l.fed == nil {
		return true
	}
	defer func() { l.fed = nil }()
	select {
	case err := <-l.fed:
		return err == nil && (l.req.live == nil || l.req.live.written.Load())
	default:
	}
	_ = l.nc.SetWriteDeadline(time.Unix(1, 0))
	<-l.fed
	return false
}
