package proxy

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// flowSize is how much one read of a tunnel takes at most: with what TLS adds, it
// stays in memory while a slow client takes it.
const flowSize = 32 << 10

// flow is one direction of a tunnel. Its goroutine owns it.
type flow struct {
	t     *tunnel
	forth bool // from the client to the worker

	from  syscall.RawConn
	recv  func(fd uintptr, b []byte) (int, syscall.Errno)
	begin func()               // before recv is first called by a callback
	clear func()               // after the janitor's or the other direction's kick
	write func(b []byte) error // waits until b was taken
	end   func()               // tells the receiver that nothing follows

	early []byte // came before the tunnel began
	held  []byte // the beginning of a frame's head, not passed on yet
	buf   *copyBlock
	n     int // how much of buf is filled
	errno syscall.Errno
	eof   bool
	bytes int64 // passed on

	frames frames
	said   bool // a close frame of ripd's was sent: what comes is dropped
	deaf   bool // the receiver takes nothing any more

	onFill func(fd uintptr) bool // fillOnce, made once
}

// run passes on what comes until the direction, or the tunnel, is over.
func (f *flow) run() {
	defer f.drop()
	for !f.t.over.Load() {
		code := f.t.closing.Load()
		if code != 0 && f.close(uint16(code)) {
			f.t.endOne()
			return
		}
		err := f.fill()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			f.clear()
			if f.t.conn.out.broken() {
				f.t.stop()
			}
		case err == io.EOF:
			f.ended()
			return
		case err != nil:
			f.t.stop()
		default:
			f.pass()
		}
	}
}

// fill waits for what comes next. It leaves it in buf, behind what is held.
func (f *flow) fill() error {
	if len(f.early) > 0 {
		f.room()
		n := copy(f.buf[f.n:flowSize], f.early)
		f.early = f.early[n:]
		f.n += n
		return nil
	}
	f.early = nil
	f.errno, f.eof = 0, false
	if err := f.from.Read(f.onFill); err != nil {
		return err
	}
	switch {
	case f.eof:
		return io.EOF
	case f.errno != 0:
		return f.errno
	}
	return nil
}

// fillOnce is the callback of fill. While nothing comes there is no buffer.
func (f *flow) fillOnce(fd uintptr) bool {
	f.begin()
	f.room()
	n, errno := f.recv(fd, f.buf[f.n:flowSize])
	switch {
	case errno == syscall.EAGAIN:
		f.drop()
		return false
	case n == 0:
		f.eof, f.errno = errno == 0, errno
		return true
	}
	f.n += n
	return true
}

// room makes the buffer, with what is held in front.
func (f *flow) room() {
	if f.buf == nil {
		f.buf = newCopyBlock()
		f.n = copy(f.buf[:], f.held)
	}
}

// drop gives the buffer back.
func (f *flow) drop() {
	if f.buf != nil {
		f.buf.free()
		f.buf, f.n = nil, 0
	}
}

// pass gives on what is in the buffer, as far as it may.
func (f *flow) pass() {
	b := f.buf[:f.n]
	n, again := len(b), false
	if f.t.frames {
		if n, again = f.follow(b); f.said {
			f.keep(b[n:], false)
			return
		}
	}
	if n > 0 && !f.deaf {
		if err := f.write(b[:n]); err != nil {
			f.deaf = true // the other direction tells how it ends
		} else {
			f.bytes += int64(n)
			f.t.srv.metrics.TunnelMoved(f.forth, n)
			f.t.moved.Store(int64(f.t.srv.clock.now()))
		}
	}
	f.keep(b[n:], again)
	if f.deaf && !f.forth {
		f.t.stop() // the client has gone
	}
}

// follow looks at the frames in b. It returns how much of it may be passed on, and
// whether the rest is to be looked at again, as what came after ripd's close frame.
func (f *flow) follow(b []byte) (n int, again bool) {
	if f.said {
		n, code := f.frames.take(b, 0, false)
		if code != 0 {
			n = len(b) // nothing in it can be found any more
		}
		return n, false
	}
	limit := uint64(0)
	if f.forth {
		limit = uint64(f.t.srv.config.Load().Limits.Body)
	}
	stop := f.t.closing.Load() != 0 && !f.frames.closed
	n, code := f.frames.take(b, limit, stop)
	if code != 0 {
		f.refuse(code)
	}
	return n, stop || code != 0
}

// keep holds what was not passed on, and gives the buffer back.
func (f *flow) keep(rest []byte, again bool) {
	f.held = f.held[:0]
	if again {
		f.early = append(append([]byte(nil), rest...), f.early...)
	} else {
		f.held = append(f.held, rest...)
	}
	f.drop()
}

// refuse ends the tunnel because of a frame that must not be passed on.
func (f *flow) refuse(code uint16) {
	if code == closeTooBig {
		f.t.srv.reached(boundMessage, "a message of a client was too long, and its connection was closed")
		f.t.leave(uint32(code), causeMessage)
		return
	}
	f.t.leave(uint32(code), causeFrame)
}

// close sends ripd's close frame where a frame may begin. It reports whether the
// direction has come to its end: its sender has said so.
func (f *flow) close(code uint16) (over bool) {
	if f.frames.over() {
		return true
	}
	if f.said || !f.frames.boundary() {
		return false
	}
	f.said = true
	if f.forth && code != closeProtocol {
		code = closeGoingAway // the client's fault is not the worker's concern
	}
	if !f.deaf {
		f.deaf = f.write(closeFrame(code, f.forth)) != nil
	}
	return false
}

// ended meets the end of the sender's side. The receiver is told; when the sender has
// gone altogether, or the other direction has ended too, the tunnel is over.
func (f *flow) ended() {
	if f.t.closing.Load() != 0 {
		f.t.endOne()
		return
	}
	f.end()
	f.t.endOne()
	for !f.t.over.Load() {
		err := f.from.Read(func(fd uintptr) bool { return hungUp(fd) })
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			f.t.stop()
			return
		}
		f.clear()
		if f.t.closing.Load() != 0 {
			return // endOne was called: the other direction decides
		}
	}
}

// settle waits until the client has been given everything. It reports false when it
// takes nothing any more.
func (o *outlet) settle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.draining && !o.lost {
		o.space.Wait()
	}
	return !o.lost
}
