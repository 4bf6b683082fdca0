// Package reload answers one question before a request: has a file that the
// app loaded changed since it was loaded?
//
// Stamps holds the files. Whoever starts the processes of a new generation
// works in this order, so that no save is lost between two steps:
//
//  1. Let no new request reach the old generation.
//  2. Refresh: what the files hold from now on is what the new one may load.
//  3. Start the processes.
//  4. Set, when a process has told what it has loaded.
//
// A save between 2 and 4 leads to one start more than was needed, never to a
// request that old code answers.
//
// What counts as a change of a file: another content, another kind of file, its
// end, or its return. What does not: a touch, another mode or owner, or a
// rename that puts the same content in its place. Symbolic links are followed,
// so that the file counts, not the link. A folder changes with its entries.
//
// What is not seen: a write through a shared memory map before the kernel
// stamps it, and on a network file system what the server tells late or stamps
// with a clock that is behind this machine's.
package reload

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

const (
	// MaxFiles bounds the number of files in one Stamps.
	MaxFiles = 20000
	// maxPath is the longest path that the kernel takes (PATH_MAX of
	// linux/limits.h, with its NUL), in bytes.
	maxPath = 4096
	// maxSelfWrites is how many starts in a row may change a file before ripd
	// takes the app itself for the writer. Otherwise an app that writes a file
	// and loads it would start for ever.
	maxSelfWrites = 3
	// maxGone is how many files that are not loaded any more, and not there, are
	// looked at in case they come back.
	maxGone = 32
)

// TooManyError says that Set was given more than MaxFiles files. The first
// MaxFiles are in force.
type TooManyError struct{ Files int }

// Error says how many files there were.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("the app has loaded %d files; only changes of the first %d are seen", e.Files, MaxFiles)
}

// Stamps is the set of files that the workers have loaded, with what ripd
// knows of each. The zero value is an empty set, which never changes. All
// methods may be called from several goroutines at once.
type Stamps struct {
	checks sharing

	mu     sync.Mutex // of all below; held during a check
	list   []file
	disk   disk
	epoch  int   // counts Refresh
	since  int64 // the file systems' time at the last Refresh, in ns; 0: none yet
	writes map[string]selfWrite
}

// file is one file of the set.
type file struct {
	path   []byte // ends in NUL, as system calls want it
	known  stamp
	digest digest
	// racy: it was written so recently that another write may leave the same
	// stamp; only the content tells.
	racy bool
	// doubtful: it was written after the start of the process that loaded it.
	doubtful bool
}

func (f *file) name() string { return string(f.path[:len(f.path)-1]) }

// selfWrite counts the starts in a row that found a file changed.
type selfWrite struct {
	count, epoch int
}

// Set replaces the files: all that the processes of one generation have told.
// Files of the last set keep their stamps; a new one that was written after
// the last Refresh counts as changed, because nobody knows which content was
// loaded. A file that was away when the generation was started may have been in
// the midst of a save: it stays in the set although nobody has loaded it, and its
// return is a change. Names that are no absolute paths ("node:fs", "(eval)") are left out.
// The error is a *TooManyError, or says that this kernel does not tell stamps.
func (s *Stamps) Set(files []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if root := s.disk.stat([]byte("/\x00")); root.errno != 0 {
		return fmt.Errorf("changes of the app's files cannot be seen: statx: %w", root.errno)
	}
	before := make(map[string]*file, len(s.list))
	for i := range s.list {
		before[s.list[i].name()] = &s.list[i]
	}
	list := make([]file, 0, min(len(files), MaxFiles))
	seen := make(map[string]bool, len(files))
	s.disk.begin()
	for _, name := range files {
		if !usable(name) {
			continue
		}
		if name = filepath.Clean(name); seen[name] {
			continue
		}
		seen[name] = true
		if len(list) == MaxFiles {
			continue // it is counted
		}
		f, ok := before[name]
		if !ok {
			f = &file{path: append([]byte(name), 0)}
			s.disk.take(f)
			f.doubtful = s.since != 0 && f.known.writtenSince(s.since)
		}
		s.settle(f)
		list = append(list, *f)
	}
	s.list = append(list, s.gone(seen)...)
	s.forget(seen)
	if len(seen) > MaxFiles {
		return &TooManyError{Files: len(seen)}
	}
	return nil
}

// gone are the files of the last set that are not in the new one, and that were away
// when the generation was started or have changed since; the latest maxGone of them.
func (s *Stamps) gone(seen map[string]bool) []file {
	var gone []file
	for i := range s.list {
		f := &s.list[i]
		if !seen[f.name()] && (f.known.errno != 0 || !s.disk.unchanged(f)) {
			gone = append(gone, *f)
		}
	}
	return gone[max(0, len(gone)-maxGone):]
}

func usable(name string) bool {
	return filepath.IsAbs(name) && len(name) < maxPath && strings.IndexByte(name, 0) < 0
}

// settle accepts a change that comes with every start.
func (s *Stamps) settle(f *file) {
	if s.disk.unchanged(f) {
		return
	}
	name := f.name()
	w := s.writes[name]
	switch {
	case w.epoch == s.epoch && w.count > 0: // counted already
	case w.epoch == s.epoch-1:
		w = selfWrite{w.count + 1, s.epoch}
	default:
		w = selfWrite{1, s.epoch}
	}
	if s.writes == nil {
		s.writes = make(map[string]selfWrite)
	}
	s.writes[name] = w
	if w.count > maxSelfWrites {
		f.doubtful = false
		s.disk.take(f)
	}
}

// forget drops the counts of files that are not loaded any more.
func (s *Stamps) forget(seen map[string]bool) {
	for name := range s.writes {
		if !seen[name] {
			delete(s.writes, name)
		}
	}
}

// Restless returns the files that changed during each of the last starts, so
// that such a change does not count any more: the app writes them itself.
func (s *Stamps) Restless() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for i := range s.list {
		name := s.list[i].name()
		if w := s.writes[name]; w.count > maxSelfWrites && w.epoch == s.epoch {
			names = append(names, name)
		}
	}
	return names
}

// Refresh takes all stamps anew: a file that is missing now may stay missing,
// and nothing has changed. It is called before the processes of a generation
// are started, also before the first ones.
func (s *Stamps) Refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.since = s.disk.now()
	s.disk.begin()
	for i := range s.list {
		f := &s.list[i]
		if f.doubtful || !s.disk.untouched(f) {
			f.doubtful = false
			s.disk.take(f)
		}
	}
}

// Unfinished reports whether a file seems to be in the midst of a save: it was there
// and is away, or it was emptied within the last second.
func (s *Stamps) Unfinished() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		f := &s.list[i]
		if f.known.errno == 0 && s.disk.unfinished(f) {
			return true
		}
	}
	return false
}

// Len returns the number of files in the set.
func (s *Stamps) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}

// Changed reports whether a file differs from its stamp, and which is the
// first: another content, another kind, or gone. It costs one system call a
// file, shared by all callers that come while a check runs; a caller's answer
// is always that of a check that began after the call.
//
// It may still tell a change that a Refresh at the same moment takes in: ask
// again on the goroutine that calls Refresh.
func (s *Stamps) Changed() (path string, changed bool) {
	v := s.checks.do(s.check)
	return v.path, v.changed
}

// verdict is what one check found.
type verdict struct {
	path    string
	changed bool
}

func (s *Stamps) check() verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.list {
		if f := &s.list[i]; !s.disk.unchanged(f) {
			return verdict{f.name(), true}
		}
	}
	return verdict{}
}
