package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// moldSpec is a mold that is loaded by the first part of a Python program; the second
// one runs in its workers.
func moldSpec(t *testing.T, load, work string) Spec {
	t.Helper()
	testkit.Need(t, "python3")
	programs, err := filepath.Abs("../adapter/programs/python")
	if err != nil {
		t.Fatal(err)
	}
	program := fmt.Sprintf("import os, signal, sys, threading, time\nsys.path.insert(0, %q)\nimport ripd_mold\n%s\nripd_mold.serve()\n%s", programs, load, work)
	return Spec{Command: []string{"python3", "-B", "-c", program}, Dir: "/", Env: []string{"PATH=" + os.Getenv("PATH"), "COMMON=1"}}
}

func newMold(t *testing.T, l *Launcher, load, work string) (*Mold, *recorder) {
	t.Helper()
	r := newRecorder()
	m, err := l.StartMold(moldSpec(t, load, work), r.line)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// forkWorker forks worker id, which gets a token and a variable X.
func forkWorker(t *testing.T, m *Mold, id int) (*Process, *recorder) {
	t.Helper()
	testkit.Closed(t, testkit.Timeout, m.Loaded(), "the mold to be loaded")
	r := newRecorder()
	p, err := m.Fork(Spec{ID: id, Generation: 7, Env: append(slices.Clone(m.Spec().Env), fmt.Sprintf("RIP_TOKEN=t%d", id), fmt.Sprintf("X=%d", id))}, r.line)
	if err != nil {
		t.Fatalf("fork worker %d: %v", id, err)
	}
	return p, r
}

func TestMoldIsForked(t *testing.T) {
	l := newLauncher(t)
	m, out := newMold(t, l, `loaded = os.getpid(); print("loading", os.environ.get("X"))`,
		`print(loaded, os.getpid(), os.getppid(), os.getsid(0), os.getpgrp(), os.environ["X"], os.environ["COMMON"], os.environ.get("RIP_PRELOAD"), flush=True)
print("to stderr", file=sys.stderr)
sys.exit(int(os.environ["X"]) + 10)`)
	for id := 1; id <= 3; id++ {
		p, r := forkWorker(t, m, id)
		waitDone(t, p)
		want := fmt.Sprintf("%d %d %d %d %d %d 1 None", m.PID(), p.PID(), os.Getpid(), p.PID(), p.PID(), id)
		if got := r.texts(Stdout); len(got) != 1 || got[0] != want {
			t.Errorf("worker %d says %q, want %q", id, got, want)
		}
		if got := r.texts(Stderr); len(got) != 1 || got[0] != "to stderr" {
			t.Errorf("worker %d says %q on stderr", id, got)
		}
		if exit := p.Exit(); exit.Code != id+10 || exit.Left != 0 {
			t.Errorf("worker %d: %v", id, exit)
		}
	}
	if ended(m.PID()) {
		t.Fatal("the mold has ended with its workers")
	}
	m.End(testkit.Timeout)
	waitDone(t, m.Process)
	if got := out.texts(Stdout); len(got) != 1 || got[0] != "loading None" || m.Exit().Signal != syscall.SIGTERM {
		t.Errorf("the mold says %q and ends with %v", got, m.Exit())
	}
}

const sleeps = `print("up", flush=True)
time.sleep(1000)`

func TestForkedWorkersOutliveTheirMold(t *testing.T) {
	l := newLauncher(t)
	m, _ := newMold(t, l, "", sleeps)
	one, first := forkWorker(t, m, 1)
	two, second := forkWorker(t, m, 2)
	first.waitLine(t, "up")
	second.waitLine(t, "up")
	if !one.Owns(one.PID()) || one.Owns(two.PID()) || m.Owns(one.PID()) {
		t.Error("the processes are taken for each other's")
	}
	m.Kill()
	waitDone(t, m.Process)
	if _, err := m.Fork(Spec{ID: 3, Env: m.Spec().Env}, func(Line) {}); !errors.Is(err, ErrMoldEnded) {
		t.Errorf("a dead mold was forked: %v", err)
	}
	if ended(one.PID()) || ended(two.PID()) {
		t.Fatal("a worker has ended with its mold")
	}
	one.Terminate()
	waitDone(t, one)
	if exit := one.Exit(); !exit.Clean() {
		t.Errorf("the worker ended by %v", exit)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	waitDone(t, two)
}

func TestMoldThatCannotBeForked(t *testing.T) {
	l := newLauncher(t)
	m, _ := newMold(t, l, `threading.Thread(target=time.sleep, args=(1000,), name="ticker", daemon=True).start()`, "")
	testkit.Closed(t, testkit.Timeout, m.Loaded(), "a word of the mold")
	if !strings.Contains(m.Unfit(), "threads while it was loaded: ticker") {
		t.Errorf("unfit: %q", m.Unfit())
	}
	broken, r := newMold(t, l, `raise ValueError("no such table")`, "")
	waitDone(t, broken.Process)
	if got := r.texts(Stderr); !strings.Contains(strings.Join(got, "\n"), "no such table") || broken.Exit().Code != 1 {
		t.Errorf("it ends with %v and says %q", broken.Exit(), got)
	}
	select {
	case <-broken.Loaded():
		t.Error("it is taken for loaded")
	default:
	}
}

// TestMoldsAreNotTrusted has molds that do not do what they are asked for.
func TestMoldsAreNotTrusted(t *testing.T) {
	const order = `import socket
control = socket.socket(fileno=3)
control.send(b"loaded")
text, fds, _, _ = socket.recv_fds(control, 65536, 3)
life = socket.socket(fileno=fds[2])
`
	for name, c := range map[string]struct{ load, want string }{
		"no worker":  {order + "life.close(); control.recv(1)", "it did not fork"},
		"itself":     {order + `life.send(b"forked"); control.recv(1)`, "is a worker or mold already"},
		"a child":    {order + "if os.fork(): control.recv(1)\nos.setsid(); life.send(b'forked'); life.recv(1)", "is no child of ripd with a session of its own"},
		"other word": {order + `life.send(b"hello!"); control.recv(1)`, `it says "hello!"`},
		"its end":    {order + "os._exit(3)", ErrMoldEnded.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLauncher(t)
			m, _ := newMold(t, l, c.load, "")
			testkit.Closed(t, testkit.Timeout, m.Loaded(), "the mold to be loaded")
			if name == "its end" {
				defer waitDone(t, m.Process)
			}
			p, err := m.Fork(Spec{ID: 1, Env: m.Spec().Env}, func(Line) {})
			if p != nil || err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "it did not fork") {
				t.Errorf("fork: %v, want %q", err, c.want)
			}
		})
	}
}

