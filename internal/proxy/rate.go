package proxy

import (
	"time"

	"ripd/internal/http1"
)

// tooSoon tells whether the request comes beyond limits.rate of its client's network,
// and notes for how long no further one may come. The status page is never; nor is who
// has no address that is known.
func (r *request) tooSoon(head *http1.Request) bool {
	c := r.srv.config.Load()
	rate := &c.Limits.Rate
	if rate.Requests == 0 || !r.from.addr.IsValid() || r.srv.wantsStatus(head) {
		return false
	}
	wait := r.srv.buckets.take(networkOf(r.from.addr), r.srv.clock.now(), rate.Interval(), c.Limits.RateBurst)
	if wait <= 0 {
		return false
	}
	r.retryAfter = int((wait + time.Second - 1) / time.Second)
	of, _ := r.from.addr.Prefix(min(r.from.addr.BitLen(), rateBits6)) // the bits are as many as there are
	r.srv.reached(boundRate, "the requests of a client's network come too fast; they are answered 429", "network", of)
	return true
}

// faultOfRate is what a client is told whose requests come too fast.
var faultOfRate = clientFault{429, causeRate, "too many requests from this network"}

// turnAway answers a request that is not for a worker, whose head h fills the first n
// bytes of the buffer. Only one that has come too soon, without a body, leaves the
// connection as it was. It reports whether to leave the callback.
func (c *conn) turnAway(h *headScratch, n int, fault clientFault) (leave bool) {
	if fault.cause == causeRate {
		return c.answerHead(h, n, &http1.Reply{Status: fault.status, Detail: fault.detail}, fault.cause)
	}
	c.refuseRequest(&h.req, fault.status, fault.cause, fault.detail)
	h.free()
	return true
}
