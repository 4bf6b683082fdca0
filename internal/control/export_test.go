package control

import (
	"net/http"
	"time"
)

// What the tests outside of the package need of its inside.

// NewHastyServer is NewServer with short timeouts.
func NewHastyServer(o Options, read, write time.Duration) *Server {
	return newServer(o, timeouts{read: read, write: write})
}

// Route is a call, as the tests see it.
type Route struct {
	Method, Path string
	Operator     bool
}

// Routes gives all calls.
func Routes() []Route {
	var all []Route
	for _, r := range routes() {
		all = append(all, Route{r.method, r.path, r.operator})
	}
	return all
}

// Handler gives the handler of the door for both, as if root called.
func Handler(s *Server) http.Handler {
	h := s.handler(doorBoth)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h.ServeHTTP(w, q.WithContext(withConn(q.Context(), &conn{peer: Peer{PID: 1}})))
	})
}
