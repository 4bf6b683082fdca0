package proxy

import (
	"bytes"
	"fmt"

	"ripd/internal/http1"
)

// reportField is how an adapter tells, with status 500, that the app's new code does
// not load: percent-encoded JSON. The codec takes it out of every answer.
const reportField = "Rip-Worker-Error"

// maxInterim bounds the 1xx answers before a final one.
const maxInterim = 16

// stage is how far the answer of a worker has come.
type stage uint8

const (
	stageHead     stage = iota // its head is not complete
	stageBody                  // its body is not
	stageComplete              // everything is in
	stageSwitched              // it was a 101: what follows is not HTTP
)

// answer turns the bytes of a worker's answer into those of the client's.
type answer struct {
	stage   stage
	head    http1.Response
	out     http1.Out
	left    int64 // of a body with a length
	decoder http1.Chunked
	interim int    // 1xx answers so far
	flushed bool   // the client has been given some of the final answer
	frames  bool   // with stageSwitched: the protocol is WebSocket
	coding  coding // ripd's own content coding
	chunks  bool   // with it, the client gets chunks
	plain   []byte // the client's head without it
	coded   []byte // and with it
	raw     []byte // room for a body
	tail    []byte // what ends a chunked body
	order   *order // what names a file instead; nil otherwise
	events  bool   // it is an event stream, whose end nobody knows
	report  []byte // what an adapter says of code that does not load; nil otherwise
	body    int64
}

// reset readies the answer for the next request.
func (a *answer) reset() {
	a.stage, a.interim, a.flushed, a.body, a.report, a.coding, a.order = stageHead, 0, false, 0, nil, codingNone, nil
	// Of a head that broke off it must forget how far it had looked.
	a.head = http1.Response{Fields: a.head.Fields[:0]}
}

// absorb takes what has come from the worker and puts what the client is to get
// behind l.out. An error means that the answer is not HTTP.
func (l *lease) absorb() error {
	a := &l.answer
	b := l.in[:l.n]
	limits := l.srv.headLimits()
	limits.HeaderBytes = min(limits.HeaderBytes, len(l.in)) // Configure may have raised it since
	for a.stage == stageHead && len(b) > 0 {
		n, err := a.head.Parse(b, l.req.method(), limits)
		if err == http1.ErrIncomplete {
			l.n = copy(l.in, b)
			return nil
		}
		if err != nil {
			return fmt.Errorf("bad head: %w", err)
		}
		if err := l.headIn(); err != nil {
			return err
		}
		b = b[n:]
	}
	n, err := a.bodyIn(l, b)
	l.n = copy(l.in, b[n:])
	if a.order != nil && a.stage == stageBody {
		a.spare()
	}
	return err
}

// headIn acts on a complete head.
func (l *lease) headIn() error {
	a, r := &l.answer, l.req
	switch {
	case a.head.Switching:
		return l.switching()
	case a.head.Interim():
		if a.interim++; a.interim > maxInterim {
			return fmt.Errorf("more than %d interim answers", maxInterim)
		}
		if r.minor > 0 && a.head.Status != 100 { // ripd has sent its own 100
			a.out = http1.Out{Minor: r.minor}
			l.out = a.head.AppendResponse(l.out, &a.out)
		}
		return nil
	}
	if a.head.NamesFile && l.ordered() {
		return nil
	}
	a.out = http1.Out{
		Date: l.srv.clock.httpDate(l.srv.clock.now()), RequestID: r.id[:], Trailers: r.trailers,
		Unsent: a.head.NamesFile && l.frontSends(),
	}
	if r.from.secure {
		a.out.HSTS = l.srv.config.Load().TLS.HSTS
	}
	a.head.Frame(&a.out, r.minor, !r.mustClose())
	r.close = a.out.Close
	r.unending = !a.head.NoBody && !a.out.Chunked && a.out.ContentLength < 0
	r.answer.status = a.head.Status
	a.events = a.head.ContentLength < 0 && isEvents(a.head.Get("Content-Type"))
	if a.head.Status == 500 && l.srv.broken != nil {
		a.report = bytes.Clone(a.head.Get(reportField))
	}
	if !l.offer() {
		l.out = a.head.AppendResponse(l.out, &a.out)
	}
	a.begin()
	return nil
}

// begin readies the answer for its body.
func (a *answer) begin() {
	a.stage = stageBody
	switch {
	case a.head.NoBody:
		a.stage = stageComplete
	case a.head.Chunked:
		a.decoder.Reset()
	case !a.head.UntilClose:
		if a.left = a.head.ContentLength; a.left == 0 {
			a.stage = stageComplete
		}
	}
}

// bodyIn passes the body on and returns how much of b belonged to it.
func (a *answer) bodyIn(l *lease, b []byte) (used int, err error) {
	switch {
	case a.stage != stageBody:
	case a.head.Chunked:
		return a.chunksIn(l, b)
	case a.head.UntilClose:
		a.pass(l, b)
		return len(b), nil
	default:
		used = int(min(a.left, int64(len(b))))
		a.pass(l, b[:used])
		if a.left -= int64(used); a.left == 0 {
			a.stage = stageComplete
		}
	}
	return used, nil
}

// chunksIn decodes the worker's chunks; the client gets chunks of ripd's own.
func (a *answer) chunksIn(l *lease, b []byte) (used int, err error) {
	for used < len(b) {
		data, n, done, err := a.decoder.Next(b[used:])
		if err != nil {
			return used, fmt.Errorf("bad chunk: %w", err)
		}
		a.pass(l, data)
		used += n
		if done {
			a.endOfBody(l)
			break
		}
	}
	return used, nil
}

// pass gives a piece of the body on, framed for the client.
func (a *answer) pass(l *lease, data []byte) {
	if a.order != nil {
		return // the file is instead of it
	}
	a.body += int64(len(data))
	if a.out.Chunked && a.coding == codingNone {
		l.out = http1.AppendChunk(l.out, data)
		return
	}
	l.out = append(l.out, data...)
}

// endOfBody ends a body whose length was not said before.
func (a *answer) endOfBody(l *lease) {
	a.stage = stageComplete
	if a.coding != codingNone {
		if a.head.Chunked && a.out.Trailers {
			a.tail = http1.AppendLastChunk(a.tail[:0], a.decoder.Trailers())
		}
		return
	}
	if !a.out.Chunked {
		return
	}
	if a.head.Chunked && a.out.Trailers {
		l.out = http1.AppendLastChunk(l.out, a.decoder.Trailers())
		return
	}
	l.out = append(l.out, http1.LastChunk...)
}

// reusable reports whether the worker's connection may take another request.
func (l *lease) reusable() bool {
	return l.answer.head.KeepAlive && !l.answer.head.UntilClose && l.n == 0 && !l.eof && !l.closes
}

// maxWithheld is how much of an answer is kept back while it may yet be replaced.
const maxWithheld = 16 << 10

// withheld reports whether the answer is kept back: another worker may answer
// instead of one that is busy, and a page instead of a report.
func (l *lease) withheld() bool {
	return l.answer.order != nil || (l.answer.report != nil || l.answer.head.Busy && !l.req.retried) && len(l.out) <= maxWithheld
}
