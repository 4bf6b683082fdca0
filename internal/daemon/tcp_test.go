package daemon

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// TestProbes compares a connection that has inherited its options with one for which
// net sets them, as it does with systemd's sockets.
func TestProbes(t *testing.T) {
	ours, err := listenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if protocol := option(t, ours.(*net.TCPListener), unix.SOL_SOCKET, unix.SO_PROTOCOL); protocol != unix.IPPROTO_TCP {
		t.Errorf("the listening socket has protocol %d, want TCP", protocol)
	}
	theirs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	got, want := optionsBehind(t, ours), optionsBehind(t, theirs)
	if got != want {
		t.Errorf("a connection has %+v, want %+v", got, want)
	}
	if got.alive != 1 || got.noDelay != 1 {
		t.Errorf("a connection has %+v: no probes, or small answers that wait", got)
	}
}

// tcpOptions are those of a connection that net and listenTCP see to.
type tcpOptions struct{ alive, idle, pause, misses, noDelay int }

// optionsBehind connects to l, and tells what the accepted connection has.
func optionsBehind(t *testing.T, l net.Listener) tcpOptions {
	t.Helper()
	defer l.Close()
	client, err := net.DialTimeout("tcp", l.Addr().String(), testkit.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tcp := c.(*net.TCPConn)
	return tcpOptions{
		alive:   option(t, tcp, unix.SOL_SOCKET, unix.SO_KEEPALIVE),
		idle:    option(t, tcp, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE),
		pause:   option(t, tcp, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL),
		misses:  option(t, tcp, unix.IPPROTO_TCP, unix.TCP_KEEPCNT),
		noDelay: option(t, tcp, unix.IPPROTO_TCP, unix.TCP_NODELAY),
	}
}

// option reads a number that a socket has.
func option(t *testing.T, s syscall.Conn, level, name int) (value int) {
	t.Helper()
	raw, err := s.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got error
	if err := raw.Control(func(fd uintptr) { value, got = unix.GetsockoptInt(int(fd), level, name) }); err != nil || got != nil {
		t.Fatal(err, got)
	}
	return value
}
