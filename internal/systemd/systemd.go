// Package systemd speaks the protocols that systemd offers to a service:
// sockets handed over by name, and messages about the service's state.
package systemd

import (
	"net"
	"os"
	"time"
)

// The names of the sockets that ripd knows (FileDescriptorName= of their units).
const (
	HTTP    = "http"
	HTTPS   = "https"
	Control = "control"
	Metrics = "metrics"
)

// Handed holds the sockets that systemd has handed over.
type Handed struct{}

// Odd is a descriptor that ripd cannot use.
type Odd struct {
	Name    string // as systemd gave it
	FD      int
	Problem string // what it is, and what to do about it
}

// Files takes over the descriptors of LISTEN_FDS, which it removes from the
// environment. It is called once, at the start.
func Files() (*Handed, error) { return &Handed{}, nil }

// Any reports whether systemd has handed over anything usable.
func (h *Handed) Any() bool { return false }

// Take returns the listeners of that name, in systemd's order; the caller owns them.
func (h *Handed) Take(name string) []net.Listener { return nil }

// Odd returns what was handed over and cannot be used.
func (h *Handed) Odd() []Odd { return nil }

// Close closes what nobody took.
func (h *Handed) Close() error { return nil }

// Notifier tells systemd about the service's state. Its methods never block,
// and do nothing when systemd has not asked (no NOTIFY_SOCKET).
type Notifier struct{}

// NewNotifier reads NOTIFY_SOCKET and removes it from the environment.
func NewNotifier() (*Notifier, error) { return &Notifier{}, nil }

// Enabled reports whether somebody listens.
func (n *Notifier) Enabled() bool { return false }

// Ready says that the service is up, or that its reload has ended.
func (n *Notifier) Ready(status string) error { return nil }

// Reloading says that a reload begins; Ready ends it.
func (n *Notifier) Reloading(status string) error { return nil }

// Stopping says that the service ends.
func (n *Notifier) Stopping(status string) error { return nil }

// Status sets the one line that systemctl status shows.
func (n *Notifier) Status(status string) error { return nil }

// ExtendTimeout asks for at least d more time for the start, reload or stop
// under way.
func (n *Notifier) ExtendTimeout(d time.Duration) error { return nil }

// Close gives up what could not be sent.
func (n *Notifier) Close() error { return nil }

var _ = os.Getenv
