package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// errSpoolFull: the spool has reached its bound; nothing more fits until it has
// been read empty.
var errSpoolFull = errors.New("the spool has reached its bound")

// spool is a first-in-first-out store of bytes: bounded memory first, then a
// temporary file without a name. It is not safe for concurrent use.
type spool struct {
	dir      string
	memLimit int
	limit    int64 // of the file, in bytes
	keep     bool  // what was read stays, so that rewind can give it again

	mem    []byte
	memOff int
	file   *os.File
	wr, rd int64
}

// empty reports whether all that was written has been read.
func (s *spool) empty() bool { return s.memOff == len(s.mem) && s.rd == s.wr }

// write takes all of b, or nothing with errSpoolFull or the file's error.
func (s *spool) write(b []byte) error {
	if s.empty() && !s.keep {
		s.reset()
	}
	if s.wr == 0 {
		if len(s.mem)-s.memOff+len(b) <= s.memLimit {
			if s.memOff > 0 && !s.keep {
				s.mem = s.mem[:copy(s.mem, s.mem[s.memOff:])]
				s.memOff = 0
			}
			s.mem = append(s.mem, b...)
			return nil
		}
	}
	if s.wr+int64(len(b)) > s.limit {
		return errSpoolFull
	}
	if s.file == nil {
		f, err := temporaryFile(s.dir)
		if err != nil {
			return err
		}
		s.file = f
	}
	if _, err := s.file.WriteAt(b, s.wr); err != nil {
		return fmt.Errorf("write temporary file in %s: %w", s.dir, err)
	}
	s.wr += int64(len(b))
	return nil
}

// read takes the oldest bytes; io.EOF when there are none.
func (s *spool) read(p []byte) (int, error) {
	if s.memOff < len(s.mem) {
		n := copy(p, s.mem[s.memOff:])
		s.memOff += n
		return n, nil
	}
	if s.rd == s.wr {
		return 0, io.EOF
	}
	n, err := s.file.ReadAt(p[:min(int64(len(p)), s.wr-s.rd)], s.rd)
	s.rd += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, fmt.Errorf("read temporary file: %w", err)
}

// rewind makes read begin again; only with keep.
func (s *spool) rewind() { s.memOff, s.rd = 0, 0 }

// reset forgets everything, and gives the file's room back.
func (s *spool) reset() {
	s.mem, s.memOff = s.mem[:0], 0
	if s.wr > 0 {
		s.wr, s.rd = 0, 0
		// A file that cannot be cut off is written over from the start.
		_ = s.file.Truncate(0)
	}
}

// close ends the spool and its file.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
	s.mem = nil
}

// spoolDir is where temporary files go: not /tmp, which is memory on many systems.
func spoolDir(asked string) string {
	if asked != "" {
		return asked
	}
	if dir := os.Getenv("TMPDIR"); dir != "" {
		return dir
	}
	return "/var/tmp"
}

// temporaryFile opens a file that has no name and goes with its descriptor.
func temporaryFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir+"/(unnamed)"), nil
	}
	// Some file systems have no O_TMPFILE, open(2).
	f, err := os.CreateTemp(dir, ".ripd-body-*")
	if err != nil {
		return nil, fmt.Errorf("temporary file for a body: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("temporary file for a body: %w", err)
	}
	return f, nil
}
