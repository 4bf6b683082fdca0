//go:build wedge

package control

// Wedge makes the doors hang for ever, for tests of a watchdog.
func (s *Server) Wedge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.gates {
		g.mu.Lock() //nolint:staticcheck // for ever
	}
}
