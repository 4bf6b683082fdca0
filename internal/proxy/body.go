package proxy

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

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
	body, err := c.req.collect(src)
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
func (r *request) collect(src *bodySource) ([]byte, error) {
	limits := &r.srv.config.Load().Limits
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
		if r.rest == nil {
			n := min(len(data), int(limits.Buffer)-len(mem))
			mem = append(mem, data[:n]...)
			data = data[n:]
		}
		if len(data) == 0 {
			continue
		}
		if r.rest == nil {
			r.rest = &spool{dir: r.srv.spoolDir, limit: limits.Body, keep: true}
		}
		if err := r.rest.write(data); err != nil {
			r.srv.reached(boundDisk, "a request's body cannot be kept; it is answered 503", "error", err)
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

// errBodyShort: a body without framing ended before its length.
var errBodyShort = &http1.Error{Status: 400, Section: "RFC 9113 section 8.1.1", Reason: "the body is shorter than its Content-Length says"}

// errClientGone: the client's end came in the middle of a request.
var errClientGone = errors.New("the client has left")

// bodySender is who sends a body: a connection, or a stream of one.
type bodySender interface {
	// receive waits for the next bytes. errBodyTimeout is the janitor's word.
	receive(p []byte) (int, error)
	// until gives the client time, to the moment at on the server's clock.
	until(at time.Duration)
}

// bodySource gives a request's body piece by piece, without its framing.
type bodySource struct {
	srv     *Server
	from    bodySender
	chunked bool  // its length is not known beforehand
	bare    bool  // it comes without framing, and its end is io.EOF
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
		srv: c.srv, from: c, chunked: h.req.Chunked, left: h.req.ContentLength,
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
		n, err := b.from.receive(b.buf[:])
		if err == io.EOF && !b.chunked {
			err = errBodyShort
		}
		if err != nil {
			return nil, err
		}
		b.have = b.buf[:n]
	}
}

// decode takes a piece out of have.
func (b *bodySource) decode() (data []byte, done bool, err error) {
	if b.bare && b.chunked {
		data, b.have = b.have, nil
		return data, false, nil
	}
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
	bought := time.Duration(b.total/minBodyRate) * time.Second
	b.from.until(b.started + b.srv.config.Load().Timeouts.ClientBody + bought)
}

// until is the bodySender's.
func (c *conn) until(at time.Duration) {
	if c.phase.Load() != phaseClosing { // answered early: what is left of the body is not waited for
		c.deadline.Store(int64(at))
	}
}

// receive is the bodySender's.
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
