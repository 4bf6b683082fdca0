package proxy

import (
	"errors"
	"net/http"
)

// serveBody is serve for a request that has a body.
func (st *stream) serveBody(hr *http.Request, h *headScratch) (whole bool) {
	s, r := st.streams.conn.srv, &st.req
	src := &bodySource{
		srv: s, from: streamBody{st, hr.Body}, bare: true, chunked: h.req.Chunked, left: h.req.ContentLength,
		buf: newCopyBlock(), started: s.clock.now(),
	}
	defer src.close()
	if !s.config.Load().Proxy.RequestBuffering {
		return st.passBody(hr, h, src)
	}
	src.extend()
	body, err := r.collect(src)
	if err != nil {
		st.bodyFailed(h, err)
		return st.deliver()
	}
	st.submit(h, body, src.total, s.clock.now())
	return st.deliver()
}

// bodyFailed ends a request whose body did not come whole.
func (st *stream) bodyFailed(h *headScratch, err error) {
	fault := faultOf(err)
	switch {
	case fault.status != 0:
		st.refuse(h, fault)
	case errors.Is(err, errClientGone):
		st.req.nameOnly(&h.req)
		st.req.answer.cause = causeClientLeft
		st.lose()
		st.finish(true)
	default:
		st.req.nameOnly(&h.req)
		st.req.refuse(503, causeSpool)
	}
}

// passBody submits the request with its head alone, and passes the body on while the
// answer is given.
func (st *stream) passBody(hr *http.Request, h *headScratch, src *bodySource) (whole bool) {
	s, r := st.streams.conn.srv, &st.req
	live := &liveBody{start: make(chan rawConn, 1), over: make(chan struct{})}
	now := s.clock.now()
	r.compose(&h.req, h.req.ContentLength, h.req.Chunked)
	r.stamp(now)
	r.live = live
	over := live.over
	done := make(chan struct{})
	if s.admit(r, now) {
		go func() {
			defer close(done)
			select {
			case worker := <-live.start:
				src.pump(worker, live)
			case <-over:
			}
		}()
	} else {
		close(done)
	}
	whole = st.deliver()
	_ = hr.Body.Close() // what is left of it is not waited for
	<-done
	return whole
}
