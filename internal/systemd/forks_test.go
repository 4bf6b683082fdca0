package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// fakeProcess makes a process of a /proc: its program, and what it has open.
func fakeProcess(t *testing.T, proc, pid, program string, open ...string) {
	t.Helper()
	fds := filepath.Join(proc, pid, "fd")
	if err := os.MkdirAll(fds, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(proc, pid, "exe")); err != nil {
		t.Fatal(err)
	}
	for i, link := range open {
		if err := os.Symlink(link, fmt.Sprintf("%s/%d", fds, i)); err != nil {
			t.Fatal(err)
		}
	}
}

const itself = "/usr/lib/systemd/systemd"

// fakeProc makes a /proc whose process 1 has these children.
func fakeProc(t *testing.T, children string) string {
	t.Helper()
	proc := t.TempDir()
	fakeProcess(t, proc, "1", itself, "/dev/null", "socket:[7]", "socket:[8]")
	if err := os.MkdirAll(proc+"/1/task/1", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(proc+"/1/task/1/children", []byte(children), 0o644); err != nil {
		t.Fatal(err)
	}
	return proc
}

func TestForked(t *testing.T) {
	proc := fakeProc(t, "20 21 22 23 ")
	fakeProcess(t, proc, "20", "/usr/bin/ripd", "socket:[7]")     // a service
	fakeProcess(t, proc, "21", itself, "/dev/null", "socket:[9]") // a user's manager
	fakeProcess(t, proc, "22", itself, "/dev/null", "pipe:[8]")   // a fork that has closed all
	if forked(proc) {                                             // 23 has ended
		t.Error("there is no fork")
	}
	fakeProcess(t, proc, "23", itself, "/dev/null", "socket:[8]")
	if !forked(proc) {
		t.Error("a fork is not seen")
	}
}

func TestAwaitForks(t *testing.T) {
	if !awaitForks(t.TempDir(), time.Hour) {
		t.Error("it waits where there is no /proc")
	}
	proc := fakeProc(t, "30 ")
	fakeProcess(t, proc, "30", itself, "socket:[7]")
	if awaitForks(proc, 3*forksEvery) {
		t.Error("it does not wait")
	}
	done := make(chan bool, 1)
	go func() { done <- awaitForks(proc, time.Hour) }()
	if err := os.Remove(proc + "/30/fd/0"); err != nil {
		t.Fatal(err)
	}
	if !testkit.Receive(t, testkit.Timeout, done) {
		t.Error("it has not seen the end of the fork")
	}
	if !IsAwaitForks([]string{"ripd", AwaitForksArg}) || IsAwaitForks([]string{"ripd"}) || IsAwaitForks([]string{"ripd", AwaitForksArg, "x"}) {
		t.Error("the arguments are not told apart")
	}
}