// TestForkedWorkersDieWithRipd kills a ripd with SIGKILL. Its mold and its workers end nevertheless.
func TestForkedWorkersDieWithRipd(t *testing.T) {
	s := moldSpec(t, "signal.signal(signal.SIGTERM, signal.SIG_IGN)", `for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
while True: pass`)
	cmd := exec.Command("/proc/self/exe", s.Command...)
	cmd.Env = append(os.Environ(), roleVariable+"=ripd-mold")
	ripd := testkit.Start(t, cmd)
	ripd.Stdout.WaitFor(t, testkit.Timeout, "up\n")
	var all []int
	testkit.Eventually(t, testkit.Timeout, func() bool {
		all = nil
		for _, found := range regexp.MustCompile(`(?m)^pid (\d+)\n`).FindAllStringSubmatch(ripd.Stdout.String(), -1) {
			pid, _ := strconv.Atoi(found[1])
			all = append(all, pid)
		}
		return len(all) == 2
	}, "the PIDs")
	t.Cleanup(func() {
		for _, pid := range all {
			if t.Failed() && !ended(pid) {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		}
	})
	if err := ripd.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range all {
		testkit.Eventually(t, testkit.Timeout, func() bool { return ended(pid) }, fmt.Sprintf("the end of %d", pid))
	}
}

// playMold is a small ripd with a mold and a worker, as playRipd.
func playMold(command []string) int {
	l, err := NewLauncher(LauncherOptions{})
	if err == nil {
		show := func(line Line) { fmt.Printf("%s\n", line.Text) }
		spec := Spec{ID: 1, Command: command, Dir: "/", Env: os.Environ(), Ready: config.ReadyRegister}
		var m *Mold
		if m, err = l.StartMold(spec, show); err == nil {
			<-m.Loaded()
			var p *Process
			if p, err = m.Fork(spec, show); err == nil {
				fmt.Printf("pid %d\npid %d\n", m.PID(), p.PID())
				<-p.Done()
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
