package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ripd/internal/http1"
)

// protoStream is the protocol of HTTP/2 in the access record.
const protoStream = "HTTP/2.0"

// stream is one request over HTTP/2, and its answer: a client of the pool. Its goroutine
// is that of ServeHTTP. A worker's goroutine writes the answer, as the bytes of HTTP/1,
// into a spool, and the stream's goroutine gives it on at the client's pace: so a slow
// reader never holds a worker.
type stream struct {
	streams *streams
	req     request
	w       streamWriter
	gone    context.Context // done when the client has reset the stream, or left

	head headFields // of the answer

	mu    sync.Mutex
	space sync.Cond // signalled when the spool was emptied or the client lost
	spool spool
	final bool // the answer is complete; nobody else writes
	cut   bool // it breaks off
	lost  bool // the client takes nothing any more; what is written is dropped
	ready chan struct{}

	deadline atomic.Int64 // of the body, on the server's clock; 0: none
	giving   atomic.Int64 // since when the client takes nothing; 0: nothing is given to it
	late     atomic.Bool  // the janitor has ended the reading
	stuck    atomic.Bool  // it has ended the writing
}

// streamWriter is what the ResponseWriter of HTTP/2 can do.
type streamWriter interface {
	http.ResponseWriter
	Flush()
	SetReadDeadline(at time.Time) error
	SetWriteDeadline(at time.Time) error
}

var streamPool = sync.Pool{New: func() any {
	st := &stream{ready: make(chan struct{}, 1)}
	st.space.L = &st.mu
	st.req.ticket.Request = &st.req
	return st
}}

// newStream readies a stream that nobody knows yet.
func newStream(m *streams, w streamWriter, gone context.Context) *stream {
	st := streamPool.Get().(*stream)
	c := m.conn
	limits := &c.srv.config.Load().Limits
	st.streams, st.w, st.gone = m, w, gone
	st.final, st.cut, st.lost = false, false, false
	st.spool = spool{dir: c.srv.spoolDir, memLimit: int(limits.Buffer), limit: limits.ResponseSpool, mem: st.spool.mem[:0]}
	st.req.srv, st.req.client, st.req.peer = c.srv, st, &c.peer
	st.late.Store(false)
	st.stuck.Store(false)
	select {
	case <-st.ready:
	default:
	}
	return st
}

// free gives the stream back. Its answer is final, so nobody else has it.
func (st *stream) free() {
	mem := st.spool.mem
	st.spool.close()
	if cap(mem) <= blockSize {
		st.spool.mem = mem
	}
	st.head.free()
	st.streams, st.w, st.gone = nil, nil, nil
	streamPool.Put(st)
}

// ServeHTTP is the life of one stream.
func (m *streams) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	st := newStream(m, w.(streamWriter), hr.Context())
	defer st.free()
	if !m.join(st) {
		return
	}
	whole := st.serve(hr)
	m.leave(st)
	if !whole {
		panic(http.ErrAbortHandler) // net/http resets the stream
	}
}

// serve reports whether the answer was given whole.
func (st *stream) serve(hr *http.Request) (whole bool) {
	s, r := st.streams.conn.srv, &st.req
	h := newHeadScratch()
	defer h.free()
	head := newBlock()
	defer head.free()
	now := s.clock.now()
	_, err := h.req.Parse(appendHead(head[:0], hr), s.headLimits())
	if err == http1.ErrIncomplete {
		err = errStreamHead // what would end a head was in one of its parts
	}
	r.begin(&h.req, now)
	r.minor, r.protocol = 1, protoStream
	switch {
	case err != nil:
		st.refuse(h, faultOf(err))
	case s.streamsOpen.Load() > s.most.Load():
		s.reached(boundConnections, "as many requests are open over HTTP/2 as there may be connections; one more is answered 503", "streams", s.streamsOpen.Load())
		r.nameOnly(&h.req)
		r.refuse(503, causeStreams)
	case !r.from.secure && s.redirects(&h.req): // behind a proxy that is believed
		reply := r.redirection(&h.req)
		r.nameOnly(&h.req)
		r.respond(&reply, causeRedirect)
	default:
		return st.begin(hr, h, now)
	}
	return st.deliver()
}

