package journal

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// SystemSocket is where systemd's journal takes messages in its native protocol.
const SystemSocket = "/run/systemd/journal/socket"

// sendPatience is how long one attempt to send waits for a journal that takes
// nothing. Then there is another one, until the sender is to end.
const sendPatience = time.Second

// Sender sends entries to systemd's journal. One goroutine, the Sink's, sends
// with it; it may wait there for as long as the journal takes nothing.
type Sender struct {
	path string
	room []byte // of one datagram

	mu   sync.Mutex
	conn *net.UnixConn // nil: to be connected
	last time.Time     // not zero: when sending has to be over
}

// NewSender connects to the journal at path. An error means that there is none.
func NewSender(path string) (*Sender, error) {
	s := &Sender{path: path}
	if _, err := s.connect(); err != nil {
		return nil, err
	}
	return s, nil
}

// connect gives the connection, a new one if there is none.
func (s *Sender) connect() (*net.UnixConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"})
		if err != nil {
			return nil, fmt.Errorf("connect to systemd's journal: %w", err)
		}
		s.conn = c
	}
	until := time.Now().Add(sendPatience)
	if !s.last.IsZero() && s.last.Before(until) {
		until = s.last
	}
	if err := s.conn.SetWriteDeadline(until); err != nil {
		return nil, fmt.Errorf("send to systemd's journal: %w", err)
	}
	return s.conn, nil
}

// SetWriteDeadline ends what waits, and all that is sent later, at that time.
func (s *Sender) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = t
	if s.conn == nil {
		return nil
	}
	return s.conn.SetWriteDeadline(t)
}

// ended reports whether nothing is to be sent any more.
func (s *Sender) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.last.IsZero() && !time.Now().Before(s.last)
}

// send sends a batch of entries, and gives how many messages the journal did not take.
func (s *Sender) send(batch []byte) (lost int) {
	for _, m := range messages(batch) {
		s.room = m.datagram(s.room[:0])
		if err := s.one(s.room); err != nil {
			lost++
		}
	}
	if cap(s.room) > maxJoined {
		s.room = nil
	}
	return lost
}

// one sends one datagram. A journal that was started anew is connected to again.
func (s *Sender) one(datagram []byte) error {
	for again := true; ; {
		c, err := s.connect()
		if err != nil {
			return err
		}
		_, err = c.Write(datagram)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS):
			return s.large(c, datagram)
		case errors.Is(err, os.ErrDeadlineExceeded) && !s.ended():
			continue
		case again && !s.ended():
			again = false
			s.drop()
			continue
		}
		return err
	}
}

// drop closes a connection that nobody listens to any more.
func (s *Sender) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// large sends what does not fit into a datagram: as a file in memory, sealed so
// that the journal can trust it not to change.
func (s *Sender) large(c *net.UnixConn, datagram []byte) error {
	fd, err := unix.MemfdCreate("ripd-journal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "ripd-journal")
	defer f.Close()
	if _, err := f.Write(datagram); err != nil {
		return fmt.Errorf("a file in memory: %w", err)
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("seal a file in memory: %w", err)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return fmt.Errorf("send a file to systemd's journal: %w", err)
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = unix.Sendmsg(int(fd), nil, unix.UnixRights(int(f.Fd())), nil, unix.MSG_NOSIGNAL)
		return failed != unix.EAGAIN
	})
	if err = cmp.Or(err, failed); err != nil {
		return fmt.Errorf("send a file to systemd's journal: %w", err)
	}
	return nil
}

// Close ends the connection.
func (s *Sender) Close() error {
	s.drop()
	return nil
}
