package testkit

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Bounds of a child's output, in bytes.
const (
	outputMax = 1 << 20  // kept
	outputLog = 16 << 10 // its end, logged when the test failed
)

// Child is a process that a test started. It has a process group of its own,
// and the whole group is killed when the test ends.
type Child struct {
	Cmd *exec.Cmd
	// Stdout and Stderr hold what the child has written so far.
	Stdout, Stderr *Output

	done chan struct{}
	err  error // of Wait; to be read after done
}

// Start starts cmd, whose Stdout and Stderr it takes over, and kills its
// process group when the test ends. The output is logged if the test failed.
func Start(t testing.TB, cmd *exec.Cmd) *Child {
	t.Helper()
	c := &Child{Cmd: cmd, Stdout: &Output{}, Stderr: &Output{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	// A grandchild that keeps the pipes open must not hold up Wait for ever.
	cmd.WaitDelay = Timeout
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("%s\nstdout:\n%s\nstderr:\n%s", strings.Join(cmd.Args, " "), c.Stdout.tail(), c.Stderr.tail())
		}
	})
	return c
}

// StartProgram is Start for a program of $PATH and its arguments.
func StartProgram(t testing.TB, program string, args ...string) *Child {
	t.Helper()
	return Start(t, exec.Command(program, args...))
}

// PID returns the child's process id, which is its group's id too.
func (c *Child) PID() int { return c.Cmd.Process.Pid }

// Signal sends sig to the child alone, as `kill` does.
func (c *Child) Signal(sig syscall.Signal) error { return c.Cmd.Process.Signal(sig) }

// SignalGroup sends sig to the child's process group, as a terminal does for
// Ctrl-C.
func (c *Child) SignalGroup(sig syscall.Signal) error { return syscall.Kill(-c.PID(), sig) }

// Kill kills the child's process group and returns when the child was reaped.
// It may be called when the child has ended.
func (c *Child) Kill() {
	// The group's id stays taken as long as one of its members lives, so this
	// reaches what a child that has ended has left behind, and nobody else.
	_ = c.SignalGroup(syscall.SIGKILL)
	<-c.done
}

// Done is closed when the child has ended and its output is complete.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait waits for the child's end and returns its exit code, or -1 when a
// signal ended it. It fails the test when the child still runs after timeout.
func (c *Child) Wait(t testing.TB, timeout time.Duration) int {
	t.Helper()
	Closed(t, timeout, c.done, "the end of %s", c.Cmd.Path)
	return c.ExitCode()
}

// ExitCode returns the exit code of a child that has ended (see Done), -1 when
// a signal ended it.
func (c *Child) ExitCode() int {
	<-c.done
	var exit *exec.ExitError
	if c.err != nil && !errors.As(c.err, &exit) && c.Cmd.ProcessState == nil {
		return -1
	}
	return c.Cmd.ProcessState.ExitCode()
}

// Output collects what a process writes, up to 1 MiB. It is safe for use by
// several goroutines. The zero value is ready.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends p, or what of it still has a place, and never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p[:min(len(p), outputMax-o.buf.Len())])
	return len(p), nil
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// tail returns the end of what was written.
func (o *Output) tail() string {
	text := o.String()
	if len(text) <= outputLog {
		return text
	}
	return "…" + text[len(text)-outputLog:]
}

// WaitFor waits until the output contains text, and fails the test when it
// does not within timeout.
func (o *Output) WaitFor(t testing.TB, timeout time.Duration, text string) {
	t.Helper()
	if !Within(timeout, func() bool { return strings.Contains(o.String(), text) }) {
		t.Fatalf("no %q within %v in:\n%s", text, timeout, o)
	}
}
