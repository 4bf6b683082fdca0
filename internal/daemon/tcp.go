package daemon

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Keep-alive probes of clients' connections, by which a client whose machine is gone
// is noticed while nothing is sent. They are what Go gives every connection
// (net.KeepAliveConfig).
const (
	probeIdle   = 15 * time.Second // without a byte, until the first
	probePause  = 15 * time.Second // between two
	probeMisses = 9                // unanswered ones, which end the connection
)

// tcpListening opens listening sockets whose connections inherit the probes, where net
// would turn them on with four system calls for each (3 to 6 % of the CPU time of a request
// on a connection of its own). Multipath TCP, which is Go's default for listening, is left
// out: systemd's sockets do not have it either.
var tcpListening = func() net.ListenConfig {
	c := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		var set error
		return errors.Join(raw.Control(func(fd uintptr) { set = inherited(int(fd)) }), set)
	}}
	c.SetMultipathTCP(false)
	return c
}()

// listenTCP listens on a TCP address.
func listenTCP(address string) (net.Listener, error) {
	return tcpListening.Listen(context.Background(), "tcp", address)
}

// inherited turns the probes on; accepted connections have the options of their listening
// socket (tcp(7)).
func inherited(fd int) error {
	return errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(probeIdle/time.Second)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(probePause/time.Second)),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probeMisses),
	)
}
