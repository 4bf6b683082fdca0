package proxy

import (
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/http1"
)

// liveBody is the body of a request that is passed on while it arrives
// (proxy.request_buffering = false). The client's goroutine gives it to the
// worker's connection once the request is leased.
type liveBody struct {
	start    chan rawConn                // holds one: the worker's connection, when the head has been written
	over     chan struct{}               // closed with the request
	complete atomic.Bool                 // the client has sent all of it
	written  atomic.Bool                 // and the worker's socket has taken it
	failed   atomic.Pointer[clientFault] // the client has not, and never will
	bytes    atomic.Int64                // that have arrived
	waiting  atomic.Int64                // since when the worker is waited for; 0: the client is
}

// passBody submits the request with its head alone and passes the body on.
func (c *conn) passBody(h *headScratch, src *bodySource) {
	r := &c.req
	live := &liveBody{start: make(chan rawConn, 1), over: make(chan struct{})}
	now := c.srv.clock.now()
	r.compose(&h.req, h.req.ContentLength, h.req.Chunked)
	r.stamp(now)
	r.live = live
	have := append([]byte(nil), src.have...)
	c.dropBuffer()
	src.have = have
	if !c.submit(now) {
		return
	}
	c.awaitLease(src, live)
	if live.complete.Load() {
		c.keep(src.have)
		c.began = c.srv.clock.now()
	}
}

// awaitLease passes the body on once the request is leased. While it waits in the
// queue its client is not read from, but may leave.
func (c *conn) awaitLease(src *bodySource, live *liveBody) {
	t := time.NewTicker(tick * roundTicks)
	defer t.Stop()
	for {
		select {
		case worker := <-live.start:
			if src.pump(worker, live) {
				c.gone = true
			}
			return
		case <-live.over:
			return
		case <-t.C:
			if c.cannotComplete(src) && c.srv.pool.Leave(&c.req.ticket) {
				c.req.answer.cause = causeClientLeft
				c.gone = true
				c.done()
				return
			}
		}
	}
}

// cannotComplete reports whether the client has left, or ended its side before the
// body was complete. Of a chunked body the latter is not known before it is read.
func (c *conn) cannotComplete(src *bodySource) (never bool) {
	_ = c.raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(p, 0); err != nil || n == 0 {
			return
		}
		never = p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
		if !never && !src.chunked {
			n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
			if err == nil && c.secure != nil && n <= tlsBuffered {
				// How much of it is the body's is known when it is decrypted.
				c.secure.pull(fd, src)
				n = 0
			}
			never = err == nil && int64(n) < src.left-int64(len(src.have))
		}
	})
	return never
}

// pump writes the body to the worker. It reports whether the client has left.
func (b *bodySource) pump(to rawConn, live *liveBody) (gone bool) {
	var framed []byte
	b.started = b.srv.clock.now() // the time in the queue was not the client's
	for {
		live.waiting.Store(0)
		data, err := b.next()
		now := b.srv.clock.now()
		live.waiting.Store(int64(now))
		end := err == io.EOF || err == nil && !b.chunked && b.left == 0
		if err == nil && b.total > b.srv.config.Load().Limits.Body {
			err = errBodyTooLarge
		}
		if err != nil && err != io.EOF {
			fault := faultOf(err)
			live.failed.Store(&fault)
			to.Close() // the worker must not take the part for the whole
			return fault.status == 0
		}
		live.bytes.Store(b.total)
		if end { // before the worker can have seen the end, and answer
			live.complete.Store(true)
		}
		framed = framed[:0]
		switch {
		case b.chunked && end:
			framed = append(framed, http1.LastChunk...)
		case b.chunked:
			framed = http1.AppendChunk(framed, data)
		default:
			framed = append(framed, data...)
		}
		if _, err := to.Write(framed); err != nil {
			return false // a worker that takes no more has answered, or its lease tells
		}
		b.started += b.srv.clock.now() - now // nor was the worker's
		if end {
			live.written.Store(true)
			return false
		}
	}
}
