package control

import (
	"log/slog"
	"net"
	"net/http"
)

// Options are what a Server is made of.
type Options struct {
	Operator  Operator     // required
	Registrar Registrar    // required
	Metrics   http.Handler // GET /metrics; nil: not found
	Version   string       // of ripd, told in each answer; api.BuildVersion
	App       string       // the app's name, for messages
	// OperatorUIDs may call the operators' routes on a door that serves workers
	// too (ServeBoth). Root always may. Nil: the user that runs this process.
	// A door of its own (ServeOperators) is guarded by its file's owner and
	// mode alone.
	OperatorUIDs []int
	Log          *slog.Logger // refusals and broken calls; nil: nothing
}

// Server serves the control socket.
type Server struct{ o Options }

// NewServer makes a server; ServeOperators, ServeWorkers and ServeBoth give it sockets.
func NewServer(o Options) *Server { return &Server{o: o} }

// ServeOperators serves a socket that only operators can open. It blocks until Close.
func (s *Server) ServeOperators(l net.Listener) error { return nil }

// ServeWorkers serves a socket for workers: /v1/worker and nothing else. It blocks until Close.
func (s *Server) ServeWorkers(l net.Listener) error { return nil }

// ServeBoth serves one socket for both. It blocks until Close.
func (s *Server) ServeBoth(l net.Listener) error { return nil }

// Close ends the server: no new calls, a moment for the answers that are
// being written, then the connections are cut.
func (s *Server) Close() error { return nil }

// TokenEqual compares a presented token with the right one in constant time. An
// empty right one equals nothing.
func TokenEqual(got, want string) bool { return false }
