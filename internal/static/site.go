// Package static finds the files that ripd serves by itself: which file a
// request's path names, if any, and what is said of it. It opens files and reads
// them; it sends nothing.
//
// A path is taken apart strictly (path.go), and files are opened beneath their
// folder by the kernel (open.go), so that neither a path nor a symbolic link leads
// out of it, whatever is renamed meanwhile. Nothing is remembered between requests
// but the open folder: a file that a deployment adds, changes or takes away is so for
// the next request.
package static

import (
	"errors"
	"strings"
)

// Options says what Open needs.
type Options struct {
	// Root is the absolute path of the folder whose files are served. Where it leads
	// by symbolic links is followed when they change.
	Root string
	// Index is the name of the file that stands for its folder; "" for none.
	Index string
	// Links are the absolute paths of folders to which symbolic links below Root may
	// lead, beside Root itself.
	Links []string
	// Precompressed has smaller siblings served to clients that take them.
	Precompressed bool
	// CacheControl is said of all files but those whose path begins with one of
	// Immutable: of them CacheForever is.
	CacheControl string
	// Immutable are paths as requests have them, from the slash on.
	Immutable []string
}

// CacheForever is the Cache-Control of files that never change (RFC 8246).
const CacheForever = "public, max-age=31536000, immutable"

// Site is a folder whose files are served. Its methods may be called from several
// goroutines at once. It needs no end: its descriptors go with it.
type Site struct {
	options Options
	root    *folder
	links   []*folder // the root among them
}

// Open opens the folders.
func Open(o Options) (*Site, error) {
	s := &Site{options: o}
	for _, path := range append([]string{o.Root}, o.Links...) {
		f, err := openFolder(path)
		if err != nil {
			return nil, err
		}
		s.links = append(s.links, f)
	}
	s.root = s.links[0]
	return s, nil
}

// ErrNone says that the path names no file that is served.
var ErrNone = errors.New("no such file")

// LinkError says that a file is not served because a symbolic link leads out of the
// folder that it is in.
type LinkError struct{ Path string }

// Error names the file.
func (e *LinkError) Error() string { return e.Path + ": a symbolic link leads out of the folder" }

// Find opens the file that the path of a request's target names. The error is
// ErrNone for what is not a file's path, and for what is not there; a *LinkError, or
// the system's error, where there may be a file that cannot be served.
func (s *Site) Find(path []byte) (*File, error) {
	var room name
	n, ok := room.read(path, s.options.Index)
	if !ok {
		return nil, ErrNone
	}
	f, err := s.open(&room, n)
	if err != nil {
		return nil, err
	}
	f.ContentType, f.CacheControl = contentType(f.name), s.options.CacheControl
	for _, prefix := range s.options.Immutable {
		if strings.HasPrefix(f.name, prefix[1:]) { // it begins with a slash, the name does not
			f.CacheControl = CacheForever
		}
	}
	return f, nil
}

// open opens a regular file below the root.
func (s *Site) open(room *name, n int) (*File, error) {
	fd, err := s.root.open(room, n)
	if err == errEscapes {
		var at place
		if at, err = resolve(s.root.path+"/"+room.text(n), s.links); err == nil {
			fd, err = at.open()
		}
	}
	if err != nil {
		return nil, err
	}
	f, err := newFile(fd)
	if err != nil {
		return nil, err
	}
	f.site, f.name = s, room.text(n)
	return f, nil
}
