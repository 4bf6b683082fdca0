package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// maxFiles bounds how many descriptors are taken over.
const maxFiles = 1024

// Handed holds the listening sockets that systemd has handed over. The zero
// value holds none. It is not safe for use by several goroutines at once.
type Handed struct {
	listeners map[string][]net.Listener
	odd       []Odd
}

// Odd is a descriptor that ripd cannot use. It has been closed.
type Odd struct {
	// Name is what systemd gave it, LISTEN_FD_3 or the like when it has none.
	Name string
	// FD is its number, from 3.
	FD int
	// Problem says what it is or lacks.
	Problem string
}

// String names the descriptor and its problem.
func (o Odd) String() string { return fmt.Sprintf("descriptor %d (%s): %s", o.FD, o.Name, o.Problem) }

// Files takes over the descriptors that systemd has handed over, and removes
// LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from the environment, also when
// they were meant for another process. The descriptors are closed on exec. It
// is called once, at the start, before any other descriptor is opened. The
// error says that LISTEN_FDS is not a number that makes sense.
func Files() (*Handed, error) {
	count, ours := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid())
	if n, err := strconv.Atoi(count); ours && count != "" && (err != nil || n < 0 || n > maxFiles) {
		for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
			_ = os.Unsetenv(name) // it fails for malformed names only
		}
		return &Handed{}, fmt.Errorf("LISTEN_FDS=%q is not a number of descriptors (0 to %d)", count, maxFiles)
	}
	return dispatch(activation.Files(true)), nil
}

// dispatch keeps what ripd can use, by name, and closes the rest.
func dispatch(files []*os.File) *Handed {
	h := &Handed{listeners: map[string][]net.Listener{}}
	for _, f := range files {
		fd := int(f.Fd())
		listener, err := listen(f)
		if err != nil {
			h.odd = append(h.odd, Odd{f.Name(), fd, err.Error()})
		} else {
			h.listeners[f.Name()] = append(h.listeners[f.Name()], listener)
		}
		_ = f.Close() // the listener has a descriptor of its own
	}
	return h
}

// listen makes a listener of f, or says why it is none for ripd.
func listen(f *os.File) (net.Listener, error) {
	if !slices.Contains([]string{HTTP, HTTPS, Control, Metrics}, f.Name()) {
		return nil, fmt.Errorf("ripd knows no socket of this name: FileDescriptorName= of its unit is %s, %s, %s or %s", HTTP, HTTPS, Control, Metrics)
	}
	if kind := kindOf(int(f.Fd())); kind != "" {
		return nil, fmt.Errorf("it is %s, not a listening stream socket (ListenStream=, Accept=no)", kind)
	}
	listener, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("it cannot be listened on: %w", err)
	}
	return listener, nil
}

// kindOf says what a descriptor is, in words, unless it is a listening stream
// socket.
func kindOf(fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "not open"
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return socketKind(fd)
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "of an unknown kind"
}

func socketKind(fd int) string {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return "a socket that does not tell what it is"
	}
	switch domain {
	case unix.AF_INET, unix.AF_INET6, unix.AF_UNIX:
	case unix.AF_VSOCK:
		return "a socket for virtual machines"
	case unix.AF_NETLINK:
		return "a netlink socket"
	default:
		return "a socket of the address family " + strconv.Itoa(domain)
	}
	switch kind, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); kind {
	case unix.SOCK_STREAM:
	case unix.SOCK_DGRAM:
		return "a datagram socket"
	case unix.SOCK_SEQPACKET:
		return "a sequential-packet socket"
	default:
		return "a socket of the type " + strconv.Itoa(kind)
	}
	if listens, _ := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); listens == 0 {
		return "a connection"
	}
	return ""
}

// Any reports whether systemd has handed over anything that ripd can use and
// nobody has taken yet.
func (h *Handed) Any() bool { return len(h.listeners) > 0 }

// Take returns the listeners of a name, in systemd's order, which says nothing
// across units. The caller owns them; a second Take returns none. Closing a
// listener leaves its unix socket's file in place: it belongs to systemd.
func (h *Handed) Take(name string) []net.Listener {
	l := h.listeners[name]
	delete(h.listeners, name)
	return l
}

// Odd returns what was handed over and cannot be used.
func (h *Handed) Odd() []Odd { return h.odd }

// Close closes what nobody took, and returns its names, sorted.
func (h *Handed) Close() (names []string, err error) {
	for name, listeners := range h.listeners {
		names = append(names, name)
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
	}
	h.listeners = nil
	slices.SortFunc(names, strings.Compare)
	return names, err
}
