package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"ripd/internal/http1"
)

// tlsBuffered is how many bytes of a socket pull decrypts at most: two records
// (RFC 8446 section 5.2).
const tlsBuffered = 2 * (5 + 16<<10 + 256)

// secure is the TLS layer of a client connection. It lies between the connection,
// which reads and writes as if there were none, and the socket: crypto/tls reads
// from and writes to its wire, which never waits.
//
//	recv  → tls.Read  → wire.Read  → the socket, from inside of a RawConn callback
//	write → tls.Write → wire.Write → batch → the outlet: the socket, or the spool
//
// So what waits for a slow client in a spool is encrypted already.
type secure struct {
	conn *conn
	tls  *tls.Conn
	wire wire

	// order is held while something is encrypted that must not fall into the
	// middle of something else. The outlet's lock comes behind it.
	order sync.Mutex
}

// wire is the connection that crypto/tls sees. Deadlines are the janitor's: it
// gets none.
type wire struct {
	conn    *conn
	early   []byte   // came before the handshake began, behind a PROXY header
	waits   bool     // in the handshake: Read waits
	streams *streams // of HTTP/2: Read and Write wait
	fd      uintptr  // of the callback that runs, else
	batch   batch    // of records on their way out
	drained bool     // the socket was empty when it was last read
	unseen  bool     // the TLS layer has got bytes at which recv has not come to an end
	records records  // where in a record what was read ends
}

// errNothing is what the wire says when nothing has come. It is temporary, so that
// the TLS layer goes on where it was when it reads again.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing has come yet" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// beSecure gives a new connection its TLS layer.
func (c *conn) beSecure(settings *tls.Config) {
	s := &secure{conn: c, wire: wire{conn: c, waits: true}}
	s.wire.batch.init(&c.out)
	s.tls = tls.Server(&s.wire, settings)
	c.secure, c.proto = s, protoHTTPS
}

// recv reads what has come, decrypted. It is called from inside of a RawConn
// callback.
func (s *secure) recv(fd uintptr, b []byte) (n int, errno syscall.Errno) {
	s.wire.fd = fd
	n, err := s.tls.Read(b)
	switch {
	case n > 0:
		return n, 0 // an error shows again
	case err == errNothing:
		s.wire.unseen = false
		return 0, syscall.EAGAIN
	case errors.Is(err, io.EOF):
		return 0, 0
	}
	return 0, errnoOf(err)
}

// errnoOf is the system's error in one of the TLS layer; EPROTO is the client's
// fault, of which it has been told.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EPROTO
}

// pull decrypts what the client has sent before it ended its side: the little that
// is in the socket, and less in the TLS layer.
func (s *secure) pull(fd uintptr, src *bodySource) {
	s.wire.drained = false
	have := append([]byte(nil), src.have...)
	for {
		room := append(have, make([]byte, blockSize)...)
		n, errno := s.recv(fd, room[len(have):])
		if have = room[:len(have)+n]; n == 0 || errno != 0 {
			break
		}
	}
	src.have = have
}

// write encrypts a part of an answer, and gives it to the client as outlet.write
// does.
func (s *secure) write(b []byte) {
	s.order.Lock()
	defer s.order.Unlock()
	s.conn.out.begun = true
	if len(b) > batchLeast {
		s.wire.batch.begin(&s.conn.out)
		defer s.wire.batch.end(&s.conn.out)
	}
	// An error means that the client takes nothing any more, which the outlet knows.
	_, _ = s.tls.Write(b)
}

// interim is outlet.interim.
func (s *secure) interim() {
	s.order.Lock()
	defer s.order.Unlock()
	_, _ = s.tls.Write([]byte(http1.Continue)) // as in write
}

// probe is outlet.probe.
func (s *secure) probe() {
	s.order.Lock()
	defer s.order.Unlock()
	if !s.conn.out.begun && !s.conn.out.watching.Load() {
		_, _ = s.tls.Write([]byte(http1.Continue)) // as in write
	}
}

// bye tells the client that nothing follows (RFC 8446 section 6.1), once.
func (s *secure) bye() {
	s.order.Lock()
	defer s.order.Unlock()
	_ = s.tls.CloseWrite() // an error: there was no handshake, or nobody is there
}

// Read reads the socket. In the handshake it waits; else it says errNothing, without
// asking a socket that was found empty.
func (w *wire) Read(b []byte) (int, error) {
	if len(w.early) > 0 {
		n := copy(b, w.early)
		w.early = w.early[n:]
		w.took(b[:n])
		return n, nil
	}
	switch {
	case w.streams != nil:
		return w.streams.fill(b)
	case w.waits:
		return w.await(b)
	}
	if w.drained {
		return 0, errNothing
	}
	n, errno := recv(w.fd, b, 0)
	switch {
	case errno == syscall.EAGAIN:
		w.drained = true
		return 0, errNothing
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	w.drained = n < len(b)
	w.took(b[:n])
	return n, nil
}

// took follows what goes into the TLS layer.
func (w *wire) took(b []byte) {
	w.unseen = true
	w.records.pass(b)
}

// await waits for the socket. Its errors end the handshake.
func (w *wire) await(b []byte) (int, error) {
	n, err := w.conn.awaitOpening(b)
	w.took(b[:n])
	switch {
	case errors.Is(err, errBodyTimeout) && w.conn.deadline.Load() == 1:
		return 0, errHandshakeCut
	case errors.Is(err, errBodyTimeout):
		return 0, errHandshakeTimeout
	}
	return n, err
}

// Write sends b, which is a record, or spools it; or it waits for others in a batch.
func (w *wire) Write(b []byte) (int, error) {
	if w.streams != nil {
		return w.streams.push(b)
	}
	if w.waits {
		w.conn.stirred.Store(int64(w.conn.srv.clock.now()))
		w.conn.goesOn(stepAnswered)
	}
	o := &w.conn.out
	o.mu.Lock()
	defer o.mu.Unlock()
	w.batch.put(o, b)
	if o.lost {
		return 0, net.ErrClosed
	}
	return len(b), nil
}

// Close does nothing: the socket is the connection's.
func (w *wire) Close() error { return nil }

// LocalAddr is the socket's.
func (w *wire) LocalAddr() net.Addr { return w.conn.nc.LocalAddr() }

// RemoteAddr is the socket's.
func (w *wire) RemoteAddr() net.Addr { return w.conn.nc.RemoteAddr() }

// SetDeadline does nothing.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
