package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/cgroup"
)

// ErrClosed is what Start returns once Close was called.
var ErrClosed = errors.New("the launcher is closed")

// LauncherOptions are what a Launcher needs from outside.
type LauncherOptions struct {
	// Stub is the program that is started with StubArg. "" means ripd's own,
	// /proc/self/exe, which stays the running version when the file on disk is
	// replaced.
	Stub string
	// Groups gives each worker a control group of its own; nil: they have none.
	Groups *cgroup.Tree
	Clock  Clock        // nil: the system's
	Log    *slog.Logger // nil: nothing is logged
}

// Clock gives the time; tests pass their own.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Launcher starts workers. A program has one for its whole life, since it makes
// the program the reaper of what its workers leave behind (PR_SET_CHILD_SUBREAPER,
// PR_SET_CHILD_SUBREAPER(2const)). It leaves children that the program starts itself alone, as
// long as they stay in the program's session.
type Launcher struct {
	stub   string
	groups *cgroup.Tree // nil: workers have none
	clock  Clock
	log    *slog.Logger
	forks  chan func()   // run on the forking thread
	quit   chan struct{} // ends the launcher's goroutines
	loops  sync.WaitGroup
	// starts counts the calls of Start that are under way; it is added to under
	// mu, while closed is false.
	starts sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	processes map[int]*Process    // by PID
	sockets   map[string]*Process // by path: whose file it is

	reapMu  sync.Mutex           // held by who reaps an orphan
	strange map[int]strangeDeath // dead children that nobody knows, by PID; the reapLoop's own
}

// NewLauncher makes the program a child subreaper and starts the thread that
// forks.
func NewLauncher(o LauncherOptions) (*Launcher, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the reaper of the workers' children: %w", err)
	}
	l := &Launcher{
		stub:      o.Stub,
		groups:    o.Groups,
		clock:     o.Clock,
		log:       o.Log,
		forks:     make(chan func()),
		quit:      make(chan struct{}),
		processes: make(map[int]*Process),
		sockets:   make(map[string]*Process),
		strange:   make(map[int]strangeDeath),
	}
	if l.stub == "" {
		l.stub = "/proc/self/exe"
	}
	if l.clock == nil {
		l.clock = systemClock{}
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.loops.Go(l.forkLoop)
	l.loops.Go(l.reapLoop)
	return l, nil
}

// forkLoop runs all forks on one thread, which lives as long as the launcher: a
// worker's parent-death signal fires when the thread that forked it ends, not
// when ripd does, and the runtime may end any other thread at any time.
func (l *Launcher) forkLoop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case fork := <-l.forks:
			fork()
		case <-l.quit:
			return
		}
	}
}

// Start starts a worker and returns once its program was executed, which takes
// some milliseconds: call it from a goroutine of its own. An error says what was
// in the way ("program not found in PATH: puma"); then no process is left.
//
// A socket file of an earlier run at Spec.Socket is removed first; any other
// kind of file there is an error.
//
// out is called for each line of output, by one goroutine for each stream, until
// Done. It must not block for long: the worker waits for it when its pipe is full.
func (l *Launcher) Start(s Spec, out func(Line)) (*Process, error) {
	return l.start(s, nil, out)
}

// start is Start and, with the socket that a mold gets, StartMold.
func (l *Launcher) start(s Spec, mold *os.File, out func(Line)) (*Process, error) {
	if len(s.Command) == 0 || s.Command[0] == "" {
		return nil, errors.New("the command is empty")
	}
	if !l.beginStart() {
		return nil, ErrClosed
	}
	defer l.starts.Done()
	b, err := l.prepare(s, mold)
	if err != nil {
		return nil, err
	}
	p, err := b.fork(l, out)
	if err != nil {
		b.discard()
		return nil, err
	}
	err = b.converse()
	if l.isClosed() {
		err = ErrClosed
	}
	if err != nil {
		p.Kill()
		<-p.Done()
		p.offer.close()
		return nil, explainFailure(p, err)
	}
	p.watchReady()
	return p, nil
}

func (l *Launcher) beginStart() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.starts.Add(1)
	}
	return !l.closed
}

func (l *Launcher) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// explainFailure adds to the error of a stub that said nothing what is known of
// its end.
func explainFailure(p *Process, err error) error {
	if !errors.Is(err, errNoReport) {
		return err
	}
	text := p.Exit().String()
	if words := p.LastWords(); len(words) > 0 {
		text += ": " + words[0]
	}
	return fmt.Errorf("%w: %s", err, text)
}

// adopt takes a new process into the books.
func (l *Launcher) adopt(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes[p.pid] = p
	for _, path := range p.paths() {
		l.sockets[path] = p
	}
}

// forget strikes a process off the books and removes its socket files, unless a
// later process has taken the paths over.
func (l *Launcher) forget(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.processes, p.pid)
	for _, path := range p.paths() {
		if l.sockets[path] != p {
			continue
		}
		delete(l.sockets, path)
		if err := removeSocket(path); err != nil {
			l.log.Warn("a worker's socket stays", "worker", p.spec.ID, "error", err)
		}
	}
}

// paths are the socket files of a process.
func (p *Process) paths() []string {
	var paths []string
	if p.spec.Socket != "" {
		paths = append(paths, p.spec.Socket)
	}
	if p.notify != nil {
		paths = append(paths, p.notify.path)
	}
	return paths
}

// Close kills all workers that still run, waits until they are gone, and ends
// the launcher's goroutines. It may be called again.
func (l *Launcher) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.loops.Wait()
		return nil
	}
	l.closed = true
	running := make([]*Process, 0, len(l.processes))
	for _, p := range l.processes {
		running = append(running, p)
	}
	l.mu.Unlock()
	for _, p := range running {
		p.Kill()
	}
	l.starts.Wait() // those that are under way end their process themselves
	for _, p := range running {
		<-p.Done()
	}
	close(l.quit)
	l.loops.Wait()
	return nil
}
