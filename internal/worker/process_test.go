package worker

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

func TestExit(t *testing.T) {
	l := newLauncher(t)
	for _, tc := range []struct {
		name, script string
		want         Exit
		text         string
	}{
		{"clean", "exit 0", Exit{}, "exit status 0"},
		{"status", "exit 3", Exit{Code: 3}, "exit status 3"},
		{"signal", "kill -SEGV $$", Exit{Code: -1, Signal: syscall.SIGSEGV}, "killed by SIGSEGV"},
		{"sigkill", "kill -KILL $$", Exit{Code: -1, Signal: syscall.SIGKILL}, "killed by SIGKILL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := run(t, l, "ulimit -c 0; "+tc.script)
			got := waitDone(t, p)
			if got != tc.want || got.String() != tc.text {
				t.Errorf("got %+v %q, want %+v %q", got, got, tc.want, tc.text)
			}
			if exists(p.PID()) {
				t.Error("the process was not reaped")
			}
			if got.Clean() != (tc.name == "clean") {
				t.Errorf("Clean is %v", got.Clean())
			}
		})
	}
}

func TestExitText(t *testing.T) {
	for want, exit := range map[string]Exit{
		"killed by SIGABRT (core dumped)":                                       {Code: -1, Signal: syscall.SIGABRT, Core: true},
		"killed by signal 40":                                                   {Code: -1, Signal: 40},
		"exit status 1, 1 of its processes could not be ended":                  {Code: 1, Left: 1},
		"exit status 1, 3 of its processes could not be ended":                  {Code: 1, Left: 3},
		"killed by SIGBUS (core dumped), 2 of its processes could not be ended": {Code: -1, Signal: syscall.SIGBUS, Core: true, Left: 2},
	} {
		if got := exit.String(); got != want {
			t.Errorf("%+v is %q, want %q", exit, got, want)
		}
	}
}

func TestSignalReachesTheGroup(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `trap "wait; exit 5" USR1
		sh -c 'trap "echo child got it; exit" USR1; echo child up; while :; do sleep 0.01; done' &
		wait; wait; exit 6`)
	r.waitLine(t, "child up")
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.waitLine(t, "child got it")
	if got := waitDone(t, p); got.Code != 5 {
		t.Errorf("got %v", got)
	}
	if err := p.Signal(syscall.SIGUSR1); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal after the end: %v", err)
	}
	p.Kill()
	p.Terminate()
}

func TestTerminateAndKill(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `trap "echo no" TERM; echo up; while :; do sleep 0.01; done`)
	r.waitLine(t, "up")
	p.Terminate()
	r.waitLine(t, "no")
	if _, err := p.Usage(); err != nil {
		t.Errorf("it should live on: %v", err)
	}
	p.Kill()
	if got := waitDone(t, p); got.Signal != syscall.SIGKILL {
		t.Errorf("got %v", got)
	}
	if _, err := p.Usage(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("usage after the end: %v", err)
	}
}

func TestTerminateReachesAStoppedWorker(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `echo up; while :; do sleep 0.01; done`)
	r.waitLine(t, "up")
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.Terminate()
	if got := waitDone(t, p); got.Signal != syscall.SIGTERM {
		t.Errorf("got %v", got)
	}
}

