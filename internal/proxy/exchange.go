package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"ripd/internal/http1"
	"ripd/internal/pool"
)

// streamGrace is how long a worker may go on with an answer without a declared
// length when its client has gone. After that its connection is closed, which is
// how an endless stream learns that nobody listens.
const streamGrace = time.Second

// busyPause is how long a worker that said it is busy gets nothing, so that another
// one can take what it gave back.
const busyPause = 20 * time.Millisecond

// exchange reads the answer to the request in hand, which has been written, and
// gives it to the client. Requests that wait follow on the same connection for as
// long as each answer comes whole in one read; the others are read piece by piece.
func (l *lease) exchange() {
	for {
		err := l.raw.Read(l.readable)
		if err != nil && l.rest.deep && !l.rise() {
			return
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if l.overdue() {
				l.hang()
				return
			}
			continue
		case err != nil:
			l.broke(err)
			return
		}
		break
	}
	if l.req == nil { // onReadable has done everything
		return
	}
	err := l.follow()
	var bad badAnswer
	switch {
	case err == nil && l.answer.stage == stageSwitched:
		l.switchOver()
	case err == nil:
		l.settle()
	case errors.Is(err, errDetached):
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.hang()
	case errors.Is(err, errListenerGone):
		l.abandon()
	case errors.As(err, &bad):
		l.bad(bad)
	default:
		l.broke(err)
	}
}

// badAnswer wraps what absorb found wrong.
type badAnswer struct{ error }

// onReadable is the common way of an answer, inside RawConn.Read: it comes whole
// in one read, the next request is written, and then the answer. It returns false
// to wait for the answer to that one, with nothing left unread: the poller tells
// of all that comes later.
//
// Writing before answering gave 7 % more requests a second with 512 clients.
func (l *lease) onReadable(fd uintptr) (leave bool) {
	if l.rest.deep {
		if begun, stay := l.stir(fd); !begun {
			return !stay
		}
	}
	drained, ready := l.receive(fd)
	if !ready {
		return false
	}
	if !drained || l.fed != nil || !l.proven || l.err != nil ||
		l.answer.stage != stageComplete || l.withheld() || !l.reusable() {
		return true
	}
	l.used++
	l.turn()
	if l.answer.coding == codingOpen {
		l.settleCoding(true)
	}
	done := l.req
	l.req, l.given = nil, l.answer.body
	begun := l.next != nil && l.next.rest == nil && l.next.live == nil && l.sendNext(fd)
	l.give(done)
	return !begun && !(l.wait && l.lieDown())
}

// receive reads once and absorbs what came. ready is false when nothing had come
// yet; drained tells that the socket is empty now.
func (l *lease) receive(fd uintptr) (drained, ready bool) {
	n, errno := recv(fd, l.in[l.n:], 0)
	switch {
	case errno == syscall.EAGAIN:
		return true, false
	case n == 0:
		l.eof, l.errno = true, errno
		return true, true
	}
	drained = n < len(l.in)-l.n
	l.n += n
	l.err = l.absorb()
	return drained, true
}

// sendNext writes the next request while its turn comes. It reports whether the
// socket took all of it; then it is in hand. l.out still holds the last answer.
func (l *lease) sendNext(fd uintptr) bool {
	l.sent, _ = send(fd, l.next.wire) // an error shows again when begin writes
	if l.sent < len(l.next.wire) {
		return false
	}
	l.req, l.next = l.next, nil
	l.answer.reset()
	return true
}

// follow reads the answer in hand piece by piece until it is complete. What has
// come goes to the client at once.
func (l *lease) follow() error {
	var left time.Duration // since when the client has been gone
	for {
		switch {
		case l.err != nil:
			return badAnswer{l.err}
		case l.answer.stage >= stageComplete:
			return nil
		case l.eof && l.errno == 0 && l.answer.stage == stageBody && l.answer.head.UntilClose:
			l.answer.endOfBody(l)
			return nil
		case l.eof && l.errno != 0:
			return l.errno
		case l.eof:
			return io.ErrUnexpectedEOF
		}
		if l.away == nil && !l.answer.flushed && l.letsGo() && l.detach() {
			return errDetached
		}
		l.flush()
		l.listen()
		if l.endless() && l.req.client.broken() {
			now := l.srv.clock.now()
			if left == 0 {
				left = now
			}
			if now-left > streamGrace {
				return errListenerGone
			}
		}
		if err := l.fill(); err != nil {
			return err
		}
	}
}

