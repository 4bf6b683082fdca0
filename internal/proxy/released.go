package proxy

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"

	"ripd/internal/config"
	"ripd/internal/http1"
	"ripd/internal/pool"
)

// This file holds answers that go on without a slot. From the head of such an answer
// on, the slot takes the next request over a new connection to its worker, and the
// answer lives on with the old connection in a goroutine of its own.

// releasedBuffer is the size of a stream's buffer for what its worker sends.
const releasedBuffer = 8 << 10

// The causes for which ripd ends a stream, as the access log shows them.
const (
	causeStreamIdle  = "stream-idle"
	causeStreamDrain = "stream-drain"
)

// errDetached: the answer goes on without the slot.
var errDetached = errors.New("the answer goes on without the slot")

// errStreamEnds: ripd ends the stream.
var errStreamEnds = errors.New("the stream is ended")

// released is what an answer has that goes on without a slot.
type released struct {
	worker *pool.Worker
	moved  atomic.Int64           // when a byte came last, on the server's clock
	cause  atomic.Pointer[string] // why ripd ends it; nil: it does not

	heldSince time.Duration // when the worker was first seen to be held; 0: it is not. The janitor's
}

// letsGo reports whether the worker, or the settings, want the slot to be free while
// the body comes.
func (l *lease) letsGo() bool {
	a := &l.answer
	if a.stage != stageBody || a.order != nil || a.report != nil || a.head.Busy || l.spec.Streams == 0 {
		return false
	}
	return a.head.ReleaseEarly || l.endless() && l.srv.config.Load().Workers.Release == config.ReleaseEarly
}

// detach has the answer in hand go on without the slot. It reports false when it may not: then
// the lease goes on as always.
func (l *lease) detach() bool {
	r := l.req
	if r.live != nil || !l.fedWhole() {
		return false
	}
	if !l.srv.pool.Detach(l.slot) {
		l.srv.reached(boundReleased, "a worker has as many streams without a slot as it may have; one more holds its worker")
		return false
	}
	d := &lease{
		srv: l.srv, slot: l.slot, spec: l.spec, nc: l.nc, raw: l.raw, req: r,
		in: make([]byte, max(releasedBuffer, l.n)), n: l.n, out: l.out, answer: l.answer, press: l.press,
		away: &released{worker: l.slot.Worker()},
	}
	copy(d.in, l.in[:l.n])
	d.answer.head.Fields = nil // they were in l.in
	d.fillOnce = d.onFill
	d.away.moved.Store(int64(l.srv.clock.now()))
	watched := d.nc // as in connect
	d.watched.Store(&watched)
	l.watched.Store(nil)
	l.nc, l.raw, l.n, l.out, l.press, l.answer = nil, nil, 0, nil, nil, answer{}
	l.turn()
	r.shorten()
	l.srv.metrics.AnswerReleased()
	enlist(l.srv, l.srv.released, d)
	go d.carry()
	return true
}

// fedWhole reports whether the request has been written as a whole.
func (l *lease) fedWhole() bool {
	if l.fed == nil {
		return true
	}
	select {
	case err := <-l.fed:
		if err == nil {
			l.fed = nil
			return true
		}
		l.fed <- err // for stopFeeding
	default:
	}
	return false
}

// carry is the life of a stream.
func (l *lease) carry() {
	err := l.follow()
	a, r, s := &l.answer, l.req, l.srv
	if err == nil {
		l.flush()
		if a.coding == codingOpen {
			l.settleCoding(true)
		}
	} else {
		r.answer.cause = l.whyEnded(err)
	}
	worker := l.away.worker
	l.disconnect()
	delist(s, s.released, l)
	s.pool.EndStream(worker)
	l.given = a.body
	switch {
	case err == nil:
		l.give(r)
	case errors.Is(err, errStreamEnds) && a.events && a.out.ContentLength < 0:
		l.endEvents(r)
	default:
		r.answer.bytesOut, r.close = a.body, true
		l.breakOff(r)
	}
}

// endEvents ends an event stream properly, so that the client comes again. Any other
// answer is cut: its part must not look like the whole.
func (l *lease) endEvents(r *request) {
	a := &l.answer
	if l.press == nil && a.out.Chunked {
		l.out = append(l.out, http1.LastChunk...)
	}
	a.tail = append(a.tail[:0], http1.LastChunk...)
	l.give(r)
}

