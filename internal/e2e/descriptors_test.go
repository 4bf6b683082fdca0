package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// ripd has no descriptor left, with clients that hold all it has: no worker that
// lives is lost, who asks is answered one way or another, and all is well when
// descriptors are there again.
func TestOutOfDescriptors(t *testing.T) {
	a := serve(t, "demo", "w:2")
	if got := a.do("GET", "/ping", ""); !isPong(got) {
		t.Fatal(got)
	}
	address := strings.TrimPrefix(a.url, "http://")
	pid := a.ripd.PID()
	before := a.workers(t)

	var was unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &was); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	// Room for 20 more, which the clients take.
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(open) + 20), Max: was.Max}, nil); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
		_, _ = io.WriteString(c, "GET / HT") // it may have had to make room; silent ones do not come to ripd
	}
	// Those that do not ask make room for those that do, in time.
	for range 20 {
		if got := a.do("GET", "/ping", ""); !isPong(got) && !strings.HasPrefix(got, "503 ") {
			t.Errorf("without descriptors: %q", got)
		}
	}
	testkit.Eventually(t, startMost, func() bool { return isPong(a.do("GET", "/ping", "")) }, "an answer of a worker")
	if now := a.workers(t); len(now) != len(before) || now[0].PID != before[0].PID || now[1].PID != before[1].PID {
		t.Errorf("workers %+v, %+v before", now, before)
	}
	// A worker that dies now has a successor when there is room for one.
	if err := syscall.Kill(before[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, c := range idle {
		c.Close()
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &was, nil); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, startMost, func() bool {
		s, err := a.status()
		return err == nil && s.Workers.Ready == 2
	}, "two workers")
	_, text, _ := a.ctl("metrics")
	if !strings.Contains(text, `limit="open-files"`) || strings.Contains(text, `limit="open-files"} 0`) {
		t.Error("the lack of descriptors is not counted")
	}
	ends(t, a)
}
