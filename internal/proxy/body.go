package proxy

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/http1"
)

// errBodyTimeout: the client sent its body too slowly.
var errBodyTimeout = errors.New("the body did not arrive in time")

// errBodyTooLarge: a chunked body passed limits.body.
var errBodyTooLarge = errors.New("the body is longer than this server takes")

// readBody reads the body of the request whose head is in c.head, and submits
// the request when it is complete: a slow client holds no worker.
func (c *conn) readBody() {
	h := c.head
	c.head = nil
	defer h.free()
	src := c.newBody(h)
	defer src.close()
	c.phase.Store(phaseBody)
	src.extend()
	if h.req.ExpectContinue && len(src.have) == 0 {
		c.out.interim()
	}
	if !c.srv.config.Load().Proxy.RequestBuffering {
		c.passBody(h, src)
		return
	}
	body, err := c.collect(src)
	if err != nil {
		c.bodyFailed(h, err)
		return
	}
	r := &c.req
	now := c.srv.clock.now()
	r.compose(&h.req, src.total, false)
	r.stamp(now)
	r.wire = append(r.wire, body...)
	r.bytesIn = src.total
	c.keep(src.have)
	c.began = now
	c.submit(now)
}

// collect reads the whole body: limits.buffer of it into memory, the rest into a
// temporary file.
func (c *conn) collect(src *bodySource) ([]byte, error) {
	limits := &c.srv.config.Load().Limits
	mem := make([]byte, 0, min(max(src.left, blockSize), limits.Buffer))
	for {
		data, err := src.next()
		if err == io.EOF {
			return mem, nil
		}
		if err != nil {
			return nil, err
		}
		if src.total > limits.Body {
			return nil, errBodyTooLarge
		}
		r := &c.req
		if r.rest == nil {
			n := min(len(data), int(limits.Buffer)-len(mem))
			mem = append(mem, data[:n]...)
			data = data[n:]
		}
		if len(data) == 0 {
			continue
		}
		if r.rest == nil {
			r.rest = &spool{dir: c.srv.spoolDir, limit: limits.Body, keep: true}
		}
		if err := r.rest.write(data); err != nil {
			c.srv.reached(boundDisk, "a request's body cannot be kept; it is answered 503", "error", err)
			return nil, err
		}
	}
}

// bodyFailed ends a request whose body did not come whole.
func (c *conn) bodyFailed(h *headScratch, err error) {
	fault := faultOf(err)
	switch {
	case fault.status != 0:
		c.refuseRequest(&h.req, fault.status, fault.cause, fault.detail)
	case errors.Is(err, errClientGone):
		c.gone = true
		c.req.nameOnly(&h.req)
		c.req.close, c.req.answer.cause = true, causeClientLeft
		c.done()
	default:
		c.req.nameOnly(&h.req)
		c.dropBuffer()
		c.req.close = true
		c.req.refuse(503, causeSpool)
	}
}

// clientFault is what a client is told whose request is at fault. The status is 0 when
// there is nothing to tell, or nobody.
type clientFault struct {
	status        int
	cause, detail string
}

// faultOf says what an error of bodySource means to the client.
func faultOf(err error) clientFault {
	var problem *http1.Error
	switch {
	case errors.As(err, &problem):
		return clientFault{problem.Status, causeBadRequest, problem.Reason}
	case errors.Is(err, errBodyTooLarge):
		return clientFault{413, causeTooLarge, err.Error()}
	case errors.Is(err, errBodyTimeout):
		return clientFault{408, causeBodyTimeout, err.Error()}
	}
	return clientFault{}
}

// keep makes b, which may be part of the buffer, the connection's buffer: what
// was pipelined behind a body.
func (c *conn) keep(b []byte) {
	c.kept = len(b) > 0
	if len(b) == 0 {
		c.dropBuffer()
		return
	}
	if len(b) > blockSize {
		c.big = append([]byte(nil), b...)
		c.filled = len(c.big)
		return
	}
	if c.in == nil {
		c.in = newBlock()
	}
	c.filled = copy(c.in[:], b)
	c.big = nil
}

// errClientGone: the client's end came in the middle of a request.
var errClientGone = errors.New("the client has left")

// bodySource gives a request's body piece by piece, without its framing.
type bodySource struct {
	c       *conn
	chunked bool
	left    int64 // of a body with a length
	decoder http1.Chunked
	have    []byte // read and not yet given
	buf     *copyBlock
	total   int64
	started time.Duration
}

