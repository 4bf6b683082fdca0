package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// Bounds of the control socket. A body is bounded by api.MaxRequestBytes.
const (
	maxHeaderBytes  = 16 << 10         // net/http adds 4 KiB of slack
	readTimeout     = 5 * time.Second  // of one whole request
	writeTimeout    = 10 * time.Second // of one answer, or of one line of a stream
	idleTimeout     = 30 * time.Second // of a connection between two calls
	heartbeat       = 15 * time.Second // between two lines of the events
	closeGrace      = 2 * time.Second  // for answers that are being written when the server closes
	maxPendingSteps = 256              // steps that wait for a slow watcher
	// DefaultConnections is how many connections one door has at once.
	DefaultConnections = 64
)

// Options are what a Server is made of.
type Options struct {
	Operator  Operator     // required
	Registrar Registrar    // required
	Metrics   http.Handler // GET /metrics; nil: not found
	Version   string       // of ripd, told in each answer; api.BuildVersion
	// OperatorUIDs may call the operators' routes on a door that serves workers
	// too (ServeBoth). Root always may. Nil: the user that runs this process.
	// A door of its own (ServeOperators) is guarded by its file's owner and
	// mode alone.
	OperatorUIDs []int
	// Connections that one door has at once; 0: DefaultConnections. A door for
	// workers should have room for all of them to register in the same moment.
	Connections int
	Heartbeat   time.Duration // between two lines of the events; 0: 15 s
	Log         *slog.Logger  // refusals and broken calls; nil: nothing
}

// Server serves the control socket, through as many doors as it is given.
type Server struct {
	o        Options
	timeouts timeouts
	log      *refusals
	http     []*http.Server // one for each kind of door

	mu    sync.Mutex
	gates map[*gate]struct{} // that accept

	leave   context.Context // ends when the streams of events must end
	dismiss context.CancelFunc
}

// NewServer makes a server; ServeOperators, ServeWorkers and ServeBoth give it
// sockets.
func NewServer(o Options) *Server {
	return newServer(o, timeouts{read: readTimeout, write: writeTimeout})
}

// timeouts are those that tests shorten.
type timeouts struct{ read, write time.Duration }

func newServer(o Options, t timeouts) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OperatorUIDs == nil {
		o.OperatorUIDs = []int{os.Getuid()}
	}
	if o.Connections <= 0 {
		o.Connections = DefaultConnections
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = heartbeat
	}
	if o.Version == "" {
		o.Version = "unknown" // an answer without a version is not taken for ripd's
	}
	o.OperatorUIDs = slices.Clone(o.OperatorUIDs)
	s := &Server{o: o, timeouts: t, log: &refusals{log: o.Log}, gates: map[*gate]struct{}{}}
	s.leave, s.dismiss = context.WithCancel(context.Background())
	for _, d := range []door{doorOperators, doorWorkers, doorBoth} {
		s.http = append(s.http, s.server(d))
	}
	return s
}

// server makes the HTTP server of one kind of door.
func (s *Server) server(d door) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           s.handler(d),
		ReadHeaderTimeout: s.timeouts.read,
		ReadTimeout:       s.timeouts.read,
		WriteTimeout:      s.timeouts.write,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       withConn,
		ConnState:         trackState,
		Protocols:         &protocols,
		// "OPTIONS *" is answered as every other call that is not there.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
}

// ServeOperators serves a socket that only operators can open: whoever can open
// it may call everything but the workers' route. It blocks until Close, and then
// gives nil.
func (s *Server) ServeOperators(l net.Listener) error { return s.serve(doorOperators, l) }

// ServeWorkers serves a socket for workers: /v1/worker and nothing else. It
// blocks until Close, and then gives nil.
func (s *Server) ServeWorkers(l net.Listener) error { return s.serve(doorWorkers, l) }

// ServeBoth serves one socket for both; the operators' routes are for
// Options.OperatorUIDs and root. It blocks until Close, and then gives nil.
func (s *Server) ServeBoth(l net.Listener) error { return s.serve(doorBoth, l) }

func (s *Server) serve(d door, l net.Listener) error {
	g := newGate(l, s.o.Connections, s.log)
	s.mu.Lock()
	s.gates[g] = struct{}{}
	s.mu.Unlock()
	err := s.http[d].Serve(g)
	s.mu.Lock()
	delete(s.gates, g)
	s.mu.Unlock()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Prove returns when every door's loop that accepts has come around: it is how a
// watchdog knows that they live. When one hangs, Prove does not return before ctx
// ends.
func (s *Server) Prove(ctx context.Context) error {
	s.mu.Lock()
	var all []<-chan struct{}
	for g := range s.gates {
		all = append(all, g.prove())
	}
	s.mu.Unlock()
	for _, done := range all {
		select {
		case <-done:
		case <-s.leave.Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Close ends the server: no new calls, a moment for the answers that are being
// written (a verdict above all), then the connections are cut. Streams of events
// end at once. It may be called more than once.
func (s *Server) Close() error {
	s.dismiss()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	var wg sync.WaitGroup
	for _, h := range s.http {
		wg.Go(func() {
			if h.Shutdown(ctx) != nil {
				h.Close() // cuts what did not end in time
			}
		})
	}
	wg.Wait()
	return nil
}
