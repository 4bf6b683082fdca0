package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	"ripd/internal/http1"
)

// handshakeGrace is how long a handshake must have stood still to be ended by a stop, and
// how old it must be to make room for other connections: more than some round trips on
// slow lines.
const handshakeGrace = 2 * time.Second

var (
	errHandshakeTimeout = errors.New("the handshake did not end in time")
	errHandshakeCut     = errors.New("the handshake was cut short, to stop or to make room")
)

// The causes of handshakes that failed, as the metrics show them.
const (
	handshakeLeft     = "client-left"
	handshakeTimeout  = "timeout"
	handshakeCut      = "cut"
	handshakePlain    = "plain-http"
	handshakeProtocol = "protocol"
)

// handshake agrees on TLS with the client. It reports whether requests follow.
func (c *conn) handshake() bool {
	s := c.secure
	if err := s.tls.Handshake(); err != nil {
		c.refuseHandshake(err)
		return false
	}
	s.wire.waits = false
	state := s.tls.ConnectionState()
	c.tls = strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")
	c.srv.metrics.Handshake(c.tls, state.DidResume)
	if state.NegotiatedProtocol == acmeProtocol {
		return false // the proof is given
	}
	if state.NegotiatedProtocol == protocolHTTP2 {
		// The client has as long for its first words as for a handshake.
		c.deadline.Store(int64(c.srv.clock.now() + c.srv.config.Load().Timeouts.ClientHeader))
		m := newStreams(c)
		s.wire.streams = m
		c.streams.Store(m)
		return true
	}
	c.phase.Store(phaseIdle)
	c.deadline.Store(int64(c.srv.clock.now() + c.srv.config.Load().Timeouts.ClientIdle))
	return true
}

// refuseHandshake counts a handshake that failed, and leaves the client the time to
// read why.
func (c *conn) refuseHandshake(err error) {
	var header tls.RecordHeaderError
	cause := handshakeProtocol
	switch {
	case errors.Is(err, errHandshakeTimeout):
		cause = handshakeTimeout
	case errors.Is(err, errHandshakeCut):
		cause = handshakeCut
		c.yields = !c.srv.stopping.Load()
	case errors.Is(err, errClientGone), errors.Is(err, net.ErrClosed):
		cause = handshakeLeft
	case errors.As(err, &header) && header.Conn != nil && looksLikeHTTP(header.RecordHeader[:]):
		cause, err = handshakePlain, errors.New("the client speaks plain HTTP")
		c.out.mu.Lock()
		c.out.put(plainReply)
		c.out.mu.Unlock()
	}
	c.srv.metrics.HandshakeFailed(cause)
	switch cause {
	case handshakeTimeout:
		c.srv.reached(boundClientHeader, "a client was too slow in its TLS handshake and was refused")
	case handshakePlain, handshakeProtocol:
		c.srv.tellHandshake(string(c.address), err)
		c.linger()
	}
}

// linger waits, after the last word to the client, for its end (lingerTime).
func (c *conn) linger() {
	c.deadline.Store(int64(c.srv.clock.now() + lingerTime))
	c.phase.Store(phaseClosing)
	_ = c.nc.CloseWrite() // an error: the client is gone, which reading tells
	b := newBlock()
	defer b.free()
	for {
		if _, err := c.await(func(fd uintptr) (int, syscall.Errno) { return recv(fd, b[:], 0) }); err != nil {
			return
		}
	}
}

// plainReply answers plain HTTP where TLS is spoken.
var plainReply = http1.AppendReply(nil, &http1.Reply{
	Status: 400, Minor: 1, Close: true, Detail: "plain HTTP was sent to a port for HTTPS",
})

// looksLikeHTTP tells whether the first bytes are those of a request line.
func looksLikeHTTP(first []byte) bool {
	switch string(first) {
	case "GET /", "HEAD ", "POST ", "PUT /", "DELET", "PATCH", "OPTIO":
		return true
	}
	return false
}

// tellHandshake tells in the log of a handshake that failed. On the internet many
// do: that is no reason to worry.
func (s *Server) tellHandshake(client string, err error) {
	hidden, ok := s.notices.may(noticeHandshake, s.clock.now())
	if !ok {
		return
	}
	s.log.Info("a TLS handshake failed", "client", client, "error", err.Error(), "left_out", hidden)
}
