package main

import (
	"bytes"
	"fmt"

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
	events := make([]unix.EpollEvent, workerEvents)
	buf := make([]byte, workerBuffer)
	for {
		n, err := unix.EpollWait(epoll, events, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, event := range events[:max(n, 0)] {
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
	n, err := unix.Read(fd, buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if n <= 0 {
		unix.Close(fd)
		return
	}
	for range bytes.Count(buf[:n], []byte("\r\n\r\n")) {
		if _, err := unix.Write(fd, pong); err != nil {
			unix.Close(fd)
			return
		}
	}
}
