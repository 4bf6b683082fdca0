//go:build wedge

package proxy

// Wedge makes the accepting hang for ever, for tests of a watchdog.
func (s *Server) Wedge() {
	go func() {
		s.mu.Lock()
		select {}
	}()
}
