package worker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// roleVariable makes the test's program play one of the roles instead of running
// the tests.
const roleVariable = "WORKER_TEST_ROLE"

func TestMain(m *testing.M) {
	if IsStub(os.Args) {
		os.Exit(RunStub(os.Args, os.Environ()))
	}
	if os.Getenv(roleVariable) == "ripd" {
		os.Exit(playRipd(os.Args[1:]))
	}
	if os.Getenv(roleVariable) == "ripd-mold" {
		os.Exit(playMold(os.Args[1:]))
	}
	if os.Getenv(roleVariable) == "activated" {
		os.Exit(playActivated())
	}
	goleak.VerifyTestMain(m)
}

// playRipd is a small ripd: it starts one worker with the command of its
// arguments, prints the worker's PID and output, and lives until it is killed or the
// worker ends.
func playRipd(command []string) int {
	l, err := NewLauncher(LauncherOptions{})
	if err == nil {
		spec := Spec{ID: 1, Command: command, Dir: "/", Env: os.Environ(), Ready: config.ReadyRegister}
		var p *Process
		if p, err = l.Start(spec, func(line Line) { fmt.Printf("%s\n", line.Text) }); err == nil {
			fmt.Printf("pid %d\n", p.PID())
			<-p.Done()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// recorder collects a worker's lines.
type recorder struct {
	mu    sync.Mutex
	lines []Line
	fresh chan struct{} // a line has come; one place
}

func newRecorder() *recorder { return &recorder{fresh: make(chan struct{}, 1)} }

func (r *recorder) line(l Line) {
	l.Text = slices.Clone(l.Text)
	r.mu.Lock()
	r.lines = append(r.lines, l)
	r.mu.Unlock()
	select {
	case r.fresh <- struct{}{}:
	default:
	}
}

// texts gives the lines of a stream so far.
func (r *recorder) texts(stream string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var texts []string
	for _, l := range r.lines {
		if l.Stream == stream {
			texts = append(texts, string(l.Text))
		}
	}
	return texts
}

// waitLine waits for a line of stdout that begins with prefix, and gives the
// rest of it.
func (r *recorder) waitLine(t *testing.T, prefix string) string {
	t.Helper()
	var rest string
	testkit.Eventually(t, testkit.Timeout, func() bool {
		for _, text := range r.texts(Stdout) {
			var ok bool
			if rest, ok = strings.CutPrefix(text, prefix); ok {
				return true
			}
		}
		return false
	}, "a line %q", prefix)
	return rest
}

func newLauncher(t *testing.T) *Launcher {
	t.Helper()
	l, err := NewLauncher(LauncherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// spec is a worker that runs a shell script and is ready by registering, which
// means that nothing looks for a sign.
func spec(t *testing.T, script string) Spec {
	t.Helper()
	return Spec{
		App: "test", ID: 3, Generation: 7,
		Command: []string{"sh", "-c", script},
		Dir:     t.TempDir(),
		Env:     []string{"PATH=" + os.Getenv("PATH"), fmt.Sprintf("RIP_TOKEN=%x", rand.Uint64())},
		Ready:   config.ReadyRegister,
	}
}

func shell(script string) []string {
	return []string{"sh", "-c", strings.ReplaceAll(script, "$", "$$")}
}

// start starts a worker whose script is not expanded by ripd.
func start(t *testing.T, l *Launcher, s Spec) (*Process, *recorder) {
	t.Helper()
	r := newRecorder()
	p, err := l.Start(s, r.line)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// run starts a shell script as a worker.
func run(t *testing.T, l *Launcher, script string) (*Process, *recorder) {
	t.Helper()
	s := spec(t, "")
	s.Command = shell(script)
	return start(t, l, s)
}

func waitDone(t *testing.T, p *Process) Exit {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(testkit.Timeout):
		t.Fatalf("worker %d did not end: %s", p.PID(), ProcState(p.PID()))
	}
	return p.Exit()
}

// exists reports whether a process is there, be it a zombie.
func exists(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

// ended reports whether a process is gone, or a zombie that somebody else has to
// reap.
func ended(pid int) bool {
	p, err := readStat(pid)
	return err != nil || p.dead()
}
