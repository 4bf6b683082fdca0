package testkit

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWithin(t *testing.T) {
	calls := 0
	if !Within(Timeout, func() bool { calls++; return calls == 5 }) || calls != 5 {
		t.Errorf("ended after %d calls", calls)
	}
	if Within(time.Millisecond, func() bool { return false }) {
		t.Error("false became true")
	}
}

func TestTempSocketIsShort(t *testing.T) {
	t.Run(strings.Repeat("a test with a very long name ", 8), func(t *testing.T) {
		path := TempSocket(t, "rip_main_"+strings.Repeat("a", 40)+".12.sock")
		if filepath.Dir(filepath.Dir(path)) != "/tmp" {
			t.Errorf("%s is not in a folder of /tmp", path)
		}
	})
}

func TestFakeClock(t *testing.T) {
	c := NewFakeClock()
	start := c.Now()
	var order []string
	note := func(what string) func() {
		return func() { order = append(order, what+c.Since(start).String()) }
	}
	c.AfterFunc(2*time.Second, note("b"))
	c.AfterFunc(time.Second, func() {
		note("a")()
		c.AfterFunc(500*time.Millisecond, note("nested"))
	})
	stop := c.AfterFunc(time.Second, note("stopped"))
	if !stop() || stop() {
		t.Error("stop takes a timer back once")
	}
	timer, _ := c.NewTimer(3 * time.Second)
	tick, end := c.NewTicker(2 * time.Second)

	c.Advance(2 * time.Second)
	if got := strings.Join(order, " "); got != "a1s nested1.5s b2s" {
		t.Errorf("fired %q", got)
	}
	if at := Receive(t, Timeout, tick); at.Sub(start) != 2*time.Second {
		t.Errorf("ticked at %v", at.Sub(start))
	}
	c.Advance(time.Hour)
	if at := Receive(t, Timeout, timer); at.Sub(start) != 3*time.Second {
		t.Errorf("the timer fired at %v", at.Sub(start))
	}
	if at := Receive(t, Timeout, tick); at.Sub(start) != 4*time.Second {
		t.Errorf("ticked at %v, and ticks nobody takes are dropped", at.Sub(start))
	}
	end()
	if n := c.Pending(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

func TestChildEndsWithItsGroup(t *testing.T) {
	Need(t, "sh", "sleep")
	var child *Child
	t.Run("start", func(t *testing.T) {
		child = StartProgram(t, "sh", "-c", "sleep 1000 & echo started; wait")
		child.Stdout.WaitFor(t, Timeout, "started")
	})
	if code := child.ExitCode(); code != -1 {
		t.Errorf("exit code %d after SIGKILL", code)
	}
	// The group is gone as soon as its last member was reaped by init.
	Eventually(t, Timeout, func() bool { return child.SignalGroup(0) == syscall.ESRCH || zombies(child.PID()) })
}

// zombies reports whether all that is left of the group has ended and waits
// to be reaped, as happens under a first process that reaps late.
func zombies(group int) bool {
	out, _ := exec.Command("ps", "-o", "stat=", "--no-headers", "-g", strconv.Itoa(group)).Output()
	for _, line := range strings.Fields(string(out)) {
		if !strings.HasPrefix(line, "Z") {
			return false
		}
	}
	return true
}

func TestChildExitCode(t *testing.T) {
	Need(t, "sh")
	child := StartProgram(t, "sh", "-c", "echo out; echo err >&2; exit 3")
	if code := child.Wait(t, Timeout); code != 3 {
		t.Errorf("exit code %d, not 3", code)
	}
	if child.Stdout.String() != "out\n" || child.Stderr.String() != "err\n" {
		t.Errorf("output %q and %q", child.Stdout, child.Stderr)
	}
}
