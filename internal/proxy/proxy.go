// Package proxy takes one request from its first byte to its access record.
//
// A goroutine for each client connection reads a request, checks it, and submits
// it to the pool. A goroutine for each lease slot of a worker takes the oldest
// request, runs the exchange on its own kept-alive connection to the worker, and
// writes the answer to the client itself; the client's goroutine is by then
// waiting for the next request, or for its client to leave, and is not woken.
//
//	client.go   accept, read the head, check, submit
//	peer.go     who sends requests, and gets the answers
//	admit.go    from a request's client to the queue
//	header.go   the PROXY header with which a connection may begin
//	origin.go   what a trusted proxy tells of the client
//	secure.go   the TLS layer of a client connection; batch.go: its records together
//	watch.go    notice meanwhile that the client leaves
//	body.go     read a request's body before it is submitted
//	lease.go    a slot's life: take the oldest request, connect, write it
//	exchange.go read the answer and give it on; what happens when it fails
//	answer.go   from the bytes of a worker's answer to the bytes of the client's
//	coding.go   which answers are compressed; press.go: how
//	files.go    which requests a file answers; filesend.go, sendfile.go: how
//	outlet.go   write to a client at the pace that it takes
//	released.go answers that go on without a slot; is there still somebody who listens?
//	upgrade.go  a request for another protocol, until the worker agrees
//	tunnel.go   what goes through after that; flow.go: each direction of it
//	frames.go   where a WebSocket frame ends
//	places.go   who makes room at limits.connections; newcomers.go: before a first request
//	janitor.go  every deadline, looked at from one place
//	stop.go     the end, in which nothing is dropped
package proxy

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"ripd/internal/compress"
	"ripd/internal/config"
	"ripd/internal/http1"
	"ripd/internal/journal"
	"ripd/internal/metrics"
	"ripd/internal/pool"
)

// Options says what New needs.
type Options struct {
	// Config is in force until Configure brings another.
	Config *config.Config
	// Access gets one record for each request; nil writes none.
	Access *journal.AccessLog
	// Metrics counts; it must not be nil.
	Metrics *metrics.Metrics
	// Log gets what is not about one request.
	Log *slog.Logger
	// Fresh is called before each request is submitted. A page that it returns
	// is the answer; nil lets the request go on. It is nil unless changed code is
	// looked for before every request.
	Fresh func() *Page
	// Broken makes the page for an answer with which an adapter reports, in JSON,
	// that the app's new code does not load. Nil passes such answers on as they
	// are, without the report.
	Broken func(report []byte) *Page
	// Files are served without a worker until UseFiles brings others; nil: none are.
	Files *Files
	// Proofs gives the answer to an authority that looks for a proof that ripd asked
	// for, or nil for what nobody asked for. It may read a file, but must not wait for
	// anything else. Nil itself gives none.
	Proofs func(host, path string) []byte
	// SpoolDir takes the temporary files of bodies that are too large for
	// memory. Empty means $TMPDIR, else /var/tmp.
	SpoolDir string
}

// Server is the data path of one app.
type Server struct {
	pool     *pool.Pool
	access   *journal.AccessLog
	metrics  *metrics.Metrics
	log      *slog.Logger
	fresh    func() *Page
	broken   func(report []byte) *Page
	proofs   func(host, path string) []byte
	spoolDir string
	config   atomic.Pointer[config.Config]

	compressor atomic.Pointer[compress.Compressor] // nil when nothing is compressed

	files   atomic.Pointer[Files]
	clock   clock
	ids     requestIDs
	notices notices
	buckets *buckets     // for limits.rate
	most    atomic.Int64 // connections that may be open: limits.connections, or what descriptors allow

	crowded    atomic.Int32 // loops that accept and wait for a place
	maintained atomic.Bool  // requests get the maintenance page

	stopping atomic.Bool
	leaving  atomic.Bool   // stopping, and the listening sockets live on elsewhere
	kick     chan struct{} // wakes the janitor when there is something to watch
	done     chan struct{} // closed when the janitor has ended
	quit     chan struct{} // tells it to
	end      sync.Once     // guards report
	report   StopReport    // of the end

	mu        sync.Mutex
	places    *sync.Cond // signalled when a connection ends
	conns     map[*conn]struct{}
	newcomers newcomers
	idlest    []candidate   // see evictIdle
	idlestAt  time.Duration // when they were looked for
	pressed   time.Duration // until then some places are kept free
	starvedAt time.Duration // when makeDescriptors last closed some
	leases    map[*lease]struct{}
	tunnels   map[*tunnel]struct{}
	released  map[*lease]struct{} // answers that go on without a slot
	listeners map[net.Listener]*acceptor
	tasks     sync.WaitGroup // goroutines of connections

	answered    atomic.Uint64 // requests that got an answer
	streamsOpen atomic.Int64  // of HTTP/2
}

// ErrClosed is returned by Serve after Stop.
var ErrClosed = errors.New("proxy: stopped")

