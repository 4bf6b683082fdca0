package worker

import (
	"errors"
	"log/slog"
)

// ErrClosed is what Start returns once Close was called.
var ErrClosed = errors.New("the launcher is closed")

// LauncherOptions are what a Launcher needs from outside.
type LauncherOptions struct {
	// Stub is the program that is started with StubArg. "" means ripd's own,
	// /proc/self/exe, which stays the running version when the file on disk is
	// replaced.
	Stub  string
	Clock Clock        // nil: the system's
	Log   *slog.Logger // nil: nothing is logged
}

// Launcher starts workers. A program has one for its whole life, since it makes
// the program the reaper of what its workers leave behind (PR_SET_CHILD_SUBREAPER,
// prctl(2)).
type Launcher struct{}

// NewLauncher makes the program a child subreaper and starts the thread that
// forks.
func NewLauncher(o LauncherOptions) (*Launcher, error) { return &Launcher{}, nil }

// Start starts a worker and returns once its program was executed, which takes
// some milliseconds: call it from a goroutine of its own. An error says what was
// in the way ("program not found in PATH: puma"); then no process is left.
//
// A socket file of an earlier run at Spec.Socket is removed first; any other
// kind of file there is an error.
//
// out is called for each line of output, by one goroutine for each stream, until
// Done. It must not block for long: the worker waits for it when its pipe is full.
func (l *Launcher) Start(s Spec, out func(Line)) (*Process, error) { return nil, ErrClosed }

// Close kills all workers that still run, waits until they are gone, and ends
// the launcher's goroutines.
func (l *Launcher) Close() error { return nil }