// flush gives the client what has come so far.
func (l *lease) flush() {
	if l.answer.coding == codingOpen {
		if l.answer.stage == stageComplete || l.answer.gathers() {
			return
		}
		l.settleCoding(false)
	}
	if len(l.out) == 0 || l.withheld() {
		return
	}
	l.answer.flushed = l.answer.stage != stageHead
	l.since.Store(0) // a client that makes the answer wait is not the worker's fault
	if l.press != nil {
		l.press.give(&l.out)
	} else {
		l.req.client.write(l.out)
		l.out = l.out[:0]
	}
	l.since.Store(int64(l.srv.clock.now()))
}

// fill waits for the worker's next bytes. os.ErrDeadlineExceeded is the janitor's
// word that the worker has passed timeouts.read.
func (l *lease) fill() error {
	for {
		err := l.raw.Read(l.fillOnce)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if told := l.told(); told != nil {
				return told
			}
			if !l.overdue() {
				continue
			}
		}
		if err == nil {
			now := int64(l.srv.clock.now())
			if l.since.Store(now); l.away != nil {
				l.away.moved.Store(now)
			}
		}
		return err
	}
}

// onFill is the callback of fill.
func (l *lease) onFill(fd uintptr) bool {
	_, ready := l.receive(fd)
	return ready
}

// settle ends an exchange whose answer is in.
func (l *lease) settle() {
	whole := l.stopFeeding()
	r := l.req
	if l.n > 0 {
		l.srv.warn(noticeExtraBytes, "a worker wrote more than its answer; its connection was closed", "worker", l.spec.ID, "request_id", string(r.id[:]))
	}
	l.used++
	keep := whole && l.reusable()
	if !keep {
		l.disconnect()
	}
	if l.answer.head.Busy && !l.answer.flushed && !r.retried && r.live == nil {
		l.retry(pool.CauseBusy)
		return
	}
	// What the client has not room for is waited for before the next request is
	// taken, not with it in hand.
	l.flush()
	l.turn()
	if l.answer.order != nil {
		r.sendOrdered(l.answer.order)
		return
	}
	if l.answer.report != nil && !l.answer.flushed {
		l.out = l.out[:0]
		r.respondPage(l.srv.broken(l.answer.report), causeBroken)
		return
	}
	if l.answer.coding == codingOpen {
		l.settleCoding(true)
	}
	l.given = l.answer.body
	l.give(r)
}

// give hands what is left of the answer to the client, and ends the request. The lease is over,
// and the slot may have its next request already, which does not wait for this client: what is
// left came in one read, or was gathered (gatherMost), and a spool, empty where an answer begins,
// has room for it (limits.response_spool is 1 MB or more, as much as a head may have). Only where
// no temporary file can be written give may wait, up to timeouts.client_write.
func (l *lease) give(r *request) {
	r.answer.bytesOut = l.given
	if l.press != nil {
		if len(l.out) > 0 {
			l.press.give(&l.out)
		}
		l.endPress(false)
		return
	}
	if len(l.out) > 0 {
		r.client.write(l.out)
		l.out = l.out[:0]
	}
	r.client.finish(false)
}

// overdue reports whether the worker has passed timeouts.read, after the janitor
// said so. Their clocks may have crossed: then reading goes on.
func (l *lease) overdue() bool {
	since := l.waitingSince()
	if since != 0 && l.away == nil && l.srv.clock.now()-since >= l.srv.config.Load().Timeouts.Read {
		return true
	}
	_ = l.nc.SetReadDeadline(time.Time{})
	return false
}

