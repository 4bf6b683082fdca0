package proxy

import (
	"bytes"
	"errors"
	"time"

	"ripd/internal/http1"
	"ripd/internal/journal"
)

// The causes of answers that ripd gives itself, as the access log and the metrics
// show them. The pool's verdicts and causes are the others.
const (
	causeClientLeft   = "client-left"
	causeTooLarge     = "body-too-large"
	causeConnect      = "connect"
	causeQueueTimeout = "queue-timeout"
	causeBadRequest   = "bad-request"
	causeBodyTimeout  = "body-timeout"
	causeSpool        = "spool-failed"
	causeStopping     = "stopping"
	causeBroken       = "code-broken"
	causeRedirect     = "redirect"
	causeACME         = "acme"
	causeDescriptors  = "no-descriptors"
	causeStatic       = "static" // a file, without a worker
	causeRate         = "rate-limited"
	causeFileChanged  = "file-changed"
	causeSendfile     = "sendfile" // a file that a worker has named
	causeMaintenance  = "maintenance"
	causeFileMissing  = "file-missing"
	causeFileRefused  = "file-refused"
	causeStreams      = "streams-full"
)

// errHeadTimeout answers a head that did not arrive in time.
var errHeadTimeout = &http1.Error{Status: 408, Section: "RFC 9110 section 15.5.9", Reason: "the head did not arrive in time"}

// refuseHead answers a head that could not be read, and ends the connection.
func (c *conn) refuseHead(h *headScratch, err error) {
	c.awaitTurn()
	if c.phase.Load() == phaseClosing {
		h.free()
		return
	}
	c.turn.Store(turnTaken)
	c.out.reset()
	c.req.begin(&h.req, c.began)
	var problem *http1.Error
	if !errors.As(err, &problem) {
		problem = &http1.Error{Status: 400, Reason: err.Error()}
	}
	c.refuseRequest(&h.req, problem.Status, causeBadRequest, problem.Reason)
	h.free()
}

// refuseRequest answers a request whose head has been read, and ends the
// connection: where the next request begins is not known or not awaited.
func (c *conn) refuseRequest(head *http1.Request, status int, cause, detail string) {
	c.req.nameOnly(head)
	c.dropBuffer()
	c.req.close = true
	c.req.respond(&http1.Reply{Status: status, Detail: detail}, cause)
}

// nameOnly gives a request that goes to no worker its method and target, and the fields
// by which the form of an error is chosen.
func (r *request) nameOnly(head *http1.Request) {
	r.wire = append(r.wire[:0], head.Method...)
	r.wire = append(r.wire, ' ')
	r.wire = append(r.wire, head.Target...)
	r.methodLen, r.target = len(head.Method), len(head.Target)
	r.wire = append(r.wire, "\r\n"...)
	for i := range head.Fields {
		if f := &head.Fields[i]; bytes.EqualFold(f.Name, []byte("Accept")) {
			r.wire = append(append(append(r.wire, "Accept: "...), f.Value...), "\r\n"...)
		}
	}
}

// refuse answers for the workers: 502, 503 or 504.
func (r *request) refuse(status int, cause string) {
	s := r.srv
	reply := http1.Reply{Status: status, Detail: refusals[cause]}
	if status == 503 {
		reply.RetryAfter = max(1, int((s.pool.RetryAfter()+time.Second-1)/time.Second))
	}
	if cause == causeMaintenance {
		reply.RetryAfter = int(maintenanceRetry / time.Second)
	}
	s.metrics.Rejected(cause)
	r.respond(&reply, cause)
}

// refusals are what the client is told; nothing about the machine.
var refusals = map[string]string{
	"queue-full":        "the server is busy and its queue is full",
	"no-worker":         "the application is not running",
	causeStopping:       "the server is stopping",
	causeQueueTimeout:   "the request waited too long for a worker",
	causeSpool:          "the server has no room for the request's body",
	causeDescriptors:    "the server has no descriptor left",
	causeMaintenance:    "the application is being worked on; please come back later",
	causeFileRefused:    "the application named a file that is not to be sent",
	causeStreams:        "the server has as many requests open as it takes",
	"connect-failed":    "the application could not be reached",
	"connection-closed": "the application could not be reached",
	"write-failed":      "the application broke off",
	"read-failed":       "the application broke off",
	"bad-answer":        "the application's answer was not HTTP",
	"read-timeout":      "the application did not answer in time",
	"upgrades-full":     "the application has as many connections of this kind as it takes",
}

