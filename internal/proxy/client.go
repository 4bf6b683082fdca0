package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"ripd/internal/http1"
)

// Where a connection stands, for the janitor and for those who count.
const (
	phaseIdle      uint32 = iota // waits for a request's first byte
	phaseHead                    // a head is arriving
	phaseBody                    // a body is arriving
	phaseRunning                 // a request is submitted and not yet answered
	phaseClosing                 // the last answer is given; the client's end is awaited
	phaseHandshake               // a PROXY header is arriving, or the client and ripd agree on TLS
	phaseTunnel                  // another protocol goes through
)

// Whose turn it is to use the connection's request.
const (
	turnFree    uint32 = iota // the client's goroutine may begin the next request
	turnTaken                 // the request is submitted, or being answered
	turnAwaited               // likewise, and the client's goroutine sleeps until it is free
)

// minBodyRate is the pace, in bytes a second, that buys a request's body more
// time than timeouts.client_body: a large upload on a slow line may take long, a
// body that trickles may not.
const minBodyRate = 1 << 10

// conn is one client connection. Its goroutine owns everything but the fields
// that are atomic, the outlet (which has a lock) and the request while it is
// submitted. Only that goroutine closes the socket.
type conn struct {
	srv *Server
	nc  rawConn
	raw syscall.RawConn
	peer
	announced bool    // it begins with a PROXY header
	secure    *secure // the TLS layer; nil on a plain connection

	in      *block // what has been read; nil while nothing has
	big     []byte // instead of in, for a head larger than a block
	filled  int
	began   time.Duration // when the first byte of what is in the buffer came
	partial *headScratch  // of a head that is not complete; nil otherwise
	head    *headScratch  // of the request whose body is being read
	want    wish
	kept    bool // the buffer has bytes that advance has not seen
	waits   bool // a head is not complete: the end may have come with it
	gone    bool // reading has ended: the peer's end, an error, or a deadline

	newcomer  newcomer     // the server's lock guards it
	step      atomic.Int32 // the newcomer's, to be looked at without the lock
	yields    bool         // it ends to make room for others, without having had a request
	phase     atomic.Uint32
	turn      atomic.Uint32
	turnFree  chan struct{} // made when first needed
	deadline  atomic.Int64  // of the phase, on the server's clock; 0: none, 1: it was brought forward to now
	stirred   atomic.Int64  // when the handshake last went on; 0: it has not
	opening   int64         // the deadline of phaseHandshake or phaseHead before anybody brought it forward
	halfOpen  atomic.Bool   // the client has ended its side, and may wait for the answer
	left      atomic.Bool   // the client has gone while its request runs
	kicked    atomic.Bool   // woken from reading to look around
	submitted atomic.Int64  // when the running request was complete
	lingered  time.Duration // when the time to take the last answer was first over
	atEnd     taking        // of it
	atStop    taking        // likewise, of an idle connection at a stop; the janitor's
	lookedAt  int64         // the deadline, or the submission, for which noticeEnd has looked; the janitor's

	req request
	out outlet

	tunnel   atomic.Pointer[tunnel]  // of another protocol; nil without one
	streams  atomic.Pointer[streams] // of HTTP/2; nil in HTTP/1
	readable func(fd uintptr) bool   // onReadable, made once
}

// wish is why onReadable left its callback.
type wish uint8

const (
	wantNothing wish = iota
	wantBody         // the request's body has to be read
	wantClose        // the connection has come to its end
	wantUpgrade      // the answer to a request for another protocol has to be awaited
)