// newBody begins with what the connection has read behind the head.
func (c *conn) newBody(h *headScratch) *bodySource {
	return &bodySource{
		c: c, chunked: h.req.Chunked, left: h.req.ContentLength,
		have: c.buffer()[h.req.HeadLen:], buf: newCopyBlock(), started: c.srv.clock.now(),
	}
}

func (b *bodySource) close() { b.buf.free() }

// next returns the next piece, which is valid until the call after; io.EOF at
// the end. What the client sent behind the body stays in have.
func (b *bodySource) next() ([]byte, error) {
	for {
		data, done, err := b.decode()
		if err != nil {
			return nil, err
		}
		if len(data) > 0 {
			b.total += int64(len(data))
			return data, nil
		}
		if done {
			return nil, io.EOF
		}
		b.extend()
		n, err := b.c.receive(b.buf[:])
		if err != nil {
			return nil, err
		}
		b.have = b.buf[:n]
	}
}

// decode takes a piece out of have.
func (b *bodySource) decode() (data []byte, done bool, err error) {
	if !b.chunked {
		n := min(b.left, int64(len(b.have)))
		data, b.have = b.have[:n], b.have[n:]
		b.left -= n
		return data, b.left == 0, nil
	}
	for len(b.have) > 0 {
		data, n, done, err := b.decoder.Next(b.have)
		b.have = b.have[n:]
		if err != nil || done || len(data) > 0 {
			return data, done, err
		}
	}
	return nil, false, nil
}

// extend gives the client time for the next piece.
func (b *bodySource) extend() {
	if b.c.phase.Load() == phaseClosing {
		return // answered early; what is left of the body is not waited for
	}
	bought := time.Duration(b.total/minBodyRate) * time.Second
	b.c.deadline.Store(int64(b.started + b.c.srv.config.Load().Timeouts.ClientBody + bought))
}

// receive waits for the client's next bytes. errBodyTimeout is the janitor's word.
func (c *conn) receive(p []byte) (int, error) {
	return c.await(func(fd uintptr) (int, syscall.Errno) {
		c.look()
		return c.recv(fd, p)
	})
}

// await reads with read, which runs inside of RawConn callbacks, until something
// has come.
func (c *conn) await(read func(fd uintptr) (int, syscall.Errno)) (int, error) {
	for {
		var n int
		var errno syscall.Errno
		err := c.raw.Read(func(fd uintptr) bool {
			n, errno = read(fd)
			return errno != syscall.EAGAIN
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = c.nc.SetReadDeadline(time.Time{})
			c.kicked.Store(false)
			if at := c.deadline.Load(); at != 0 && int64(c.srv.clock.now()) >= at {
				return 0, errBodyTimeout
			}
		case err != nil || errno != 0 || n == 0:
			return 0, errClientGone
		default:
			return n, nil
		}
	}
}

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
			c.pump(worker, src, live)
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

// pump writes the body to the worker.
func (c *conn) pump(to rawConn, src *bodySource, live *liveBody) {
	var framed []byte
	src.started = c.srv.clock.now() // the time in the queue was not the client's
	for {
		live.waiting.Store(0)
		data, err := src.next()
		now := c.srv.clock.now()
		live.waiting.Store(int64(now))
		end := err == io.EOF || err == nil && !src.chunked && src.left == 0
		if err == nil && src.total > c.srv.config.Load().Limits.Body {
			err = errBodyTooLarge
		}
		if err != nil && err != io.EOF {
			fault := faultOf(err)
			live.failed.Store(&fault)
			c.gone = fault.status == 0
			to.Close() // the worker must not take the part for the whole
			return
		}
		live.bytes.Store(src.total)
		if end { // before the worker can have seen the end, and answer
			live.complete.Store(true)
		}
		framed = framed[:0]
		switch {
		case src.chunked && end:
			framed = append(framed, http1.LastChunk...)
		case src.chunked:
			framed = http1.AppendChunk(framed, data)
		default:
			framed = append(framed, data...)
		}
		if _, err := to.Write(framed); err != nil {
			return // a worker that takes no more has answered, or its lease tells
		}
		src.started += c.srv.clock.now() - now // nor was the worker's
		if end {
			live.written.Store(true)
			return
		}
	}
}
