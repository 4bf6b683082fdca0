package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// protocolHTTP2 is the name of HTTP/2 in ALPN (RFC 9113 section 3.2).
const protocolHTTP2 = "h2"

const (
	// frameSize is the largest frame that is read: the protocol's default, so that one
	// stream's body is never long in another's way (RFC 9113 section 4.2).
	frameSize = 16 << 10
	// streamWindow and streamsWindow are how much of one body, and of all bodies of a
	// connection, may be on its way. Bodies are read as they come, but for those that
	// are passed on live: that much of them is what memory may hold.
	streamWindow  = 256 << 10
	streamsWindow = 1 << 20
	// departGrace is the time between the word that a connection is about to end, and
	// the one that names the last stream that is served: more than a round trip on slow
	// lines, so that no request falls between them (RFC 9113 section 6.8).
	departGrace = 500 * time.Millisecond
	// departTime is for a client to end its connection after that.
	departTime = 4 * time.Second
)

// streams is the HTTP/2 side of a client connection. The server in net/http speaks the
// protocol, over a connection in memory that is this: it reads what the client has sent
// and arrival has looked at, and writes what departure has. It starts a goroutine for
// each stream, in ServeHTTP, which is a client of the pool as a connection of HTTP/1 is.
type streams struct {
	conn *conn
	hs   *http.Server
	in   arrival
	out  departure
	sealed
	onTLS func(fd uintptr) bool // readOnce, made once
	into  []byte                // what readOnce fills
	n     int
	errno syscall.Errno

	closed    chan struct{} // closed when net/http has ended the connection
	closeOnce sync.Once
	leaving   atomic.Bool // the client is told that it ends

	mu    sync.Mutex
	none  sync.Cond // signalled when open has become empty
	open  map[*stream]struct{}
	ended bool // no stream begins any more
}

func newStreams(c *conn) *streams {
	cfg := c.srv.config.Load()
	m := &streams{conn: c, closed: make(chan struct{}), open: map[*stream]struct{}{}}
	m.none.L = &m.mu
	m.onTLS = m.readOnce
	m.in.init(m, cfg)
	m.out.init(m)
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true) // what it sees has been decrypted
	m.hs = &http.Server{
		Handler: m, Protocols: only, DisableGeneralOptionsHandler: true,
		MaxHeaderBytes: headerList(cfg),
		ErrorLog:       slog.NewLogLogger(streamLog{c.srv}, slog.LevelInfo),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: cfg.Limits.Streams, MaxReadFrameSize: frameSize,
			MaxReceiveBufferPerConnection: streamsWindow, MaxReceiveBufferPerStream: streamWindow,
			CountError: c.srv.streamError,
		},
	}
	return m
}

// serve is the life of the connection from the handshake on.
func (m *streams) serve() {
	c := m.conn
	c.srv.metrics.StreamsOpened()
	_ = m.hs.Serve(&single{streams: m, shut: make(chan struct{})}) // an error: that of Accept, or of Shutdown
	<-m.closed
	m.out.end(m.leaving.Load())
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	if !c.out.broken() && !c.yields {
		c.secure.bye()
		c.linger()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.open) > 0 {
		m.none.Wait() // a worker is at it; its lease lasts until it is done
	}
}

// join adds a stream. It reports false when there must be none.
func (m *streams) join(st *stream) bool {
	m.conn.goesOn(stepDone)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return false
	}
	if len(m.open) == 0 {
		m.conn.phase.Store(phaseRunning)
		m.conn.deadline.Store(0)
	}
	m.open[st] = struct{}{}
	m.conn.srv.streamsOpen.Add(1)
	return true
}

// leave takes a stream off. Nobody touches its ResponseWriter after that.
func (m *streams) leave(st *stream) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, st)
	m.conn.srv.streamsOpen.Add(-1)
	if len(m.open) > 0 {
		return
	}
	if !m.ended {
		m.rest()
	}
	m.none.Broadcast()
}

// rest makes the connection an idle one. The caller has the lock.
func (m *streams) rest() {
	c := m.conn
	if m.leaving.Load() {
		c.deadline.Store(0)
		c.phase.Store(phaseClosing)
		return
	}
	c.phase.Store(phaseIdle)
	c.deadline.Store(int64(c.srv.clock.now() + c.srv.config.Load().Timeouts.ClientIdle))
}

// ready is called when the client has said that it speaks the protocol.
func (m *streams) ready() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.open) == 0 {
		m.rest()
	}
}

// depart ends the connection without dropping anything: the client is told, and some
// time after it, which stream is the last; those that are open go on.
func (m *streams) depart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.leaving.CompareAndSwap(false, true) {
		return
	}
	if len(m.open) == 0 {
		m.rest()
	}
	go m.goAway()
}

