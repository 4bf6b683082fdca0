package e2e

import (
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// The stop of a ripd that has taken another one's sockets over waits for clients that are
// connected and have said nothing yet, as that of the first one does.
func TestStopAfterUpgradeWaitsForClients(t *testing.T) {
	for _, upgrades := range []int{0, 1, 2} {
		a := serve(t, "demo", "w:1")
		pid := a.ripd.PID()
		for range upgrades {
			if code, out, errOut := a.ctl("upgrade"); code != 0 {
				t.Fatalf("ripctl upgrade: exit code %d\n%s%s", code, out, errOut)
			}
			pid = a.successor(t, pid).PID
		}
		u, err := url.Parse(a.url)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", u.Host) // later, the last one that got in
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if code, out, errOut := a.ctl("stop"); code != 0 {
				t.Errorf("ripctl stop: exit code %d\n%s%s", code, out, errOut)
			}
		}()
		testkit.Eventually(t, startMost, func() bool {
			next, err := net.Dial("tcp", u.Host)
			if err != nil {
				return errors.Is(err, syscall.ECONNREFUSED)
			}
			c.Close()
			c = next
			return false
		}, "no new clients")
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		if _, err := io.WriteString(c, "GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Errorf("%d upgrades: %v", upgrades, err)
		}
		if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
			t.Errorf("%d upgrades: %q, %v", upgrades, answer, err)
		}
		testkit.Closed(t, startMost, ended)
		testkit.Eventually(t, startMost, func() bool { return syscall.Kill(pid, 0) != nil }, "the end of process %d", pid)
	}
}
