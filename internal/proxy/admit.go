package proxy

import (
	"time"

	"ripd/internal/http1"
	"ripd/internal/pool"
)

// This file holds what happens to a request between its client and the queue, whatever
// protocol it came by.

// faultOfHead tells what is wrong with a head that was read: with status 0, nothing. A
// request with a fault is answered before its body is read.
func (r *request) faultOfHead(head *http1.Request) clientFault {
	switch {
	case r.from.fault != nil:
		return clientFault{r.from.fault.Status, causeBadRequest, r.from.fault.Reason}
	case r.tooSoon(head):
		return faultOfRate
	case string(head.Method) == "CONNECT":
		return clientFault{501, causeConnect, "this server is no proxy for other servers"}
	case head.ContentLength > r.srv.config.Load().Limits.Body:
		return clientFault{413, causeTooLarge, errBodyTooLarge.Error()}
	}
	return clientFault{}
}

// admit gives a composed request to the pool, or answers it. It reports whether a
// worker's goroutine, or the janitor, will answer it.
func (s *Server) admit(r *request, now time.Duration) (admitted bool) {
	if s.isStatus(r) {
		s.answerStatus(r)
		return false
	}
	if s.answerFile(r) {
		return false
	}
	if s.maintained.Load() {
		r.refuse(503, causeMaintenance)
		return false
	}
	if s.fresh != nil {
		if page := s.fresh(); page != nil {
			r.respondPage(page, causeBroken)
			return false
		}
	}
	r.admitted = true
	switch v := s.pool.Submit(&r.ticket, now); v {
	case pool.Full, pool.NoWorker, pool.Stopping, pool.Crowded:
		r.admitted = false
		r.refuse(503, v.String())
		return false
	}
	return true
}