func (m *streams) goAway() {
	m.out.goAway(lastPossible, codeNone)
	if m.wait(departGrace) {
		return
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = m.hs.Shutdown(over) // an error: it does not wait
	for !m.wait(departTime) {
		m.mu.Lock()
		idle := len(m.open) == 0
		m.mu.Unlock()
		if idle {
			m.conn.sever()
			return
		}
	}
}

// wait reports whether the connection has come to its end within d.
func (m *streams) wait(d time.Duration) bool {
	select {
	case <-m.closed:
		return true
	case <-time.After(d):
		return false
	}
}

// look is the janitor's round.
func (m *streams) look(now time.Duration) {
	if m.conn.srv.stopping.Load() && m.conn.phase.Load() == phaseRunning {
		m.depart()
	}
	m.in.look(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	for st := range m.open {
		st.look(now)
	}
}

// fill reads from the socket, for the TLS layer. It returns when something has come.
func (m *streams) fill(b []byte) (int, error) {
	c := m.conn
	m.into = b
	for {
		m.n, m.errno = 0, 0
		err := c.raw.Read(m.onTLS)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			_ = c.nc.SetReadDeadline(time.Time{})
			c.kicked.Store(false)
			if err := m.lookAround(); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case m.errno != 0:
			return 0, m.errno
		case m.n == 0:
			return 0, errClientGone
		default:
			return m.n, nil
		}
	}
}

func (m *streams) readOnce(fd uintptr) bool {
	m.n, m.errno = recv(fd, m.into, 0)
	return m.errno != syscall.EAGAIN
}

// lookAround follows a kick. An error ends the connection.
func (m *streams) lookAround() error {
	c := m.conn
	select {
	case <-m.closed:
		return net.ErrClosed
	default:
	}
	if failed := m.in.failed.Load(); failed != nil {
		return *failed
	}
	at := c.deadline.Load()
	if at == 0 || int64(c.srv.clock.now()) < at {
		return nil
	}
	switch c.phase.Load() {
	case phaseHandshake:
		if at == 1 {
			c.yields = !c.srv.stopping.Load()
			return errHandshakeCut
		}
		c.srv.reached(boundClientHeader, "a client was too slow to begin with HTTP/2 and was cut off")
		return errHandshakeTimeout
	case phaseIdle:
		if at == 1 && m.in.last == 0 && !c.srv.stopping.Load() {
			return m.yield()
		}
		m.depart()
	}
	return nil
}

// yield ends a connection that makes room and has not had the head of a request (whose stream
// may not have begun yet), at once: there is nothing to lose, unless one has just come.
func (m *streams) yield() error {
	c := m.conn
	if c.unread() {
		c.deadline.CompareAndSwap(1, int64(c.srv.clock.now()+c.srv.config.Load().Timeouts.ClientIdle))
		return nil
	}
	c.yields = true
	return errHandshakeCut
}

// give writes to the socket, at the pace that the client takes.
func (m *streams) give(b []byte) error {
	o := &m.conn.out
	o.mu.Lock()
	rest := o.trySend(b)
	lost := o.lost
	o.mu.Unlock()
	if !lost && len(rest) > 0 {
		o.progress.Store(int64(m.conn.srv.clock.now()))
		o.watching.Store(true)
		if m.out.hurried.Load() || o.push(rest) != nil { // hurried: end may have come before watching
			o.mu.Lock()
			o.lose()
			lost = true
			o.mu.Unlock()
		}
		o.watching.Store(false)
	}
	if lost {
		return net.ErrClosed
	}
	return nil
}

// Read gives what the client has sent.
func (m *streams) Read(b []byte) (int, error) { return m.in.read(b) }

// Write gives the client what net/http has to say.
func (m *streams) Write(b []byte) (int, error) { return m.out.write(b) }

// Close is the word of net/http that it has ended the connection.
func (m *streams) Close() error {
	m.closeOnce.Do(func() {
		close(m.closed)
		m.conn.wake()
	})
	return nil
}

// LocalAddr is the socket's.
func (m *streams) LocalAddr() net.Addr { return m.conn.nc.LocalAddr() }

// RemoteAddr is the socket's.
func (m *streams) RemoteAddr() net.Addr { return m.conn.nc.RemoteAddr() }

// SetDeadline does nothing: deadlines are the janitor's.
func (m *streams) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (m *streams) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (m *streams) SetWriteDeadline(time.Time) error { return nil }

// single is the listener from which net/http accepts the one connection.
type single struct {
	streams  *streams
	accepted bool
	shut     chan struct{}
	once     sync.Once
}

// Accept gives the connection, once, and then waits for its end, or the listener's.
func (l *single) Accept() (net.Conn, error) {
	if !l.accepted {
		l.accepted = true
		return l.streams, nil
	}
	select {
	case <-l.streams.closed:
	case <-l.shut:
		// Shutdown waits for this, and then closes a connection without requests, which
		// must have got the last word.
		select {
		case <-l.streams.closed:
		case <-l.streams.out.said:
		}
	}
	return nil, net.ErrClosed
}

// Close ends Accept. The connection outlives its listener.
func (l *single) Close() error {
	l.once.Do(func() { close(l.shut) })
	return nil
}

// Addr is the socket's.
func (l *single) Addr() net.Addr { return l.streams.LocalAddr() }
