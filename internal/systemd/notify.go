package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

const (
	// maxStatus bounds the status text, in bytes. systemd refuses a message of
	// more than 4096 (NOTIFY_BUFFER_MAX of its manager).
	maxStatus = 1024
	// maxPending bounds the messages that wait for a systemd that is busy.
	maxPending = 16
	// retryEvery is how often a waiting message is tried again.
	retryEvery = 100 * time.Millisecond
)

// Notifier tells systemd about the service's state. Its methods never block:
// what systemd does not take at once is sent a little later, in order. They may
// be called from several goroutines at once, and do nothing when nobody
// listens (no NOTIFY_SOCKET) or on a nil *Notifier. An error means that the
// message could not be sent and will not be.
type Notifier struct {
	fd      int
	address unix.Sockaddr // nil: nobody listens

	mu      sync.Mutex
	pending []message // in order; not empty while the goroutine runs
	closed  bool
	muted   bool
	stop    chan struct{}
	done    sync.WaitGroup
}

// message is one datagram. A status alone may be replaced by a newer one.
type message struct {
	text   string
	status bool
}

// NewNotifier reads NOTIFY_SOCKET and removes it from the environment, so that
// no child takes it for its own. On an error (an address that no unix socket
// has) the notifier does nothing.
func NewNotifier() (*Notifier, error) {
	n := &Notifier{fd: -1, stop: make(chan struct{})}
	path := os.Getenv("NOTIFY_SOCKET")
	_ = os.Unsetenv("NOTIFY_SOCKET") // it fails for malformed names only
	if path == "" {
		return n, nil
	}
	// A leading @ is an abstract address, as in package unix.
	if path[0] != '/' && path[0] != '@' || len(path) > len(unix.RawSockaddrUnix{}.Path)-1 {
		return n, fmt.Errorf("NOTIFY_SOCKET=%q is not the address of a unix socket", path)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return n, fmt.Errorf("a socket for NOTIFY_SOCKET: %w", err)
	}
	n.fd, n.address = fd, &unix.SockaddrUnix{Name: path}
	return n, nil
}

// Enabled reports whether somebody listens.
func (n *Notifier) Enabled() bool { return n != nil && n.address != nil }

// Ready says that the service is up, or that its reload has ended. status is
// the line that systemctl status shows; "" leaves it as it is.
func (n *Notifier) Ready(status string) error {
	return n.send(daemon.SdNotifyReady, status)
}

// Reloading says that a reload begins; Ready ends it. The time that systemd
// needs to tell this reload from an earlier one (Type=notify-reload) goes with
// it.
func (n *Notifier) Reloading(status string) error {
	now, err := daemon.SdNotifyMonotonicUsec(), error(nil)
	if now == "" {
		err = errors.New("no monotonic clock")
	}
	return errors.Join(err, n.send(daemon.SdNotifyReloading+"\n"+strings.TrimSpace(now), status))
}

// Stopping says that the service ends.
func (n *Notifier) Stopping(status string) error {
	return n.send(daemon.SdNotifyStopping, status)
}

// Status sets the line that systemctl status shows. It is cut at 1024 bytes,
// and control characters become spaces: a line end would start an assignment.
func (n *Notifier) Status(status string) error { return n.send("", status) }

// Watchdog says that the service lives (WATCHDOG=1). It has to be said at least once in
// each interval that WatchdogInterval gives.
func (n *Notifier) Watchdog() error { return n.send(daemon.SdNotifyWatchdog, "") }

// WatchdogInterval tells how often systemd wants to hear of the service
// (WatchdogSec=, systemd.service(5)), 0 when it does not, and takes the
// variables WATCHDOG_USEC and WATCHDOG_PID out of the environment.
func WatchdogInterval() (time.Duration, error) { return daemon.SdWatchdogEnabled(true) }

// ExtendTimeout asks that the start, reload or stop under way gets at least d
// from now on (EXTEND_TIMEOUT_USEC). It must be repeated before d has passed.
func (n *Notifier) ExtendTimeout(d time.Duration) error {
	return n.send("EXTEND_TIMEOUT_USEC="+strconv.FormatInt(max(d, 0).Microseconds(), 10), "")
}

func (n *Notifier) send(assignment, status string) error {
	if !n.Enabled() {
		return nil
	}
	m := message{text: assignment, status: assignment == ""}
	if status != "" || assignment == "" {
		m.text = strings.TrimPrefix(m.text+"\nSTATUS="+oneLine(status), "\n")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errors.New("the notifier is closed")
	}
	if n.muted {
		return nil
	}
	if len(n.pending) > 0 {
		return n.enqueue(m)
	}
	err := n.try(m)
	if !busy(err) {
		return err
	}
	n.pending = append(n.pending, m)
	n.done.Go(n.resend)
	return nil
}

// oneLine makes status fit into its assignment.
func oneLine(status string) string {
	status = strings.ToValidUTF8(status, "?")
	status = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, status)
	if len(status) > maxStatus {
		status = strings.ToValidUTF8(status[:maxStatus-len("…")], "") + "…"
	}
	return status
}

// enqueue adds m to what waits; the caller holds mu.
func (n *Notifier) enqueue(m message) error {
	if last := &n.pending[len(n.pending)-1]; m.status && last.status {
		*last = m
		return nil
	}
	if len(n.pending) == maxPending {
		return fmt.Errorf("systemd has not taken the last %d messages", maxPending)
	}
	n.pending = append(n.pending, m)
	return nil
}

// resend sends what waits, until nothing does.
func (n *Notifier) resend() {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-tick.C:
		}
		n.mu.Lock()
		sent := n.sendPending()
		n.mu.Unlock()
		if sent {
			return
		}
	}
}

// sendPending reports whether nothing waits any more; the caller holds mu.
func (n *Notifier) sendPending() bool {
	for len(n.pending) > 0 {
		if busy(n.try(n.pending[0])) {
			return false
		}
		// Sent, or refused for good: systemd is gone, and nobody waits to be told.
		n.pending = n.pending[1:]
	}
	return true
}

// try sends one datagram, at once or not at all.
func (n *Notifier) try(m message) error {
	for {
		err := unix.Sendto(n.fd, []byte(m.text), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, n.address)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("telling systemd: %w", err)
		}
	}
}

// busy reports whether the receiver may take the message later.
func busy(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// Close sends what waits if systemd takes it at once, gives up the rest, and
// ends the goroutine. It returns an error when something was given up.
func (n *Notifier) Close() error {
	if !n.Enabled() {
		return nil
	}
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.sendPending()
	given := len(n.pending)
	n.closed, n.pending = true, nil
	close(n.stop)
	n.mu.Unlock()
	n.done.Wait()
	err := unix.Close(n.fd)
	if given > 0 {
		err = errors.Join(err, fmt.Errorf("systemd has not taken the last %d messages", given))
	}
	return err
}
