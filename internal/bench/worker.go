package main

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// workerArg makes this program a worker: `bench worker SOCKET`.
const workerArg = "worker"

// Bounds of the worker.
const (
	workerBacklog = 1024
	workerEvents  = 64
	workerBuffer  = 16 << 10 // bytes; the load's requests have some 300
)

var pong = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\npong\n")

// serveFast is a worker that costs as little as possible, so that the server
// before it is what is measured: one thread, one loop around epoll, no parsing
// but for the end of a head. It returns on errors only.
func serveFast(socket string) error {
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: socket}); err != nil {
		return fmt.Errorf("bind %s: %w", socket, err)
	}
	if err := unix.Listen(listener, workerBacklog); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := watch(epoll, listener); err != nil {
		return err
	}
	// Nothing else runs here: system calls that do not tell Go's scheduler save it
	// the handing over of its processor, which cost more than the answer.
	debug.SetGCPercent(-1)
	events := make([]unix.EpollEvent, workerEvents)
	buf := make([]byte, workerBuffer)
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), workerEvents, ^uintptr(0), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("epoll: %w", errno)
		}
		for _, event := range events[:n] {
			fd := int(event.Fd)
			if fd != listener {
				answer(fd, buf)
				continue
			}
			if conn, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK); err == nil {
				if err := watch(epoll, conn); err != nil {
					return err
				}
			}
		}
	}
}

func watch(epoll, fd int) error {
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// answer reads what is there and answers each head that ends in it. A head in
// two reads ends in the second one, which is enough for heads in a benchmark.
func answer(fd int, buf []byte) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return
	}
	if errno != 0 || n == 0 {
		unix.Close(fd)
		return
	}
	for range bytes.Count(buf[:n], []byte("\r\n\r\n")) {
		if _, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&pong[0])), uintptr(len(pong))); errno != 0 {
			unix.Close(fd)
			return
		}
	}
}
