package proxy

import (
	"crypto/tls"
	"net"
	"slices"
	"time"

	"ripd/internal/config"
)

// acceptor is what the server knows of the loop that accepts on one listener. The
// server's lock guards it.
type acceptor struct {
	asked, answered uint64      // rounds of ProveAccepting
	secure          *tls.Config // nil: a plain listener
	old             *tls.Config // secure without HTTP/2
}

func newAcceptor(settings *tls.Config) *acceptor {
	a := &acceptor{secure: settings, old: settings}
	if settings != nil && slices.Contains(settings.NextProtos, protocolHTTP2) {
		a.old = settings.Clone()
		a.old.NextProtos = slices.DeleteFunc(slices.Clone(settings.NextProtos), func(p string) bool { return p == protocolHTTP2 })
	}
	return a
}

// settings are those for a new connection.
func (a *acceptor) settings(c *config.Config) *tls.Config {
	if c.TLS.HTTP2 {
		return a.secure
	}
	return a.old
}

// ProveAccepting returns when every loop that accepts connections has come around,
// or waits for a place as it should. It is how a watchdog knows that they live;
// when one hangs, ProveAccepting does not return. No connection is needed for it:
// the loops are woken by a deadline that has passed.
func (s *Server) ProveAccepting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return
	}
	round := map[*acceptor]uint64{}
	for l, a := range s.listeners {
		if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok && d.SetDeadline(time.Unix(1, 0)) == nil {
			a.asked++
			round[a] = a.asked
		}
	}
	s.places.Broadcast()
	for a, asked := range round {
		for a.answered < asked && !s.stopping.Load() {
			s.places.Wait()
		}
	}
}

// prove notes that a loop has come around. The caller has the lock.
func (s *Server) prove(a *acceptor) {
	if a.answered < a.asked {
		a.answered = a.asked
		s.places.Broadcast()
	}
}

// proved answers a loop whose accept was woken: true when it goes on.
func (s *Server) proved(l net.Listener, a *acceptor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false // the deadline is the stop's
	}
	if d, ok := l.(interface{ SetDeadline(time.Time) error }); ok && d.SetDeadline(time.Time{}) != nil {
		return false
	}
	s.prove(a)
	return true
}
