package static

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errEscapes: a symbolic link leads out of the folder.
var errEscapes = errors.New("a symbolic link leads out of the folder")

// how is what the kernel is asked for: to stay beneath the folder whatever happens to
// it meanwhile, and not to wait where the file is a pipe (openat2(2), open(2)).
var how = unix.OpenHow{
	Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
	Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS,
}

// lacking is set where the kernel has no openat2 (before Linux 5.6, or forbidden by a
// sandbox): os.Root does the same with a call for each part of the path. With openat2
// a path that names nothing costs one call and no allocation, a file a fifth.
var lacking atomic.Bool

// open opens what the name means. The error is ErrNone when there is nothing, and
// errEscapes when a link leads elsewhere.
func (f *folder) open(room *name, n int) (fd int, err error) {
	o := f.current()
	if !lacking.Load() {
		fd, errno := o.openBeneath(room, n)
		if errno == 0 {
			return fd, nil
		}
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return -1, reason(errno)
		}
		lacking.Store(true)
	}
	return o.openByParts(room.text(n))
}

// openTries bounds the attempts to open a file whose folders are being renamed.
const openTries = 16

func (o *opened) openBeneath(room *name, n int) (fd int, errno syscall.Errno) {
	room[n] = 0 // the end, for the kernel
	for range openTries {
		r, _, e := syscall.Syscall6(unix.SYS_OPENAT2, uintptr(o.fd), uintptr(unsafe.Pointer(&room[0])),
			uintptr(unsafe.Pointer(&how)), unsafe.Sizeof(how), 0, 0)
		runtime.KeepAlive(o)
		switch e {
		case 0:
			return int(r), 0
		case unix.EINTR, unix.EAGAIN: // something was renamed on the way
			continue
		}
		return -1, e
	}
	return -1, unix.ENOENT // somebody never stops to rename
}

// openByParts is openBeneath with os.Root.
func (o *opened) openByParts(name string) (fd int, err error) {
	f, err := o.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) {
			return -1, reason(errno)
		}
		return -1, errEscapes // which is the only error of os.Root's own
	}
	defer f.Close()
	fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return fd, err
}

// reason is the error for what the system says.
func reason(errno syscall.Errno) error {
	switch errno {
	case unix.ENOENT, unix.ENOTDIR, unix.ENAMETOOLONG, unix.ENXIO, unix.EISDIR: // ENXIO: a socket
		return ErrNone
	case unix.EXDEV:
		return errEscapes
	}
	return errno
}

// plain leaves the system call's name out of an error.
func plain(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
