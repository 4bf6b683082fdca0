package journal

import (
	"fmt"
	"os"
	"sync"
)

// File is an output that can be opened anew under its name, after logrotate(8)
// has moved it away. Its methods may be called from several goroutines at once.
type File struct {
	path string

	mu sync.Mutex
	f  *os.File
}

// OpenFile opens the file at path to add to it, and makes it if it is not there:
// its owner may write, its group may read.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	if err := f.Reopen(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reopen opens the file under its name. After an error the old one stays in use.
func (f *File) Reopen() error {
	if info, err := os.Stat(f.path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("open the access log: %s is not a regular file", f.path)
	}
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("open the access log: %w", err)
	}
	f.mu.Lock()
	old := f.f
	f.f = opened
	f.mu.Unlock()
	if old != nil {
		old.Close()
	}
	return nil
}

// Write adds to the file.
func (f *File) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f.Write(p)
}

// Close closes the file. Nothing may be written after it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f.Close()
}