// whyEnded is the cause, for the access log, of a stream that has no end of its worker's.
func (l *lease) whyEnded(err error) string {
	var bad badAnswer
	switch {
	case errors.Is(err, errStreamEnds):
		return *l.away.cause.Load()
	case errors.Is(err, errListenerGone):
		return causeClientLeft
	case errors.As(err, &bad):
		l.srv.warn(noticeBadAnswer, "a worker's answer was not HTTP; its connection was closed", "worker", l.spec.ID,
			"generation", l.spec.Generation, "request", l.req.Describe(), "request_id", string(l.req.id[:]), "error", err)
		return string(pool.CauseAnswer)
	}
	return string(pool.CauseRead)
}

// end has the goroutine of the stream end it.
func (l *lease) end(cause string) {
	l.away.cause.CompareAndSwap(nil, &cause)
	l.interrupt()
}

// interrupt ends the waiting for the worker's next bytes.
func (l *lease) interrupt() {
	if nc := l.watched.Load(); nc != nil {
		_ = (*nc).SetReadDeadline(time.Unix(1, 0)) // an error: it is closed already
	}
}

// lookAtReleased is the janitor's round.
func (l *lease) lookAtReleased(now time.Duration) {
	t, s := l.away, l.srv
	cfg := s.config.Load()
	switch held := s.stopping.Load() || t.worker.Held(); {
	case !held:
		t.heldSince = 0
	case t.heldSince == 0:
		t.heldSince = now
	}
	idle := cfg.Timeouts.UpgradeIdle
	switch {
	case t.cause.Load() != nil:
		l.interrupt()
	case s.stopping.Load() && !s.leaving.Load():
		l.end(causeStopping)
	case s.pool.Barred(t.worker), t.heldSince != 0 && now-t.heldSince >= cfg.UpgradePatience():
		l.end(causeStreamDrain)
	case idle > 0 && now-time.Duration(t.moved.Load()) >= idle:
		s.reached(boundUpgradeIdle, "nothing came over a stream without a slot, and it was ended")
		l.end(causeStreamIdle)
	}
}

// isEvents reports whether a Content-Type is that of server-sent events.
func isEvents(contentType []byte) bool {
	const events = "text/event-stream"
	return len(contentType) >= len(events) && bytes.EqualFold(contentType[:len(events)], []byte(events))
}

// endless reports whether the end of the answer is not known beforehand.
func (l *lease) endless() bool {
	return l.answer.stage == stageBody && (l.answer.head.Chunked || l.answer.head.UntilClose)
}

// errListenerGone: the client of an endless answer has left.
var errListenerGone = errors.New("the client has left")

// listener is who waits for the next bytes of an answer without a known end; the janitor
// looks whether somebody does.
type listener struct {
	client client
	events bool
	left   atomic.Bool // nobody has for streamGrace

	since time.Duration // when nobody was there first; the janitor's
}

// lookForListener is the janitor's round: a worker that has nothing to say would not notice
// that its client has gone.
func (l *lease) lookForListener(now time.Duration) {
	w := l.listener.Load()
	if w == nil {
		return
	}
	switch {
	case !w.gone():
		w.since = 0
	case w.since == 0:
		w.since = now
	case now-w.since > streamGrace:
		w.left.Store(true)
		l.interrupt()
	}
}

// gone reports whether nobody listens any more. A client of an event stream that has
// ended its side counts as gone: it cannot be told from one that has closed its socket
// before something is sent, and no such client does that to wait for more.
func (w *listener) gone() bool {
	if w.client.broken() {
		return true
	}
	c, ok := w.client.(*conn)
	return ok && w.events && c.halfOpen.Load()
}

// listen notes who waits for the rest of the answer.
func (l *lease) listen() {
	if l.listener.Load() == nil && l.endless() {
		l.listener.Store(&listener{client: l.req.client, events: l.answer.events})
	}
}

// told is what the janitor has to say to who waits for the worker's next bytes; nil:
// nothing.
func (l *lease) told() error {
	if l.away != nil && l.away.cause.Load() != nil {
		return errStreamEnds
	}
	if w := l.listener.Load(); w != nil && w.left.Load() {
		return errListenerGone
	}
	return nil
}
