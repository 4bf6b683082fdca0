package reload

import (
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxDigested bounds the size of a file whose content is compared, in
	// bytes. Of a larger one any new stamp is a change.
	maxDigested = 16 << 20
	// digestBudget bounds what one Set or Refresh reads of files that were not
	// written just now, in bytes. Of the others any new stamp is a change.
	digestBudget = 64 << 20
	// coarseGrain is the clock of file systems that keep seconds: FAT keeps
	// every second one.
	coarseGrain = 2 * time.Second
)

// stamp is what tells two states of a file apart without reading it. ctime is
// set by every write, rename and link, and by nothing else: unlike mtime it
// cannot be put back by cp -p, rsync -t or touch -d.
type stamp struct {
	mtime, ctime int64 // ns
	size         uint64
	ino, dev     uint64
	mode         uint16
	errno        unix.Errno // why there is no more; 0: there is
}

func (s *stamp) regular() bool { return s.errno == 0 && s.mode&unix.S_IFMT == unix.S_IFREG }

// directory: its stamp changes with its entries.
func (s *stamp) directory() bool { return s.errno == 0 && s.mode&unix.S_IFMT == unix.S_IFDIR }

// writtenSince reports whether the file may have changed at t (ns) or later.
func (s *stamp) writtenSince(t int64) bool {
	if !s.regular() && !s.directory() {
		return false
	}
	return s.ctime+s.grain() >= t
}

// grain is by how much the file's times may be too early, in ns. They come
// from a clock that ticks every few ms, which disk.now reads too, so that this
// is 0 unless the file system keeps whole seconds only.
func (s *stamp) grain() int64 {
	if s.ctime%int64(time.Second) == 0 && s.mtime%int64(time.Second) == 0 {
		return int64(coarseGrain)
	}
	return 0
}

// digest is a checksum of a file's content; the zero value is none.
type digest struct {
	sum uint64
	ok  bool
}

// disk reads stamps and contents. One goroutine at a time uses it.
type disk struct {
	statx  unix.Statx_t // where the kernel writes: one place, no allocation
	seed   maphash.Seed
	seeded bool
	buffer []byte
	budget int64 // left of digestBudget
}

// begin gives Set and Refresh their budget.
func (d *disk) begin() { d.budget = digestBudget }

// now is the clock that the kernel stamps files with, in ns.
func (d *disk) now() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &t) != nil {
		return time.Now().UnixNano() // no kernel since 2.6.32 comes here
	}
	return t.Nano()
}

// atCWD is unix.AT_FDCWD as a system call takes it; paths are absolute.
const atCWD = ^uintptr(-unix.AT_FDCWD - 1)

// stat reads the stamp of path, which ends in NUL. Symbolic links are
// followed. The system call is made by hand because unix.Statx copies the path
// for each call.
func (d *disk) stat(path []byte) stamp {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, atCWD, uintptr(unsafe.Pointer(&path[0])), 0,
			unix.STATX_BASIC_STATS, uintptr(unsafe.Pointer(&d.statx)), 0)
		switch errno {
		case 0:
			x := &d.statx
			return stamp{
				mtime: x.Mtime.Sec*int64(time.Second) + int64(x.Mtime.Nsec),
				ctime: x.Ctime.Sec*int64(time.Second) + int64(x.Ctime.Nsec),
				size:  x.Size, ino: x.Ino, mode: x.Mode,
				dev: uint64(x.Dev_major)<<32 | uint64(x.Dev_minor),
			}
		case unix.EINTR:
			continue
		}
		return stamp{errno: errno}
	}
}

// take makes what is there now the file's known state.
func (d *disk) take(f *file) {
	before := d.now()
	f.known, f.digest = d.stat(f.path), digest{}
	f.racy = false
	if !f.known.regular() {
		return
	}
	f.racy = f.known.writtenSince(before)
	if !f.racy && int64(f.known.size) > d.budget {
		return
	}
	d.budget -= int64(f.known.size)
	f.digest = d.read(f)
	if after := d.stat(f.path); after != f.known {
		// It is being written. What was read is compared once more later.
		f.known, f.racy = after, true
	}
}

// untouched reports whether the stamp alone says that nothing has changed.
func (d *disk) untouched(f *file) bool { return !f.racy && d.stat(f.path) == f.known }

// unfinished reports whether the file is away or was emptied just now.
func (d *disk) unfinished(f *file) bool {
	now := d.stat(f.path)
	if now == f.known {
		return false
	}
	return now.errno == unix.ENOENT || now.regular() && now.size == 0 && d.now()-now.ctime < int64(time.Second)
}

// unchanged reports whether the file is in its known state. A new stamp over
// the same content is taken over.
func (d *disk) unchanged(f *file) bool {
	if f.doubtful {
		return false
	}
	now := d.stat(f.path)
	if now == f.known && !f.racy {
		return true
	}
	if !f.known.regular() || !now.regular() {
		return now == f.known
	}
	if !f.digest.ok || now.size != f.known.size {
		return now == f.known
	}
	return d.sameContent(f, now)
}

// sameContent is unchanged for what only the content can tell.
func (d *disk) sameContent(f *file, now stamp) bool {
	before := d.now()
	content := d.read(f)
	if content != f.digest || d.stat(f.path) != now {
		return false
	}
	f.known, f.racy = now, now.writtenSince(before)
	return true
}

// read makes the digest of a file's content; none when it is too large or
// cannot be read.
func (d *disk) read(f *file) digest {
	if f.known.size > maxDigested {
		return digest{}
	}
	// What was a file a moment ago may be a FIFO now, which must not hold us.
	file, err := os.OpenFile(f.name(), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return digest{}
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || info.Mode()&fs.ModeType != 0 {
		return digest{}
	}
	if !d.seeded {
		d.seed, d.seeded = maphash.MakeSeed(), true
		d.buffer = make([]byte, 64<<10)
	}
	var h maphash.Hash
	h.SetSeed(d.seed)
	n, err := io.CopyBuffer(struct{ io.Writer }{&h}, struct{ io.Reader }{io.LimitReader(file, maxDigested)}, d.buffer)
	if err != nil || n == maxDigested {
		return digest{}
	}
	return digest{sum: h.Sum64(), ok: true}
}
