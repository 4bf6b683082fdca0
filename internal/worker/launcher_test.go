package worker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// TestWorkersDieWithRipd kills a ripd with SIGKILL: it cannot end its workers
// any more, and they end nevertheless, even those that ignore every signal.
func TestWorkersDieWithRipd(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", "sh", "-c", `trap "" TERM HUP INT; echo up; while :; do sleep 0.01; done`)
	cmd.Env = append(os.Environ(), roleVariable+"=ripd")
	ripd := testkit.Start(t, cmd)
	ripd.Stdout.WaitFor(t, testkit.Timeout, "up\n")
	var worker int
	testkit.Eventually(t, testkit.Timeout, func() bool {
		found := regexp.MustCompile(`(?m)^pid (\d+)\n`).FindStringSubmatch(ripd.Stdout.String())
		if found != nil {
			worker, _ = strconv.Atoi(found[1])
		}
		return worker > 0
	}, "the worker's PID")
	t.Cleanup(func() {
		if t.Failed() && !ended(worker) {
			_ = unix.Kill(worker, unix.SIGKILL)
		}
	})
	if ended(worker) {
		t.Fatal("the worker does not run")
	}
	if err := ripd.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return ended(worker) }, "the worker's end")
}

// TestWorkersOutliveThreads starts workers from goroutines whose threads end:
// only the launcher's own thread may count.
func TestWorkersOutliveThreads(t *testing.T) {
	l := newLauncher(t)
	var workers []*Process
	for range 3 {
		result := make(chan *Process)
		go func() {
			// The thread ends with a goroutine that is locked to it.
			runtime.LockOSThread()
			p, err := l.Start(spec(t, "echo up; sleep 1000"), func(Line) {})
			if err != nil {
				t.Error(err)
			}
			result <- p
		}()
		workers = append(workers, <-result)
	}
	p, _ := run(t, l, "exit 0")
	waitDone(t, p)
	for _, p := range workers {
		if p == nil || ended(p.PID()) {
			t.Error("a worker died with a thread")
		}
	}
}

func TestManyStartsAtOnce(t *testing.T) {
	l := newLauncher(t)
	const count = 40
	var all sync.WaitGroup
	for i := range count {
		s := spec(t, "")
		s.ID = i
		s.Command = shell(fmt.Sprintf(`(sleep 1000 &); echo out; exit %d`, i))
		all.Go(func() {
			r := newRecorder()
			p, err := l.Start(s, r.line)
			if err != nil {
				t.Error(err)
				return
			}
			<-p.Done()
			if got := p.Exit(); got.Code != i || got.Left != 0 {
				t.Errorf("worker %d: %v", i, got)
			}
			if out := r.texts(Stdout); len(out) != 1 || len(p.LastWords()) != 1 {
				t.Errorf("worker %d: output %q", i, out)
			}
		})
	}
	all.Wait()
	if fds := openDescriptors(t); fds > 60 {
		t.Errorf("%d descriptors are open", fds)
	}
}

// TestSignalsRaceWithTheEnd sends signals while workers end: none may reach a
// process that got the number afterwards, and nothing may wait for ever.
func TestSignalsRaceWithTheEnd(t *testing.T) {
	l := newLauncher(t)
	for range 10 {
		p, _ := run(t, l, `(sleep 1000 &); exit 0`)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					err := p.Signal(syscall.SIGCONT)
					if errors.Is(err, os.ErrProcessDone) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					p.Owns(os.Getpid())
					_, _ = p.Usage()
					p.StatusText()
				}
			})
		}
		waitDone(t, p)
		all.Wait()
	}
}

// TestATokenIsNotEnough gives two workers the same token: the end of one is not
// the end of the other.
func TestATokenIsNotEnough(t *testing.T) {
	l := newLauncher(t)
	s := spec(t, "sleep 1000")
	one, _ := start(t, l, s)
	two, _ := start(t, l, s)
	one.Kill()
	waitDone(t, one)
	if ended(two.PID()) || one.Owns(two.PID()) {
		t.Error("the other one was taken for a descendant")
	}
	two.Kill()
	waitDone(t, two)
}

func openDescriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestCloseEndsAll(t *testing.T) {
	l, err := NewLauncher(LauncherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	started := make(chan *Process, 20)
	for range cap(started) {
		s := spec(t, "trap '' TERM; sleep 1000")
		all.Go(func() {
			p, err := l.Start(s, func(Line) {})
			if err == nil {
				started <- p
			} else if !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	first := testkit.Receive(t, testkit.Timeout, started)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	started <- first
	close(started)
	for p := range started {
		testkit.Closed(t, testkit.Timeout, p.Done())
		if got := p.Exit(); got.Signal != unix.SIGKILL {
			t.Errorf("got %v", got)
		}
	}
	if _, err := l.Start(spec(t, "exit"), func(Line) {}); !errors.Is(err, ErrClosed) {
		t.Errorf("a start after Close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// TestSocketFiles has a worker find a socket of an earlier run, and leave its
// own.
func TestSocketFiles(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	s := spec(t, "")
	s.Socket = testkit.TempSocket(t, "app.3.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	s.Command = shell(bindSocket(s.Socket, true))
	p, r := start(t, l, s)
	r.waitLine(t, "bound")

	// A successor that takes the path over keeps it when the first one ends.
	next, r := start(t, l, s)
	r.waitLine(t, "bound")
	p.Kill()
	waitDone(t, p)
	if _, err := os.Lstat(s.Socket); err != nil {
		t.Errorf("the successor's socket is gone: %v", err)
	}
	next.Kill()
	waitDone(t, next)
	if _, err := os.Lstat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// bindSocket is a shell script that binds a socket, and then listens or does
// not, and stays.
func bindSocket(path string, listen bool) string {
	call := ""
	if listen {
		call = "s.listen(1);"
	}
	return fmt.Sprintf(`exec python3 -c 'import socket,time
s = socket.socket(socket.AF_UNIX); s.bind("%s"); %s print("bound", flush=True); time.sleep(1000)'`, path, call)
}