// newConn returns nil for a socket that cannot serve. With settings for TLS the
// connection begins with a handshake.
func newConn(s *Server, nc net.Conn, settings *tls.Config) *conn {
	rc, ok := nc.(rawConn)
	if !ok {
		return nil
	}
	raw, err := rc.SyscallConn()
	if err != nil {
		return nil
	}
	c := &conn{srv: s, nc: rc, raw: raw, peer: newPeer(nc.RemoteAddr())}
	c.req.srv, c.req.client, c.req.peer = s, c, &c.peer
	c.req.ticket.Request = &c.req
	c.readable = c.onReadable
	c.out.init(c)
	if settings != nil {
		c.beSecure(settings)
	}
	if c.announced = s.announced(&c.peer); c.announced || settings != nil {
		c.phase.Store(phaseHandshake)
		c.opening = int64(s.clock.now() + s.config.Load().Timeouts.ClientHeader)
		c.deadline.Store(c.opening)
		return c
	}
	c.deadline.Store(int64(s.clock.now() + s.config.Load().Timeouts.ClientIdle))
	return c
}

// serve is the life of the connection.
func (c *conn) serve() {
	defer c.end()
	if c.announced && !c.readHeader() || c.secure != nil && !c.handshake() {
		return
	}
	if m := c.streams.Load(); m != nil {
		m.serve()
		return
	}
	for !c.gone {
		c.want = wantNothing
		var err error
		if c.kept {
			c.kept = false
			c.advance()
		} else {
			err = c.raw.Read(c.readable)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.lookAround()
		case err != nil:
			c.gone = true
		case c.want == wantBody:
			c.readBody()
		case c.want == wantClose:
			c.gone = true
		case c.want == wantUpgrade:
			c.awaitUpgrade()
		}
	}
}

// end closes the socket once nobody else uses the connection.
func (c *conn) end() {
	if c.srv.pool.Leave(&c.req.ticket) {
		c.req.answer.cause = causeClientLeft
		c.done()
	}
	c.left.Store(true)
	c.awaitTurn()
	if t := c.tunnel.Load(); t != nil { // its worker has agreed meanwhile
		t.carry()
		c.awaitTurn()
	}
	if c.secure != nil && !c.out.cut {
		c.secure.bye()
	}
	if tcp, ok := c.nc.(*net.TCPConn); ok && (c.yields || c.out.cut && c.req.unending) {
		// A proper end would make the part look like the whole (RFC 9112 section 8); that of
		// a flood's connections would keep the kernel busy with them for a minute.
		_ = tcp.SetLinger(0)
	}
	c.nc.Close()
	c.dropBuffer()
	if c.partial != nil {
		c.partial.free()
	}
	c.srv.forget(c)
}

// onReadable reads and begins requests for as long as the socket has bytes. It
// runs inside RawConn.Read: false means to wait until there are more. After a
// short read the socket was empty, and whatever comes later wakes the poller.
func (c *conn) onReadable(fd uintptr) bool {
	c.look()
	for {
		b := c.room()
		n, errno := c.recv(fd, b)
		switch {
		case errno == syscall.EAGAIN:
			if c.filled == 0 {
				c.dropBuffer()
				if c.secure != nil && c.recordBegins() {
					c.look() // the end may have come with it
					continue
				}
			}
			return false
		case n == 0:
			return c.ended(fd, errno)
		}
		if c.filled == 0 {
			c.began = c.srv.clock.now()
		}
		c.filled += n
		if leave := c.advance(); leave {
			return true
		}
		// The bytes and the end of a client that sent a part of a request and left may
		// have come as one event: look again. Of a whole request, see noticeEnd.
		if c.waits {
			c.waits = false
			c.look()
		} else if n < len(b) && c.secure == nil {
			return false
		}
	}
}

// recv reads what the client has sent, inside of a RawConn callback: EAGAIN when
// there is no more. n is 0 with errno 0 when the client has ended its side.
func (c *conn) recv(fd uintptr, b []byte) (n int, errno syscall.Errno) {
	if c.secure != nil && c.phase.Load() != phaseClosing {
		n, errno = c.secure.recv(fd, b)
		if errno == 0 || errno == syscall.EAGAIN || c.phase.Load() != phaseClosing {
			return n, errno
		}
	}
	// In phaseClosing what comes is dropped, and the TLS layer, which would answer a client
	// that asks for new keys, may not write any more.
	return recv(fd, b, 0)
}

// look has the next recv look at the socket, whatever was known of it.
func (c *conn) look() {
	if c.secure != nil {
		c.secure.wire.drained = false
	}
}

