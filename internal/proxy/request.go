package proxy

import (
	"bytes"
	"iter"
	"time"

	"ripd/internal/compress"
	"ripd/internal/http1"
	"ripd/internal/pool"
)

// request is one request, from its head to its access record. It belongs to its
// client, which has one at a time: to the client's goroutine until it is submitted,
// then to whoever has its ticket, until the client has been given the answer.
type request struct {
	ticket pool.Ticket
	srv    *Server
	client client
	peer   *peer // the client's

	// wire is what the worker gets: the head, and as much of the body as was
	// kept in memory. It begins with the method and the target.
	wire              []byte
	wireBlock         *block
	methodLen, target int
	// rest is the remainder of the body, in a temporary file; nil without one.
	rest *spool
	// live is the body of a request that is passed on while it arrives.
	live *liveBody

	from     source // who asks
	upgrade  []byte // the protocols that are asked for; nil: none
	id       [requestIDLength]byte
	minor    int
	protocol string // as the access record shows it
	head     bool   // the method is HEAD
	close    bool   // the connection ends with this answer
	trailers bool   // the client takes trailers
	retried  bool   // it was given to a second worker, or a second connection
	admitted bool   // the pool took it
	// retryAfter is what a client is told that asks too often, in seconds.
	retryAfter int
	unending   bool // only the end of the connection ends the answer (HTTP/1.0)

	compressor *compress.Compressor // nil when nothing is compressed
	coding     compress.Coding      // that the client takes

	began   time.Duration // its first byte
	bytesIn int64         // of the body
	answer  answerRecord
}

// answerRecord is what the access record tells of the answer.
type answerRecord struct {
	status     int
	bytesOut   int64 // of the body, as it was given to the client's socket
	worker     int
	generation int
	leased     time.Duration // 0: never
	ended      time.Duration // the end of the lease
	cause      string
}

// Describe returns the method and the target, for operators.
func (r *request) Describe() string {
	return string(r.wire[:r.methodLen]) + " " + string(r.target1())
}

func (r *request) method() []byte { return r.wire[:r.methodLen] }

// target1 is the target as the worker sees it.
func (r *request) target1() []byte { return r.wire[r.methodLen+1 : r.methodLen+1+r.target] }

// begin readies the request for a new head. Its client's goroutine owns it.
func (r *request) begin(head *http1.Request, at time.Duration) {
	r.srv.ids.next(&r.id)
	r.from.locate(r.srv, r.peer, head)
	r.minor, r.head, r.close = head.Minor, head.IsHead(), !head.KeepAlive
	r.protocol, r.trailers = protocols[head.Minor&1], head.Trailers
	r.upgrade, r.ticket.Upgrade = nil, false
	r.retried, r.admitted, r.unending, r.began, r.bytesIn = false, false, false, at, 0
	r.answer = answerRecord{}
	r.negotiate(head)
}

// compose writes the head that the worker gets. length is the body's, -1 without
// one; chunked says that it is passed on as it comes. The views of head must
// still be valid.
func (r *request) compose(head *http1.Request, length int64, chunked bool) {
	r.wireBlock = newBlock()
	f := http1.Forward{RequestID: r.id[:], ContentLength: length, Chunked: chunked, Upgrade: r.upgrade}
	r.from.forward(&f, head)
	if files := r.srv.files.Load(); files != nil && files.private != nil {
		files.tell(&f)
	}
	r.wire = head.AppendRequest(r.wireBlock[:0], &f)
	r.methodLen = len(head.Method)
	r.target = targetLength(r.wire, r.methodLen)
}

// targetLength finds the end of the target, which holds no space.
func targetLength(wire []byte, methodLen int) int {
	for i := methodLen + 1; i < len(wire); i++ {
		if wire[i] == ' ' {
			return i - methodLen - 1
		}
	}
	return 0
}

// stamp ends the head with the moment at which the request is complete.
func (r *request) stamp(at time.Duration) {
	r.wire = http1.AppendStart(r.wire, r.srv.clock.wall(at).UnixMicro())
}

// fields gives the fields of the head that the worker gets, which is well formed.
func (r *request) fields() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		_, rest, _ := bytes.Cut(r.wire, []byte("\r\n"))
		for {
			line, after, ok := bytes.Cut(rest, []byte("\r\n"))
			name, value, _ := bytes.Cut(line, []byte(": "))
			if !ok || len(line) == 0 || !yield(name, value) {
				return
			}
			rest = after
		}
	}
}

// field is the value of a field of that head, with all of its lines.
func (r *request) field(name string) string {
	var all []byte
	for n, value := range r.fields() {
		if len(n) == len(name) && bytes.EqualFold(n, []byte(name)) {
			if all != nil {
				all = append(all, ", "...)
			}
			all = append(all, value...)
		}
	}
	return string(all)
}

// free gives the request's memory and file back.
func (r *request) free() {
	if r.wireBlock != nil {
		r.wireBlock.free()
		r.wireBlock = nil
	}
	r.wire = nil
	if r.rest != nil {
		r.rest.close()
		r.rest = nil
	}
	if r.live != nil {
		close(r.live.over)
		r.live = nil
	}
}