// TestNothingIsLeftBehind starts processes that try to outlive their worker.
func TestNothingIsLeftBehind(t *testing.T) {
	testkit.Need(t, "setsid")
	l := newLauncher(t)
	for _, tc := range []struct {
		name, script string // prints "left PID"
		look         bool   // a look at its usage was taken while it lived
	}{
		{"a child in the background", `sh -c 'echo left $$; exec sleep 987' &`, false},
		{"a child that ignores signals", `sh -c 'trap "" TERM HUP INT; echo left $$; while :; do sleep 1; done' &`, false},
		{"a daemon: a new session, no parent", `setsid -f sh -c 'echo left $$; exec sleep 987'`, false},
		{"a daemon's child in another session", `setsid -f sh -c 'setsid -f sh -c "echo left \$\$; exec sleep 987"; exec sleep 986'`, false},
		{"a daemon that closed its output", `setsid -f sh -c 'echo left $$; exec sleep 987 >/dev/null 2>&1'`, false},
		{"a session without the environment", `sh -c 'echo left $$; exec env -i setsid sleep 987' &`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, r := run(t, l, tc.script+"\nsleep 1000")
			pid, err := strconv.Atoi(r.waitLine(t, "left "))
			if err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return name(pid) == "sleep" || strings.Contains(tc.name, "ignores") })
			if tc.look {
				usage, err := p.Usage()
				if err != nil || usage.Processes < 2 {
					t.Fatalf("usage: %+v, %v", usage, err)
				}
			}
			if !p.Owns(pid) || !p.Owns(p.PID()) {
				t.Error("the worker does not own its processes")
			}
			if p.Owns(os.Getpid()) || p.Owns(1) {
				t.Error("the worker owns others")
			}
			p.Kill()
			if got := waitDone(t, p); got.Left != 0 {
				t.Errorf("%d left", got.Left)
			}
			if exists(pid) {
				t.Errorf("process %d was left: %s", pid, ProcState(pid))
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			if p.Owns(pid) {
				t.Error("it owns something after its end")
			}
		})
	}
}

func name(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm))
}

// TestOrphansAreReaped has a daemon end while its worker lives: no zombie may
// stay.
func TestOrphansAreReaped(t *testing.T) {
	testkit.Need(t, "setsid")
	l := newLauncher(t)
	p, r := run(t, l, `(sh -c 'echo left $$; exec sleep 0.05' &); sleep 1000`)
	pid, err := strconv.Atoi(r.waitLine(t, "left "))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return !exists(pid) }, "an orphan to be reaped")
	p.Kill()
	waitDone(t, p)
}

// TestStrangersAreReapedLate has a daemon of an unknown session end: it is
// reaped once it is clear that nobody else will.
func TestStrangersAreReapedLate(t *testing.T) {
	testkit.Need(t, "setsid")
	clock := testkit.NewFakeClock()
	l := newLauncher(t)
	other := &Launcher{clock: clock, processes: map[int]*Process{}}
	p, r := run(t, l, `setsid -f sh -c 'echo left $$'; sleep 1000`)
	pid, err := strconv.Atoi(r.waitLine(t, "left "))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return ended(pid) })
	other.processes[p.PID()] = p
	if !other.reapOrphans() || !exists(pid) {
		t.Error("it was reaped at first sight")
	}
	clock.Advance(strangeWait)
	other.reapOrphans()
	if exists(pid) {
		t.Error("it was not reaped in the end")
	}
	p.Kill()
	waitDone(t, p)
}

// TestOtherChildrenAreLeftAlone has this program start processes itself while
// workers come and go.
func TestOtherChildrenAreLeftAlone(t *testing.T) {
	l := newLauncher(t)
	reaper := &Launcher{clock: systemClock{}, processes: map[int]*Process{}}
	own := exec.Command("sh", "-c", "exit 42")
	group := exec.Command("sh", "-c", "exit 43")
	group.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, cmd := range []*exec.Cmd{own, group} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return ended(own.Process.Pid) && ended(group.Process.Pid) })
	for range 3 {
		p, _ := run(t, l, "exit 0")
		waitDone(t, p)
		reaper.reapOrphans()
	}
	for want, cmd := range map[int]*exec.Cmd{42: own, 43: group} {
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != want {
			t.Errorf("waiting for our own child: %v", err)
		}
	}
}

// TestDoneDoesNotWaitForAPipe hands the pipe to a process outside of the
// worker's family.
func TestDoneDoesNotWaitForAPipe(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `echo up; sleep 1000`)
	r.waitLine(t, "up")
	held, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/1", p.PID()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	p.Kill()
	waitDone(t, p)
	if _, err := held.WriteString("x"); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the pipe is still read: %v", err)
	}
}

