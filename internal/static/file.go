package static

import (
	"errors"
	"io"
	"io/fs"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// File is an open file, and what is to be said of it. It reads as *os.File does, but
// neither the runtime's poller nor its finalizers know of it: Close must be called.
type File struct {
	// Size in bytes and ModTime are as they were when it was opened.
	Size    int64
	ModTime time.Time
	// ETag is a strong validator, RFC 9110 section 8.8.3: the time of the last change
	// in nanoseconds, and the size, both in hexadecimal.
	ETag string
	// ContentType is the media type, by the name of the file. CacheControl is the value
	// of that field; "" for none.
	ContentType, CacheControl string
	// Encoding is the content coding of a precompressed file; "" for none. Varies tells
	// that another Accept-Encoding may get another file.
	Encoding string
	Varies   bool

	mu     sync.Mutex
	fd     int
	at     int64 // where Read goes on
	closed bool

	site *Site
	name string // below the root
}

// newFile describes an open file. What is not regular is closed: ErrNone.
func newFile(fd int) (*File, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = ErrNone
	}
	if err != nil {
		_ = unix.Close(fd) // nothing was written
		return nil, err
	}
	f := &File{fd: fd, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix())}
	f.ETag = f.tag("")
	return f, nil
}

// tag is the validator. The coding keeps two forms of a file apart.
func (f *File) tag(coding string) string {
	b := append(make([]byte, 0, 2*16+len(`"--"`)+len(coding)), '"')
	b = strconv.AppendInt(b, f.ModTime.UnixNano(), 16)
	b = strconv.AppendInt(append(b, '-'), f.Size, 16)
	if coding != "" {
		b = append(append(b, '-'), coding...)
	}
	return string(append(b, '"'))
}

// Read reads on.
func (f *File) Read(b []byte) (n int, err error) {
	f.mu.Lock() // net/http may still read parts of a file that is given up
	defer f.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	for {
		n, err = unix.Pread(f.fd, b, f.at)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	f.at += int64(n)
	return n, nil
}

// SendTo has the kernel send the next bytes, n at most, to a socket that does not wait.
// n is 0 without an error at the file's end, which may have moved (sendfile(2)).
func (f *File) SendTo(socket, most int) (n int, err error) {
	n, err = unix.Sendfile(socket, f.fd, &f.at, most)
	return max(n, 0), err
}

// errWhence: ripd's own mistake.
var errWhence = errors.New("seek from nowhere")

// Seek says where Read goes on. Its end is Size, whatever the file's is by now.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekEnd:
		offset += f.Size
	default:
		return 0, errWhence
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = max(0, offset)
	return f.at, nil
}

// Close ends the file. Only the first one does: the descriptor's number may be another
// file's by the second.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fs.ErrClosed
	}
	f.closed = true
	return unix.Close(f.fd)
}
