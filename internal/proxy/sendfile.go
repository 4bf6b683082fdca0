package proxy

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"ripd/internal/static"
)

// fileSender is a client to which the kernel may send files.
type fileSender interface {
	// sendNow sends the head, and the next n bytes of the file, as far as the client takes
	// them at once. It returns what is left of the head, and how much of the file was sent.
	sendNow(head []byte, f *static.File, n int64) (rest []byte, sent int64)
	// sendFile sends the next n bytes of the file, at the client's pace, once it has taken
	// what was written before. errors.ErrUnsupported says that nothing was sent, and that
	// the bytes have to be written; io.ErrUnexpectedEOF that the file is shorter.
	sendFile(f *static.File, n int64) (sent int64, err error)
}

// settle is outlet.settle.
func (c *conn) settle() bool { return c.out.settle() }

// sendfileSize is how much one system call may take at most, in bytes: progress is seen
// after each.
const sendfileSize = 1 << 20

// sendNow leaves errors to sendFile, or to write, which meet them again. The head goes
// into one segment with what follows.
func (c *conn) sendNow(head []byte, f *static.File, n int64) (rest []byte, sent int64) {
	o := &c.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.secure != nil || o.draining || o.lost {
		return head, 0
	}
	o.begun = true
	_ = c.raw.Write(func(fd uintptr) bool {
		k, errno := sendFlags(fd, head, unix.MSG_MORE)
		if head = head[k:]; len(head) > 0 || errno != 0 {
			return true
		}
		for sent < n {
			part, err := f.SendTo(int(fd), int(min(n-sent, sendfileSize)))
			if part == 0 || err != nil {
				break
			}
			sent += int64(part)
		}
		return true
	})
	return head, sent
}

// sendFile waits as push does, within the same bounds. Over TLS the bytes have to be
// encrypted.
func (c *conn) sendFile(f *static.File, n int64) (sent int64, err error) {
	if c.secure != nil {
		return 0, errors.ErrUnsupported
	}
	o := &c.out
	o.progress.Store(int64(c.srv.clock.now()))
	o.watching.Store(true)
	defer o.watching.Store(false)
	for sent < n {
		part, errno := 0, error(nil)
		err := c.raw.Write(func(fd uintptr) bool {
			part, errno = f.SendTo(int(fd), int(min(n-sent, sendfileSize)))
			return errno != unix.EAGAIN
		})
		if err != nil {
			if err = o.patience(err); err == nil {
				continue
			}
		} else if errno != unix.EINTR {
			err = errno
		}
		switch {
		case sent == 0 && (err == unix.EINVAL || err == unix.ENOSYS): // the file system cannot, sendfile(2)
			return 0, errors.ErrUnsupported
		case err != nil:
			o.mu.Lock()
			o.lose()
			o.mu.Unlock()
			return sent, err
		case part > 0:
			sent += int64(part)
			o.progress.Store(int64(c.srv.clock.now()))
		case errno == nil:
			return sent, io.ErrUnexpectedEOF
		}
	}
	return sent, nil
}
