package proxy

import (
	"bytes"

	"ripd/internal/compress"
	"ripd/internal/config"
	"ripd/internal/http1"
)

// This file holds which answers are compressed; press.go holds how.

// gatherMost is the size in bytes up to which an answer whose length is known is
// gathered, to be compressed as a whole behind the end of its lease. It is the
// answer's memory for that time.
const gatherMost = 256 << 10

// coding is what becomes of the content coding of an answer.
type coding uint8

const (
	codingNone    coding = iota // the body passes as it is
	codingOpen                  // it is to be compressed if it turns out to be large enough; l.out has the raw body
	codingApplied               // the press has it
)

// newCompressor makes what the settings ask for; nil when nothing is compressed.
func newCompressor(c *config.Config) *compress.Compressor {
	o := compress.Options{
		Level: c.Compression.Level, MinSize: c.Compression.MinSize, Types: c.Compression.Types, Streams: c.Compression.Streams,
	}
	for _, name := range c.Compression.Codings {
		if coding, err := compress.Parse(name); err == nil { // config knows no others
			o.Codings = append(o.Codings, coding)
		}
	}
	return compress.New(o)
}

// negotiate chooses the coding for the answer.
func (r *request) negotiate(head *http1.Request) {
	if r.compressor = r.srv.compressor.Load(); r.compressor == nil {
		return
	}
	var accept compress.Accept
	accept.Begin()
	for i := range head.Fields {
		f := &head.Fields[i]
		if len(f.Name) == len("accept-encoding") && bytes.EqualFold(f.Name, []byte("accept-encoding")) {
			accept.Add(f.Value)
		}
	}
	r.coding = r.compressor.Choose(&accept)
}

// offer decides, of a final answer whose head is complete, whether it is one to
// compress. If so the head waits in two forms, since it decides with the body.
func (l *lease) offer() (waits bool) {
	a, r := &l.answer, l.req
	c := r.compressor
	if c == nil || a.report != nil || a.head.Busy || !a.head.Codable(r.head) || !c.Takes(a.head.Get("Content-Type")) {
		return false
	}
	a.out.Vary = true
	if r.coding == compress.Identity || !c.Worth(a.head.ContentLength) {
		return false
	}
	coded := a.out
	coded.Coding, coded.ContentLength = r.coding.String(), -1
	if r.head { // as the answer to GET would be
		a.out = coded
		return false
	}
	coded.Chunked = r.minor > 0
	coded.Close = a.out.Close || !coded.Chunked
	a.plain = a.head.AppendResponse(a.plain[:0], &a.out)
	a.coded = a.head.AppendResponse(a.coded[:0], &coded)
	a.tail = append(a.tail[:0], http1.LastChunk...)
	a.chunks, a.coding = coded.Chunked, codingOpen
	if len(l.out) > 0 { // interim answers
		r.client.write(l.out)
		l.out = l.out[:0]
	}
	return true
}

// gathers reports whether an answer that is not complete waits to become so.
func (a *answer) gathers() bool {
	return a.coding == codingOpen && a.stage == stageBody && a.head.ContentLength >= 0 && a.head.ContentLength <= gatherMost
}

// settleCoding decides what becomes of an answer that is open, with the whole of its
// body in l.out, or the first part. What is to be compressed goes to a press, and l.out
// is empty then; else it is what the client gets.
func (l *lease) settleCoding(whole bool) {
	a, r := &l.answer, l.req
	var encoder *compress.Encoder
	switch {
	case whole && r.compressor.Worth(int64(len(l.out))):
	case whole:
		l.passPlain(whole)
		return
	default:
		if encoder = r.compressor.Stream(r.coding); encoder == nil {
			l.srv.reached(boundStreams, "as many answers are compressed as may be while they come in pieces; one more passes as it is")
			l.passPlain(whole)
			return
		}
	}
	if !a.chunks {
		r.close, r.unending = true, true // the end of the connection is the end of the answer
	}
	a.coding = codingApplied
	l.press = newPress(r, encoder, a)
	l.press.give(&l.out)
	if !whole {
		a.flushed = true
		l.press.start()
	}
}

// passPlain turns the raw body in l.out into what the client gets of it uncompressed.
func (l *lease) passPlain(whole bool) {
	a := &l.answer
	a.coding = codingNone
	body := l.out
	l.out = append(a.raw[:0], a.plain...)
	a.raw = body[:0]
	if !a.out.Chunked {
		l.out = append(l.out, body...)
		return
	}
	l.out = http1.AppendChunk(l.out, body)
	if whole {
		l.out = append(l.out, a.tail...)
	}
}

// endPress has the press end the request.
func (l *lease) endPress(cut bool) {
	p := l.press
	l.press = nil
	p.end(l.answer.tail, cut)
}

// breakOff ends the request with an answer that has no proper end.
func (l *lease) breakOff(r *request) {
	if l.press != nil {
		l.endPress(true)
		return
	}
	r.client.finish(true)
}