func TestAWorkerWithoutOutput(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `echo one; exec >&- 2>&-; sleep 0.02; exit 4`)
	if got := waitDone(t, p); got.Code != 4 {
		t.Errorf("got %v", got)
	}
	if got := r.texts(Stdout); len(got) != 1 || got[0] != "one" {
		t.Errorf("got %q", got)
	}
}

func TestOutputIsTagged(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `printf 'a\r\nb'; printf 'oops\n' >&2`)
	waitDone(t, p)
	if out, errs := strings.Join(r.texts(Stdout), "|"), strings.Join(r.texts(Stderr), "|"); out != "a|b" || errs != "oops" {
		t.Errorf("got %q and %q", out, errs)
	}
	for _, line := range r.lines {
		if line.Worker != 3 || line.Generation != 7 || line.PID != p.PID() {
			t.Errorf("got %+v", line)
		}
	}
	if words := p.LastWords(); len(words) != 3 {
		t.Errorf("last words: %q", words)
	}
}

// TestFlood has workers write far more than the pipes and buffers hold.
func TestFlood(t *testing.T) {
	l := newLauncher(t)
	for _, tc := range []struct {
		name, script string
		lines        int
		last         string
	}{
		{"many lines", `i=0; while [ $i -lt 200 ]; do printf '%01000d\n' $i $i $i $i $i $i $i $i $i $i; i=$((i+1)); done`, 2000, ""},
		{"one line of a megabyte", `head -c 1048576 /dev/zero | tr '\0' x; echo; echo end`, 1<<20/DefaultLineLimit + 1 + 1, "end"},
		{"no line end at all", `head -c 100000 /dev/zero`, 100000/DefaultLineLimit + 1, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, r := run(t, l, tc.script)
			if got := waitDone(t, p); !got.Clean() {
				t.Fatalf("got %v: %q", got, p.LastWords())
			}
			got := r.texts(Stdout)
			if len(got) != tc.lines && len(got) != tc.lines-1 || tc.last != "" && got[len(got)-1] != tc.last {
				t.Errorf("%d lines, want %d; the last is %.40q", len(got), tc.lines, got[len(got)-1])
			}
			bytes := 0
			for _, word := range p.LastWords() {
				bytes += len(word)
			}
			if words := p.LastWords(); len(words) > LastLines || bytes > LastBytes {
				t.Errorf("last words: %d lines, %d bytes", len(words), bytes)
			}
		})
	}
}

func TestUsageAndState(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `sleep 1000 & i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo up; wait`)
	r.waitLine(t, "up")
	usage, err := ReadUsage(p.PID())
	if err != nil || usage.Processes != 2 || usage.Memory < 100<<10 || usage.CPU <= 0 {
		t.Errorf("usage: %+v, %v", usage, err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return strings.HasPrefix(ProcState(p.PID()), "S (sleeping)") })
	state := ProcState(p.PID())
	for _, part := range []string{", 1 thread, ", " MB resident, ", " open descriptors"} {
		if !strings.Contains(state, part) {
			t.Errorf("no %q in %q", part, state)
		}
	}
	p.Kill()
	waitDone(t, p)
	if _, err := ReadUsage(p.PID()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("usage after the end: %v", err)
	}
	if got := ProcState(p.PID()); got != "gone" {
		t.Errorf("state after the end: %q", got)
	}
}

func TestKillProcessKnowsWhom(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, `echo up; sleep 1000`)
	r.waitLine(t, "up")
	stat, err := readStat(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	later := stat
	later.start++
	if err := killProcess(later); !errors.Is(err, unix.ESRCH) {
		t.Errorf("another process was killed: %v", err)
	}
	if err := killProcess(stat); err != nil {
		t.Error(err)
	}
	waitDone(t, p)
	if time.Since(p.StartedAt()) > testkit.Timeout {
		t.Errorf("started at %v", p.StartedAt())
	}
}
