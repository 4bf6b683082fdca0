package systemd

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// takeBarrier reads the barrier and gives the descriptor that came with it.
func (m *manager) takeBarrier() int {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		m.t.Fatal(err)
	}
	buf, oob := make([]byte, 64), make([]byte, 64)
	n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
	if err != nil || string(buf[:n]) != "BARRIER=1" {
		m.t.Fatalf("%q, %v", buf[:n], err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(messages) != 1 {
		m.t.Fatalf("%d messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		m.t.Fatalf("%v, %v", fds, err)
	}
	return fds[0]
}

func TestMainPIDWaitsForTheBarrier(t *testing.T) {
	m := newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	done := make(chan error, 1)
	go func() { done <- n.MainPID(4711, testkit.Timeout) }()
	if got := m.receive(); got != "MAINPID=4711" {
		t.Fatalf("%q", got)
	}
	fd := m.takeBarrier()
	select {
	case err := <-done:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	unix.Close(fd)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// From now on nobody would believe it.
	if err := n.Stopping("x"); err != nil {
		t.Error(err)
	}
	n.Speak()
	if err := n.Status("y"); err != nil {
		t.Error(err)
	}
	if got := m.receive(); got != "STATUS=y" {
		t.Errorf("%q", got)
	}
}

func TestMainPIDGivesUp(t *testing.T) {
	m := newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	if err := n.MainPID(1, time.Millisecond); err == nil {
		t.Error("no error")
	}
	m.receive()
	unix.Close(m.takeBarrier())
	if err := n.Status("still heard"); err != nil {
		t.Error(err)
	}
	if got := m.receive(); got != "STATUS=still heard" {
		t.Errorf("%q", got)
	}
}

func TestMuted(t *testing.T) {
	m := newManager(t, filepath.Join(testkit.TempSocketDir(t), "notify"))
	n := notifier(t)
	n.Mute()
	if err := n.Ready("no"); err != nil {
		t.Error(err)
	}
	n.Speak()
	if err := n.Ready("yes"); err != nil {
		t.Error(err)
	}
	if got := m.receive(); got != "READY=1\nSTATUS=yes" {
		t.Errorf("%q", got)
	}
}