// advance begins the requests whose heads are complete in the buffer. It reports
// whether to leave the callback, for the reason in c.want.
func (c *conn) advance() (leave bool) {
	for c.filled > 0 {
		if c.phase.Load() == phaseClosing {
			c.dropBuffer() // nothing that follows the last answer is looked at
			return false
		}
		h := c.partial
		c.partial = nil
		if h == nil {
			h = newHeadScratch()
		}
		n, err := h.req.Parse(c.buffer(), c.srv.headLimits())
		switch {
		case err == http1.ErrIncomplete:
			c.partial = h // it remembers how far it has looked
			return c.awaitHead()
		case err != nil:
			c.refuseHead(h, err)
			return true
		}
		c.awaitTurn()
		if c.phase.Load() == phaseClosing {
			h.free()
			c.dropBuffer()
			return false
		}
		if c.begin(h, n) {
			return true
		}
	}
	return false
}

// awaitHead makes room and time for the rest of a head.
func (c *conn) awaitHead() (leave bool) {
	c.waits = true
	c.goesOn(stepBegun)
	if c.turn.Load() == turnFree && c.phase.Load() == phaseIdle {
		c.beginHead(c.began)
	}
	if len(c.room()) > 0 {
		return false
	}
	// The codec ends heads that pass limits.header, so this ends, too.
	bigger := make([]byte, 2*c.filled)
	copy(bigger, c.buffer())
	filled := c.filled
	c.dropBuffer()
	c.big, c.filled = bigger, filled
	return false
}

// begin starts on the request whose head h fills the first n bytes of the buffer.
// The connection's turn is free. It reports whether to leave the callback.
func (c *conn) begin(h *headScratch, n int) (leave bool) {
	c.goesOn(stepDone)
	c.turn.Store(turnTaken)
	c.out.reset()
	r := &c.req
	r.begin(&h.req, c.began)
	if !r.from.secure && c.srv.redirects(&h.req) {
		return c.redirect(h, n)
	}
	if reply := c.srv.proof(&h.req); reply != nil {
		return c.answerHead(h, n, reply, causeACME)
	}
	if fault := r.faultOfHead(&h.req); fault.status != 0 {
		return c.turnAway(h, n, fault)
	}
	upgrade := c.upgrades(&h.req)
	if r.ticket.Upgrade = upgrade; upgrade {
		r.upgrade = h.req.AppendProtocols(nil)
	}
	body := 0
	if h.req.HasBody() {
		if h.req.Chunked || int64(c.filled-n) < h.req.ContentLength || h.req.ContentLength > c.srv.config.Load().Limits.Buffer {
			c.head, c.want = h, wantBody
			return true
		}
		body = int(h.req.ContentLength)
	}
	r.compose(&h.req, h.req.ContentLength, false)
	h.free()
	now := c.srv.clock.now()
	r.stamp(now)
	r.wire = append(r.wire, c.buffer()[n:n+body]...)
	r.bytesIn = int64(body)
	c.consume(n + body)
	c.began = now
	c.submit(now)
	if upgrade {
		c.want = wantUpgrade
	}
	return upgrade
}

// submit gives the request to the pool, or answers it. It reports whether a
// worker's goroutine, or the janitor, will do so.
func (c *conn) submit(now time.Duration) (admitted bool) {
	c.deadline.Store(0)
	c.submitted.Store(int64(now))
	c.phase.Store(phaseRunning)
	return c.srv.admit(&c.req, now)
}

// awaitTurn sleeps until the submitted request, if there is one, is answered, or has
// become a tunnel.
func (c *conn) awaitTurn() {
	if c.turn.Load() == turnFree {
		return
	}
	if c.turnFree == nil {
		c.turnFree = make(chan struct{}, 1)
	}
	if c.turn.CompareAndSwap(turnTaken, turnAwaited) {
		if c.tunnel.Load() != nil && c.turn.CompareAndSwap(turnAwaited, turnTaken) {
			return // enter came before
		}
		<-c.turnFree
	}
}
