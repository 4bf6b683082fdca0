package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// manager is a notify socket as systemd has one.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager listens and points NOTIFY_SOCKET there.
func newManager(t *testing.T, path string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

func (m *manager) receive() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buf[:n])
}

func notifier(t *testing.T) *Notifier {
	t.Helper()
	n, err := NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func TestNotifier(t *testing.T) {
	for name, path := range map[string]string{
		"path":     filepath.Join(testkit.TempSocketDir(t), "notify"),
		"abstract": "@ripd-test-" + strconv.Itoa(os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, path)
			n := notifier(t)
			if _, ok := os.LookupEnv("NOTIFY_SOCKET"); ok {
				t.Error("NOTIFY_SOCKET is left for children")
			}
			if !n.Enabled() {
				t.Fatal("not enabled")
			}
			for _, test := range []struct {
				err  error
				want string
			}{
				{n.Ready("serving"), "READY=1\nSTATUS=serving"},
				{n.Ready(""), "READY=1"},
				{n.Status("4 workers"), "STATUS=4 workers"},
				{n.Status(""), "STATUS="},
				{n.Status("a\nMAINPID=1\r\x00b\xff"), "STATUS=a MAINPID=1  b?"},
				{n.ExtendTimeout(1500 * time.Millisecond), "EXTEND_TIMEOUT_USEC=1500000"},
				{n.ExtendTimeout(-1), "EXTEND_TIMEOUT_USEC=0"},
				{n.Stopping("draining"), "STOPPING=1\nSTATUS=draining"},
			} {
				if test.err != nil {
					t.Error(test.err)
				}
				if got := m.receive(); got != test.want {
					t.Errorf("%q, not %q", got, test.want)
				}
			}
		})
	}
}

func TestNotifierReloading(t *testing.T) {
	m := newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	var before, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
		t.Fatal(err)
	}
	if err := n.Reloading("rolling"); err != nil {
		t.Fatal(err)
	}
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &after); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(m.receive(), "\n")
	if len(lines) != 3 || lines[0] != "RELOADING=1" || lines[2] != "STATUS=rolling" {
		t.Fatalf("%q", lines)
	}
	usec, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "MONOTONIC_USEC="), 10, 64)
	if err != nil || usec < before.Nano()/1000 || usec > after.Nano()/1000 {
		t.Errorf("%q: %v", lines[1], err)
	}
}

func TestNotifierCutsTheStatus(t *testing.T) {
	m := newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	if err := n.Status(strings.Repeat("ä", 5000)); err != nil {
		t.Fatal(err)
	}
	got := strings.TrimPrefix(m.receive(), "STATUS=")
	if len(got) > maxStatus || len(got) < maxStatus-4 || strings.Trim(got, "ä") != "…" {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestNotifierWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	var none *Notifier
	for _, n := range []*Notifier{none, notifier(t)} {
		if n.Enabled() || n.Ready("x") != nil || n.Reloading("") != nil || n.Stopping("") != nil || n.Status("x") != nil || n.ExtendTimeout(1) != nil || n.Close() != nil {
			t.Error("it does something")
		}
	}
}

func TestNotifierWithABadAddress(t *testing.T) {
	for _, path := range []string{"relative", "vsock:2:1234", "/" + strings.Repeat("x", 108)} {
		t.Setenv("NOTIFY_SOCKET", path)
		n, err := NewNotifier()
		if err == nil || n.Enabled() || n.Ready("") != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNotifierWhenSystemdIsGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(testkit.TempSocketDir(t), "nobody"))
	if err := notifier(t).Ready(""); err == nil {
		t.Error("no error")
	}
}

// A manager that takes nothing never makes a caller wait; what it then takes
// is in order, with the newest status only.
func TestNotifierNeverBlocks(t *testing.T) {
	m := newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	sent := 0
	pending := func() int {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.pending)
	}
	for ; pending() == 0; sent++ {
		if err := n.ExtendTimeout(time.Duration(sent) * time.Microsecond); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if err := n.Status(strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Ready("up"); err != nil {
		t.Fatal(err)
	}
	for i := range sent {
		if got := m.receive(); got != "EXTEND_TIMEOUT_USEC="+strconv.Itoa(i) {
			t.Fatalf("message %d: %q", i, got)
		}
	}
	if got := m.receive(); got != "STATUS=99" {
		t.Errorf("%q", got)
	}
	if got := m.receive(); got != "READY=1\nSTATUS=up" {
		t.Errorf("%q", got)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return pending() == 0 })
}

func TestNotifierHasABound(t *testing.T) {
	newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	var err error
	for i := 0; err == nil; i++ {
		if err = n.ExtendTimeout(1); i > 100000 {
			t.Fatal("no bound")
		}
	}
	if len(n.pending) != maxPending {
		t.Errorf("%d wait: %v", len(n.pending), err)
	}
	if err := n.Close(); err == nil {
		t.Error("Close does not tell what was lost")
	}
	if err := n.Ready(""); err == nil {
		t.Error("a closed notifier sends")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
