package worker

import (
	"syscall"
	"time"

	"ripd/internal/config"
)

// Process is a worker's process, from its start to its end.
type Process struct{}

// PID is the process's id, and that of its session and process group. It is not
// used for another process before Done.
func (p *Process) PID() int { return 0 }

// StartedAt is when the process was forked.
func (p *Process) StartedAt() time.Time { return time.Time{} }

// Spec is what Start was given.
func (p *Process) Spec() Spec { return Spec{} }

// Signal sends a signal to the whole process group. Once the process has ended
// it is os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error { return nil }

// Terminate asks the process group to end: SIGTERM.
func (p *Process) Terminate() { _ = p.Signal(syscall.SIGTERM) }

// Kill ends the process group: SIGKILL. Done tells when it is over.
func (p *Process) Kill() { _ = p.Signal(syscall.SIGKILL) }

// Done is closed once the process has ended, was reaped, and nothing of what it
// started is left.
func (p *Process) Done() <-chan struct{} { return nil }

// Exit says how the process ended; it is to be read after Done.
func (p *Process) Exit() Exit { return Exit{} }

// LastWords gives the last lines of output, oldest first, of both streams as
// they came: at most LastLines of them, and LastBytes together.
func (p *Process) LastWords() []string { return nil }

// ReadyC is closed once the worker was seen to be ready by notify or listen, as
// Spec.Ready asks. With ReadyRegister it never is.
func (p *Process) ReadyC() <-chan struct{} { return nil }

// ReadyBy says which sign closed ReadyC: config.ReadyNotify or
// config.ReadyListen; "" before that.
func (p *Process) ReadyBy() config.Ready { return "" }

// StatusText is what the worker said last with STATUS= to its notify socket; ""
// when it said nothing.
func (p *Process) StatusText() string { return "" }

// Owns reports whether the living process pid is of this worker: itself, one of
// its group, or a descendant, daemonised ones included.
func (p *Process) Owns(pid int) bool { return false }

// Usage is what the worker and its descendants use now.
func (p *Process) Usage() (Usage, error) { return Usage{}, nil }

// The bounds of LastWords.
const (
	LastLines = 20
	LastBytes = 4 << 10
)
