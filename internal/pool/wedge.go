//go:build wedge

package pool

// Wedge takes the lock for ever, for tests of a watchdog.
func (p *Pool) Wedge() {
	go func() {
		p.mu.Lock()
		select {}
	}()
}