// begin goes on with a request whose head is well formed. It is as serve.
func (st *stream) begin(hr *http.Request, h *headScratch, now time.Duration) (whole bool) {
	r := &st.req
	if proof := r.srv.proof(&h.req); proof != nil {
		r.nameOnly(&h.req)
		r.respond(proof, causeACME)
	} else if fault := r.faultOfHead(&h.req); fault.status != 0 {
		st.refuse(h, fault)
	} else if h.req.HasBody() {
		return st.serveBody(hr, h)
	} else {
		st.submit(h, nil, h.req.ContentLength, now)
	}
	return st.deliver()
}

// refuse answers a request that is not for a worker.
func (st *stream) refuse(h *headScratch, fault clientFault) {
	st.req.nameOnly(&h.req)
	st.req.respond(&http1.Reply{Status: fault.status, Detail: fault.detail}, fault.cause)
}

// submit gives the request, which is complete, to the pool.
func (st *stream) submit(h *headScratch, body []byte, length int64, now time.Duration) {
	r := &st.req
	r.compose(&h.req, length, false)
	r.stamp(now)
	r.wire = append(r.wire, body...)
	r.bytesIn = max(0, length)
	r.srv.admit(r, now)
}

// write is the client's. It blocks only when the spool has reached its bound.
func (st *stream) write(b []byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	for !st.lost {
		err := st.spool.write(b)
		if err == nil {
			break
		}
		if errors.Is(err, errSpoolFull) {
			st.req.srv.reached(boundSpool, "an answer waits for its slow client, and its worker with it")
		} else {
			st.req.srv.reached(boundDisk, "an answer waits for its slow client: its temporary file cannot be written", "error", err)
		}
		if st.spool.empty() { // larger than the bound by itself
			st.spool.memLimit = max(st.spool.memLimit, len(b))
			continue
		}
		st.space.Wait()
	}
	st.tell()
}

// settle is the client's. It is never called by the stream's own goroutine, which is the
// one that it waits for.
func (st *stream) settle() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	for !st.lost && !st.spool.empty() {
		st.space.Wait()
	}
	return !st.lost
}

// finish is the client's.
func (st *stream) finish(cut bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.final, st.cut = true, cut
	st.tell()
}

// tell wakes the stream's goroutine.
func (st *stream) tell() {
	select {
	case st.ready <- struct{}{}:
	default:
	}
}

// broken is the client's.
func (st *stream) broken() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.lost
}

// ending is the client's: a connection of HTTP/2 does not end with an answer.
func (st *stream) ending() bool { return false }

// lose gives the client up.
func (st *stream) lose() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.lost = true
	st.space.Broadcast()
}

// left meets the end of the stream before that of its answer: the request is taken out of
// the queue, or its worker goes on, as the lease must.
func (st *stream) left() {
	st.lose()
	r := &st.req
	if r.admitted && r.srv.pool.Leave(&r.ticket) {
		r.answer.cause = causeClientLeft
		st.finish(true)
	}
}

// look is the janitor's round. The caller has the lock of streams, so that the
// ResponseWriter is still in use.
func (st *stream) look(now time.Duration) {
	if at := time.Duration(st.deadline.Load()); at != 0 && now >= at && st.late.CompareAndSwap(false, true) {
		_ = st.w.SetReadDeadline(time.Unix(1, 0)) // an error: the stream has ended
	}
	since, s := time.Duration(st.giving.Load()), st.streams.conn.srv
	if since != 0 && now-since >= s.config.Load().Timeouts.ClientWrite && st.stuck.CompareAndSwap(false, true) {
		s.reached(boundClientWrite, "a client took nothing of its answer for too long and was cut off")
		_ = st.w.SetWriteDeadline(time.Unix(1, 0)) // likewise
	}
}

// streamBody is the sender of a stream's body.
type streamBody struct {
	*stream
	from io.Reader
}

// receive is the bodySender's.
func (b streamBody) receive(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.deadline.Store(0) // what comes now is not the client's time
	switch {
	case n > 0, err == io.EOF:
		return n, err
	case b.gone.Err() != nil:
		return 0, errClientGone
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, errBodyTimeout
	}
	return 0, errBodyShort
}

// until is the bodySender's.
func (b streamBody) until(at time.Duration) { b.deadline.Store(int64(at)) }