// respond gives the client an answer of ripd's own. The caller holds the request:
// it is not submitted, or its ticket has been taken out of the pool.
func (r *request) respond(reply *http1.Reply, cause string) {
	s := r.srv
	now := s.clock.now()
	reply.Minor, reply.Head = r.minor, r.head
	if cause == causeRate {
		reply.RetryAfter = r.retryAfter
	}
	reply.Close = r.mustClose()
	if r.from.secure {
		reply.HSTS = s.config.Load().TLS.HSTS
	}
	reply.Date, reply.RequestID = s.clock.httpDate(now), r.id[:]
	r.answer.status, r.answer.cause = reply.Status, cause
	s.reachedByRequest(reply.Status, cause)
	if files := s.files.Load(); files != nil && files.pages != nil && reply.Body == nil {
		files.pages.fill(r, reply, cause)
	}
	b := newBlock()
	out := http1.AppendReply(b[:0], reply)
	if !r.head {
		r.answer.bytesOut = int64(reply.BodyLen())
	}
	r.client.write(out)
	b.free()
	r.client.finish(false)
}

// mustClose reports whether the connection ends with this answer, and remembers.
func (r *request) mustClose() bool {
	unread := r.live != nil && !r.live.complete.Load()
	if unread || r.client.ending() {
		r.close = true
	}
	return r.close
}

// done ends the request: its record is written, its memory given back, and the
// connection is free for the next one, or comes to its end. It is called once for
// each request, by whoever gave the last byte of the answer to the client.
func (c *conn) done() {
	s, r := c.srv, &c.req
	now := s.clock.now()
	lost := c.out.broken()
	r.record(now, lost)
	r.free()
	wake := lost || c.out.cut
	upgrade := r.upgrade != nil // the client's goroutine waits for no more than this
	switch {
	case wake:
		c.phase.Store(phaseClosing)
		c.deadline.Store(int64(now))
	case r.close:
		c.phase.Store(phaseClosing)
		c.deadline.Store(int64(now + lingerTime))
		// An error means that the client is gone, which reading tells.
		_ = c.nc.CloseWrite()
	default:
		c.phase.Store(phaseIdle)
		c.deadline.Store(int64(now + s.config.Load().Timeouts.ClientIdle))
	}
	if c.turn.Swap(turnFree) == turnAwaited {
		c.turnFree <- struct{}{}
	}
	if wake || upgrade || c.halfOpen.Load() {
		c.wake()
	}
}

// record writes the access record and counts.
func (r *request) record(now time.Duration, lost bool) {
	s, a := r.srv, &r.answer
	if r.live != nil {
		r.bytesIn = r.live.bytes.Load()
	}
	wait, busy := time.Duration(-1), time.Duration(0)
	switch {
	case a.leased != 0:
		wait, busy = max(0, a.leased-r.ticket.Arrived()), a.ended-a.leased
	case r.admitted:
		wait = now - r.ticket.Arrived()
	}
	if a.status != 0 {
		s.answered.Add(1)
	}
	if a.status == 101 {
		s.metrics.Done(a.status, wait, a.ended-r.began, 0, 0) // its tunnel has figures of its own
	} else {
		s.metrics.Done(a.status, wait, now-r.began, r.bytesIn, a.bytesOut)
	}
	if !s.access.Enabled() {
		return
	}
	if lost && (a.cause == "" || a.cause == causeStatic || a.cause == causeSendfile) {
		a.cause = causeClientLeft
	}
	rec := journal.Access{
		Time: s.clock.wall(now), Status: a.status, Method: r.method(), Path: r.target1(),
		RequestID: r.id[:], Client: r.from.client,
		Total: now - r.began, Queue: max(0, wait), Worker: busy,
		BytesIn: r.bytesIn, BytesOut: a.bytesOut, WorkerID: a.worker, Generation: a.generation,
		Cause: a.cause, Retried: r.retried, Proto: r.protocol, TLS: r.peer.tls,
	}
	s.access.Log(&rec)
}

// protocols are a request's, by its minor version.
var protocols = [2]string{"HTTP/1.0", "HTTP/1.1"}
