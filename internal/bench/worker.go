package main

import (
	"bytes"
	"fmt"
	"runtime/debug"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// workerArg makes this program a worker: `bench worker SOCKET`.
const workerArg = "worker"

// What a worker serves, besides /ping and a body of any length that is sent to it.
const (
	bodyPath  = "/b/"  // and a number: an answer of so many bytes
	sleepPath = "/ms/" // and a number: the worker sleeps so many milliseconds first
)

// Bounds of the worker.
const (
	workerBacklog = 4096
	workerEvents  = 64
	workerBuffer  = 64 << 10  // bytes of one read
	bodyMost      = 16 << 20  // bytes of one answer
	workerMemory  = 256 << 20 // bytes before garbage is collected after all
)

// fastWorker is a worker that costs as little as possible, so that the server
// before it is what is measured: one thread, one loop around epoll, as little
// parsing as can be. It runs one request at a time, also when it sleeps.
type fastWorker struct {
	epoll, listener int
	buf             []byte
	conns           []workerConn   // by descriptor
	bodies          map[int][]byte // answers by their length
}

// workerConn is one connection's state.
type workerConn struct {
	head []byte // the part of a head that has come
	path []byte // of the request whose body is being read
	body int    // bytes of it that are to come
	out  []byte // what the socket did not take yet
}

var pong = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\npong\n")

// serveFast serves the socket. It returns on errors only.
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
	// A sleep is as long as was asked for; the default adds up to 50 µs.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("timer slack: %w", err)
	}
	// Nothing else runs here: system calls that do not tell Go's scheduler save it
	// the handing over of its processor, which cost more than the answer.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(workerMemory)
	w := &fastWorker{epoll: epoll, listener: listener, buf: make([]byte, workerBuffer), bodies: map[int][]byte{}}
	return w.run()
}

func (w *fastWorker) run() error {
	if err := w.watch(unix.EPOLL_CTL_ADD, w.listener, unix.EPOLLIN); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, workerEvents)
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.epoll), uintptr(unsafe.Pointer(&events[0])), workerEvents, ^uintptr(0), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("epoll: %w", errno)
		}
		for _, event := range events[:n] {
			fd := int(event.Fd)
			switch {
			case fd == w.listener:
				w.accept()
			case event.Events&unix.EPOLLOUT != 0:
				w.write(fd, nil)
			default:
				w.read(fd)
			}
		}
	}
}

func (w *fastWorker) watch(op, fd int, events uint32) error {
	if err := unix.EpollCtl(w.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func (w *fastWorker) accept() {
	fd, _, err := unix.Accept4(w.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return
	}
	for fd >= len(w.conns) {
		w.conns = append(w.conns, workerConn{})
	}
	w.conns[fd] = workerConn{}
	if w.watch(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN) != nil {
		unix.Close(fd)
	}
}

// read reads what is there, and answers each request that ends in it.
func (w *fastWorker) read(fd int) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&w.buf[0])), uintptr(len(w.buf)))
	if errno == unix.EAGAIN || errno == unix.EINTR {
		return
	}
	if errno != 0 || n == 0 {
		unix.Close(fd)
		return
	}
	c, data := &w.conns[fd], w.buf[:n]
	for len(data) > 0 {
		if c.body > 0 {
			part := min(c.body, len(data))
			c.body -= part
			data = data[part:]
			if c.body == 0 && !w.answer(fd, c.path) {
				return
			}
			continue
		}
		if c.head != nil {
			data = append(c.head, data...)
			c.head = nil
		}
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			c.head = bytes.Clone(data)
			return
		}
		head := data[:end+2]
		data = data[end+4:]
		path := pathOf(head)
		if c.body = lengthOf(head); c.body > 0 {
			c.path = bytes.Clone(path)
		} else if !w.answer(fd, path) {
			return
		}
	}
}

// answer answers one request, and reports whether the connection is still there.
func (w *fastWorker) answer(fd int, path []byte) bool {
	if ms, ok := numberAfter(path, sleepPath); ok {
		sleep(ms)
	}
	if size, ok := numberAfter(path, bodyPath); ok {
		return w.write(fd, w.bodyOf(min(size, bodyMost)))
	}
	return w.write(fd, pong)
}

// sleep blocks this thread. Signals, of which Go's scheduler sends some, do not end
// it early: what remains is slept then.
func sleep(ms int) {
	rest := unix.NsecToTimespec(int64(ms) * 1e6)
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&rest)), uintptr(unsafe.Pointer(&rest)), 0)
		if errno != unix.EINTR {
			return
		}
	}
}

// bodyOf returns the answer with so many bytes.
func (w *fastWorker) bodyOf(size int) []byte {
	if w.bodies[size] == nil {
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", size)
		w.bodies[size] = append([]byte(head), bytes.Repeat([]byte("x"), size)...)
	}
	return w.bodies[size]
}

// write writes what waits and then data; what the socket does not take waits for
// the next event. It reports whether the connection is still there.
func (w *fastWorker) write(fd int, data []byte) bool {
	c := &w.conns[fd]
	waited := len(c.out) > 0
	if waited {
		data = append(c.out, data...)
		c.out = nil
	}
	for len(data) > 0 {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 && errno != unix.EINTR {
			unix.Close(fd)
			return false
		}
		if errno == 0 {
			data = data[n:]
		}
	}
	// Only what waits is copied: an answer's bytes are shared.
	if len(data) > 0 {
		c.out = data[:len(data):len(data)]
	}
	if waits := len(c.out) > 0; waits != waited {
		events := uint32(unix.EPOLLIN)
		if waits {
			events = unix.EPOLLOUT
		}
		if w.watch(unix.EPOLL_CTL_MOD, fd, events) != nil {
			unix.Close(fd)
			return false
		}
	}
	return true
}

// pathOf returns the path of a request's head.
func pathOf(head []byte) []byte {
	_, rest, _ := bytes.Cut(head, []byte(" "))
	path, _, _ := bytes.Cut(rest, []byte(" "))
	return path
}

// lengthOf returns the Content-Length of a head, 0 without one. Requests of this
// benchmark have no other framing.
func lengthOf(head []byte) int {
	if bytes.HasPrefix(head, []byte("GET ")) {
		return 0
	}
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && bytes.EqualFold(name, []byte("content-length")) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// numberAfter reads the number that follows prefix.
func numberAfter(path []byte, prefix string) (int, bool) {
	text, ok := bytes.CutPrefix(path, []byte(prefix))
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(string(text))
	return n, err == nil && n >= 0
}
