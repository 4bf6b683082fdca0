package proxy

import (
	"sync"

	"ripd/internal/compress"
	"ripd/internal/http1"
)

// pressMost bounds what a press has not yet compressed, in bytes, of an answer that
// comes in pieces. Beyond it the worker waits for the processor.
const pressMost = 256 << 10

// press compresses one answer in a goroutine of its own, so that no lease waits for it,
// and ends the request. Of an answer that comes in pieces it takes what has come, and
// has the client be able to decode that at once.
type press struct {
	req    *request
	stream *compress.Encoder // of an answer that comes in pieces; nil for one that is whole
	head   []byte
	tail   []byte // what ends the answer
	chunks bool   // the client gets chunks; else the connection's end is the answer's

	mu    sync.Mutex
	come  *sync.Cond // signalled when there is something to do
	room  *sync.Cond // signalled when pressMost is not reached any more
	raw   []byte     // not yet compressed
	ended bool
	cut   bool // the answer broke off

	before, after int64  // the body's bytes
	work, out     []byte // the goroutine's
	coded         []byte
}

var presses = sync.Pool{New: func() any {
	p := new(press)
	p.come, p.room = sync.NewCond(&p.mu), sync.NewCond(&p.mu)
	return p
}}

// newPress makes a press for the answer to r, whose heads a has.
func newPress(r *request, stream *compress.Encoder, a *answer) *press {
	p := presses.Get().(*press)
	p.req, p.stream, p.chunks = r, stream, a.chunks
	p.head, a.coded = a.coded, p.head[:0]
	p.ended, p.cut, p.before, p.after = false, false, 0, 0
	return p
}

// give takes what is in b, and empties it.
func (p *press) give(b *[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.raw) >= pressMost {
		p.room.Wait()
	}
	p.before += int64(len(*b))
	if len(p.raw) == 0 {
		p.raw, *b = *b, p.raw
		p.come.Signal()
		return
	}
	p.raw = append(p.raw, *b...)
	*b = (*b)[:0]
	p.come.Signal()
}

// end says that the answer is complete, or breaks off with cut. The press ends the
// request, which is the caller's no more.
func (p *press) end(tail []byte, cut bool) {
	p.mu.Lock()
	p.tail = append(p.tail[:0], tail...)
	p.ended, p.cut = true, cut
	whole := p.stream == nil
	p.come.Signal()
	p.mu.Unlock()
	if whole {
		p.start()
	}
}

// start lets the press work. Its request's connection waits for the end.
func (p *press) start() { go p.run() }

func (p *press) run() {
	r := p.req
	encoder := p.stream
	if encoder == nil {
		encoder = r.compressor.Body(r.coding)
	}
	p.out = append(p.out[:0], p.head...)
	over, cut := p.next()
	for ; !cut; over, cut = p.next() {
		if p.compress(encoder, over); over {
			break
		}
	}
	encoder.Free()
	r.answer.bytesOut = p.after
	r.srv.metrics.Compressed(r.coding.String(), p.before, p.after)
	p.free()
	r.client.finish(cut)
}

// next waits for something to compress, and takes it. over tells that it is the last,
// cut that there is no proper end.
func (p *press) next() (over, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.raw) == 0 && !p.ended && len(p.out) == 0 { // a head that waits is something
		p.come.Wait()
	}
	p.raw, p.work = p.work[:0], p.raw
	p.room.Signal()
	return p.ended, p.cut
}

// compress gives the client what has been taken.
func (p *press) compress(encoder *compress.Encoder, last bool) {
	if p.req.client.broken() {
		p.out = p.out[:0]
		return
	}
	if len(p.work) > 0 || last {
		p.coded = encoder.Encode(p.coded[:0], p.work, last)
		p.after += int64(len(p.coded))
		if p.chunks {
			p.out = http1.AppendChunk(p.out, p.coded)
		} else {
			p.out = append(p.out, p.coded...)
		}
	}
	if last && p.chunks {
		p.out = append(p.out, p.tail...)
	}
	p.req.client.write(p.out)
	p.out = p.out[:0]
}

// free gives the press back, unless its buffers have become large.
func (p *press) free() {
	p.req, p.stream = nil, nil
	if cap(p.raw)+cap(p.work)+cap(p.out)+cap(p.coded) <= 4*gatherMost {
		p.raw, p.work, p.out = p.raw[:0], p.work[:0], p.out[:0]
		presses.Put(p)
	}
}
