package static

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how long a folder's path may have led somewhere else before that is
// noticed. A deployment that turns a link ("current") to the next release starts
// workers then, which takes longer.
const lookEvery = 200 * time.Millisecond

// folder is an open folder. When its path leads to another one, that is opened.
type folder struct {
	path string

	at  atomic.Int64 // when it was last looked at, on the clock of epoch
	mu  sync.Mutex   // held while looking
	now atomic.Pointer[opened]
}

// opened is the folder to which the path led. Its descriptor is closed when nobody
// has it any more (the finalizer of os.Root and os.File): closing it before could have
// a file opened in what gets the same number next.
type opened struct {
	root *os.Root
	dir  *os.File
	fd   int // of dir
	info os.FileInfo
	real string // its path without symbolic links
}

var epoch = time.Now()

func openFolder(path string) (*folder, error) {
	f := &folder{path: path}
	o, err := openRoot(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, plain(err))
	}
	f.now.Store(o)
	f.at.Store(int64(time.Since(epoch)))
	return f, nil
}

func openRoot(path string) (*opened, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	o := &opened{root: root}
	if o.dir, err = root.Open("."); err == nil {
		o.fd = int(o.dir.Fd())
		o.info, err = o.dir.Stat()
	}
	if err == nil {
		o.real, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return o, nil
}

// current is the folder to which the path leads now, or led a moment ago.
func (f *folder) current() *opened {
	now := int64(time.Since(epoch))
	if at := f.at.Load(); now-at >= int64(lookEvery) && f.at.CompareAndSwap(at, now) {
		f.look()
	}
	return f.now.Load()
}

// look opens the folder anew if its path leads to another one. Where there is none,
// the old one stays in force.
func (f *folder) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil || os.SameFile(info, f.now.Load().info) {
		return
	}
	if o, err := openRoot(f.path); err == nil {
		f.now.Store(o)
	}
}

// within gives the part of an absolute path that is below the folder, whose own path
// may be as in the settings, or without its symbolic links.
func (f *folder) within(path string) (name string, ok bool) {
	for _, base := range []string{f.path, f.current().real} {
		name, ok = strings.CutPrefix(path, strings.TrimSuffix(base, "/")+"/")
		if ok && name != "" {
			return name, true
		}
	}
	return "", false
}

// place is where a file is.
type place struct {
	folder *folder
	name   string
}

// resolve follows all links of a path, and finds the folder that it ends in. That it is
// still there is seen when it is opened beneath that folder.
func resolve(path string, folders []*folder) (place, error) {
	real, err := filepath.EvalSymlinks(path)
	if os.IsNotExist(err) {
		return place{}, ErrNone
	}
	if err != nil {
		return place{}, plain(err)
	}
	for _, f := range folders {
		if name, ok := f.within(real); ok {
			return place{f, name}, nil
		}
	}
	return place{}, &LinkError{path}
}

// open opens what is there.
func (p place) open() (fd int, err error) {
	var room name
	if len(p.name) >= len(room) {
		return -1, ErrNone
	}
	return p.folder.open(&room, copy(room[:], p.name))
}