// waitingSince is since when the worker has given no byte; 0 when nobody waits
// for it.
func (l *lease) waitingSince() time.Duration {
	since := time.Duration(l.since.Load())
	if live := l.live.Load(); live != nil {
		waiting := time.Duration(live.waiting.Load())
		if waiting == 0 || since == 0 {
			return 0
		}
		return max(waiting, since)
	}
	return since
}

// hang meets a worker that passed timeouts.read: it is dropped, and replaced.
func (l *lease) hang() {
	l.fail(pool.CauseTimeout, fmt.Errorf("no byte for %s", l.srv.config.Load().Timeouts.Read))
	l.stopFeeding()
	l.disconnect()
	l.turn()
	l.apologize(504, pool.CauseTimeout)
}

// broke meets a worker that ended its connection within an answer.
func (l *lease) broke(err error) {
	r := l.req
	l.stopFeeding()
	if r.live != nil && r.live.failed.Load() != nil {
		l.abandon()
		return
	}
	l.fail(pool.CauseRead, err)
	l.disconnect()
	l.turn()
	l.apologize(502, pool.CauseRead)
}

// bad meets an answer that is not HTTP. Nothing of the connection is trusted any
// more, but the worker may go on: one page of the app may be at fault.
func (l *lease) bad(err error) {
	l.srv.warn(noticeBadAnswer, "a worker's answer was not HTTP; its connection was closed", "worker", l.spec.ID,
		"generation", l.spec.Generation, "request", l.req.Describe(), "request_id", string(l.req.id[:]), "error", err)
	l.stopFeeding()
	l.disconnect()
	l.turn()
	l.apologize(502, pool.CauseAnswer)
}

// abandon ends an exchange that nobody waits for, or whose client is at fault.
func (l *lease) abandon() {
	l.stopFeeding()
	l.disconnect()
	l.turn()
	r, fault := l.req, clientFault{cause: causeClientLeft}
	if r.live != nil && r.live.failed.Load() != nil {
		fault = *r.live.failed.Load()
	}
	if fault.status != 0 && !l.answer.flushed {
		r.respond(&http1.Reply{Status: fault.status, Detail: fault.detail}, fault.cause)
		return
	}
	r.answer.cause, r.close = causeClientLeft, true
	l.breakOff(r)
}

// apologize answers in the worker's place, or cuts an answer short that has begun.
// The lease is over.
func (l *lease) apologize(status int, cause pool.Cause) {
	r := l.req
	l.out = l.out[:0]
	if !l.answer.flushed {
		r.refuse(status, string(cause))
		return
	}
	r.answer.bytesOut, r.answer.cause, r.close = l.answer.body, string(cause), true
	l.breakOff(r)
}

// fail drops the worker from the pool.
func (l *lease) fail(cause pool.Cause, err error) {
	r := l.req
	detail := fmt.Sprintf("%s (request %s): %v", r.Describe(), r.id[:], err)
	if err := l.srv.pool.Fail(l.slot.Worker(), cause, detail); err != nil {
		l.srv.log.Error("a failed worker could not be dropped", "worker", l.spec.ID, "error", err)
	}
}

// giveBack meets a request of which the worker has not taken a byte.
func (l *lease) giveBack(cause pool.Cause, err error) {
	l.fail(cause, err)
	if l.req.retried {
		l.turn()
		l.req.refuse(502, string(cause))
		return
	}
	l.retry(cause)
}

// retry lets another worker have the request in hand, once. The lease is over.
func (l *lease) retry(cause pool.Cause) {
	r := l.req
	r.retried = true
	l.srv.metrics.Retried(string(cause))
	l.since.Store(0)
	r.answer = answerRecord{}
	verdict, displaced := l.srv.pool.Retry(l.slot, l.srv.clock.now())
	if cause == pool.CauseBusy {
		defer time.Sleep(busyPause) // or this slot would take the request itself
	}
	if displaced != nil {
		displaced.Request.(*request).refuse(503, pool.Full.String())
	}
	if verdict != pool.Leased && verdict != pool.Queued {
		r.refuse(503, verdict.String())
	}
}