// New returns a server with its pool, whose events go to events. Stop ends it.
func New(o Options, events func(pool.Event)) *Server {
	s := &Server{
		access: o.Access, metrics: o.Metrics, log: o.Log, fresh: o.Fresh, broken: o.Broken, proofs: o.Proofs,
		spoolDir: spoolDir(o.SpoolDir), clock: newClock(time.Now), ids: newRequestIDs(), buckets: newBuckets(),
		kick: make(chan struct{}, 1), done: make(chan struct{}), quit: make(chan struct{}),
		conns: map[*conn]struct{}{}, leases: map[*lease]struct{}{}, tunnels: map[*tunnel]struct{}{}, released: map[*lease]struct{}{}, listeners: map[net.Listener]*acceptor{},
	}
	s.places = sync.NewCond(&s.mu)
	s.config.Store(o.Config)
	s.compressor.Store(newCompressor(o.Config))
	s.files.Store(o.Files)
	s.boundConnections(o.Config)
	s.pool = pool.New(pool.Options{Size: o.Config.Queue.Size, Serve: s.serveSlot, Events: events})
	go s.janitor()
	return s
}

// Pool returns the pool that the server feeds.
func (s *Server) Pool() *pool.Pool { return s.pool }

// Now is the server's monotonic clock, which the pool's moments count on.
func (s *Server) Now() time.Duration { return s.clock.now() }

// Time turns a moment of Now into wall-clock time.
func (s *Server) Time(at time.Duration) time.Time { return s.clock.wall(at) }

// Configure puts new settings in force: the queue's bounds, time-outs and
// limits, for what begins from now on. Listeners stay as they are.
func (s *Server) Configure(c *config.Config) {
	if old := s.config.Swap(c); !reflect.DeepEqual(old.Compression, c.Compression) {
		s.compressor.Store(newCompressor(c))
	}
	s.boundConnections(c)
	s.pool.Resize(c.Queue.Size)
	if c.Limits.Rate.Requests == 0 {
		s.buckets.clear()
	}
}

// Serve accepts connections until Stop or until the listener fails. It returns
// ErrClosed after Stop.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, nil) }

// ServeTLS is Serve for connections that begin with a TLS handshake. The
// settings, which must have a certificate, are not copied: session tickets hold
// for as long as the same settings are used. Where they offer HTTP/2, clients may
// have it while tls.http2 is on.
func (s *Server) ServeTLS(l net.Listener, settings *tls.Config) error { return s.serve(l, settings) }

func (s *Server) serve(l net.Listener, settings *tls.Config) error {
	s.mu.Lock()
	if s.stopping.Load() {
		s.mu.Unlock()
		return ErrClosed
	}
	a := newAcceptor(settings)
	s.listeners[l] = a
	s.mu.Unlock()
	backoff := acceptBackoff{srv: s}
	for {
		s.awaitPlace(a)
		nc, err := l.Accept()
		switch {
		case err == nil:
			backoff.reset()
			s.welcome(nc, a)
		case errors.Is(err, os.ErrDeadlineExceeded) && s.proved(l, a):
		case s.stopping.Load():
			s.acceptRest(l, a)
			return ErrClosed
		case !backoff.wait(err, s.quit):
			return err
		}
	}
}

// welcome starts the goroutine of a new connection.
func (s *Server) welcome(nc net.Conn, a *acceptor) {
	c := newConn(s, nc, a.settings(s.config.Load()))
	if c == nil {
		nc.Close()
		return
	}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	c.step.Store(int32(stepSilent))
	s.newcomers.add(c, stepSilent, s.clock.now())
	s.tasks.Add(1)
	s.mu.Unlock()
	s.wakeJanitor()
	go c.serve()
}

// forget ends what welcome began.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.newcomers.remove(c)
	s.places.Broadcast()
	s.mu.Unlock()
	s.tasks.Done()
}

// Stats are what the server counts at one moment.
type Stats struct {
	// Connections are those open, Idle those of them that wait for a request.
	Connections, Idle int
	// Upgraded are the connections that were switched to another protocol.
	Upgraded int
	// HTTP2 are the connections that speak HTTP/2, and Streams their open streams:
	// requests that are not yet answered.
	HTTP2, Streams int
	// Released are answers that go on without a slot.
	Released int
	// Answered counts the requests that got an answer, whatever its status.
	Answered uint64
}

// Stats returns the counts of this moment.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Connections: len(s.conns), Answered: s.answered.Load(), Upgraded: len(s.tunnels), Streams: int(s.streamsOpen.Load()), Released: len(s.released)}
	for c := range s.conns {
		if c.phase.Load() == phaseIdle {
			st.Idle++
		}
		if c.streams.Load() != nil {
			st.HTTP2++
		}
	}
	return st
}

func (s *Server) headLimits() http1.Limits {
	return http1.Limits{HeaderBytes: int(s.config.Load().Limits.Header)}
}
