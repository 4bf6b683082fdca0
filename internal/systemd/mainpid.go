package systemd

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Mute keeps quiet until Speak: a process that is not the service's main one yet
// would be refused (NotifyAccess=main, systemd.service(5)), and each refusal is a
// warning in the journal. What is said meanwhile is lost.
func (n *Notifier) Mute() { n.setMuted(true) }

// Speak ends Mute.
func (n *Notifier) Speak() { n.setMuted(false) }

func (n *Notifier) setMuted(muted bool) {
	if !n.Enabled() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.muted = muted
}

// MainPID says that another process is the service's main one from now on, and
// returns when systemd has taken that in (a barrier, sd_notify_barrier(3)), after
// wait at the latest. Then this process is muted: systemd would not believe
// it any more. On an error systemd may or may not have changed its mind, and
// the process is not muted.
func (n *Notifier) MainPID(pid int, wait time.Duration) error {
	if !n.Enabled() {
		return nil
	}
	if err := n.settle(message{text: "MAINPID=" + strconv.Itoa(pid)}, time.Now().Add(wait)); err != nil {
		return err
	}
	if err := n.barrier(wait); err != nil {
		return err
	}
	n.Mute()
	return nil
}

// settle sends m behind all that waits, and waits until it is sent.
func (n *Notifier) settle(m message, deadline time.Time) error {
	for {
		n.mu.Lock()
		err := fmt.Errorf("systemd does not take messages")
		if !n.closed && n.sendPending() {
			err = n.try(m)
		}
		n.mu.Unlock()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// barrier waits until systemd has handled everything that was sent before: it
// closes the descriptor that goes with the message.
func (n *Notifier) barrier(wait time.Duration) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("a barrier for systemd: %w", err)
	}
	defer read.Close()
	err = unix.Sendmsg(n.fd, []byte("BARRIER=1"), unix.UnixRights(int(write.Fd())), n.address, unix.MSG_NOSIGNAL)
	write.Close()
	if err != nil {
		return fmt.Errorf("a barrier for systemd: %w", err)
	}
	if err := read.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return fmt.Errorf("a barrier for systemd: %w", err)
	}
	if _, err := read.Read(make([]byte, 1)); os.IsTimeout(err) {
		return fmt.Errorf("systemd has not answered within %v", wait)
	}
	return nil
}
