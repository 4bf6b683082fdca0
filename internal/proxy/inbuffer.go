package proxy

import (
	"sync"

	"ripd/internal/http1"
)

// room returns where the next bytes go. It is never empty: awaitHead sees to that.
func (c *conn) room() []byte {
	if c.big != nil {
		return c.big[c.filled:]
	}
	if c.in == nil {
		c.in = newBlock()
	}
	return c.in[c.filled:]
}

func (c *conn) buffer() []byte {
	if c.big != nil {
		return c.big[:c.filled]
	}
	if c.in == nil {
		return nil
	}
	return c.in[:c.filled]
}

// consume drops the first n bytes of the buffer, and the buffer with its last.
func (c *conn) consume(n int) {
	rest := c.buffer()[n:]
	switch {
	case len(rest) == 0:
		c.dropBuffer()
	case c.big != nil && len(rest) <= blockSize:
		c.in = newBlock()
		c.filled = copy(c.in[:], rest)
		c.big = nil
	default:
		c.filled = copy(c.buffer(), rest)
	}
}

func (c *conn) dropBuffer() {
	if c.in != nil {
		c.in.free()
		c.in = nil
	}
	c.big, c.filled = nil, 0
}

// headScratch is where a head is parsed. Its array of fields is too large for
// each connection to have one.
type headScratch struct{ req http1.Request }

var headScratches = sync.Pool{New: func() any { return new(headScratch) }}

func newHeadScratch() *headScratch { return headScratches.Get().(*headScratch) }

func (h *headScratch) free() {
	h.req.Reset()
	headScratches.Put(h)
}
