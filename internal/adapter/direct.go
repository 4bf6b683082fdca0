package adapter

import (
	"io"
	"net"
	"os"
	"syscall"
	"unsafe"
)

// directListener gives out connections that read and write past Go's scheduler.
//
// A worker with one request at a time falls asleep after each. The first system
// call that the scheduler knows of, after such a sleep, wakes the thread that looks
// for calls that block: one wake-up more than the request itself needs. These calls
// do not block, so it need not know. A /ping took 20 µs of the worker's CPU time
// instead of 36 (wrk -c512), and it slept 1.1 times instead of 2.6.
type directListener struct{ net.Listener }

// Accept returns a directConn.
func (l directListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return c, nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		c.Close()
		return nil, err
	}
	return &directConn{Conn: c, raw: raw}, nil
}

type directConn struct {
	net.Conn
	raw syscall.RawConn
}

// Read waits for bytes as the connection's own Read does, with its deadlines.
func (c *directConn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	var errno syscall.Errno
	err = c.raw.Read(func(fd uintptr) (done bool) {
		n, errno = transfer(syscall.SYS_RECVFROM, fd, b)
		return errno != syscall.EAGAIN
	})
	if err == nil && errno == 0 && n == 0 {
		return 0, io.EOF
	}
	return n, c.failure("read", err, errno)
}

// Write writes all of b, unless there is an error.
func (c *directConn) Write(b []byte) (n int, err error) {
	var errno syscall.Errno
	err = c.raw.Write(func(fd uintptr) (done bool) {
		for n < len(b) && errno == 0 {
			var some int
			some, errno = transfer(syscall.SYS_SENDTO, fd, b[n:])
			n += some
		}
		if errno == syscall.EAGAIN {
			errno = 0
			return false
		}
		return true
	})
	return n, c.failure("write", err, errno)
}

// failure makes an error as the net package's of what went wrong, if anything did.
func (c *directConn) failure(op string, err error, errno syscall.Errno) error {
	if err != nil || errno == 0 {
		return err
	}
	return &net.OpError{Op: op, Net: "unix", Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, errno)}
}

// transfer receives or sends what is possible at once; b is not empty.
func transfer(call, fd uintptr, b []byte) (n int, errno syscall.Errno) {
	for {
		r, _, e := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch e {
		case 0:
			return int(r), 0
		case syscall.EINTR:
		default:
			return 0, e
		}
	}
}
