package static

import (
	"bytes"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Private are folders whose files the app may name. Its methods may be called from
// several goroutines at once. Like a Site it needs no end.
type Private struct {
	all   []*folder
	named []*folder // by their files' absolute paths
	accel map[string]*folder
}

// OpenPrivate opens the folders: those whose files are named by absolute paths, and
// those that stand for paths which begin and end with a slash.
func OpenPrivate(named []string, accel map[string]string) (*Private, error) {
	p := &Private{accel: map[string]*folder{}}
	for _, path := range named {
		f, err := openFolder(path)
		if err != nil {
			return nil, err
		}
		p.named = append(p.named, f)
	}
	p.all = slices.Clone(p.named)
	for prefix, path := range accel {
		f, err := openFolder(path)
		if err != nil {
			return nil, err
		}
		p.accel[prefix] = f
		p.all = append(p.all, f)
	}
	return p, nil
}

// OutsideError says that a file is in none of the folders.
type OutsideError struct{ Path string }

// Error names the file.
func (e *OutsideError) Error() string { return e.Path + ": in none of the folders" }

// Absolute opens the file with an absolute path. The error is ErrNone when there is
// none, and an *OutsideError or a *LinkError when it must not be opened.
func (p *Private) Absolute(name []byte) (*File, error) {
	full := string(name)
	if !path.IsAbs(full) || strings.ContainsRune(full, 0) {
		return nil, &OutsideError{full}
	}
	full = path.Clean(full)
	for _, f := range p.named {
		if below, ok := f.within(full); ok {
			return p.open(place{f, below}, full)
		}
	}
	at, err := resolve(full, p.named) // the folder may have another name in the settings
	if err != nil {
		if _, link := err.(*LinkError); link {
			err = &OutsideError{full}
		}
		return nil, err
	}
	return p.open(at, full)
}

// Mapped opens the file that a path of the settings stands for, as Absolute does. The
// path is percent-encoded; what follows a question mark does not count.
func (p *Private) Mapped(name []byte) (*File, error) {
	before, _, _ := bytes.Cut(name, []byte("?"))
	decoded, err := url.PathUnescape(string(before))
	if err != nil || strings.ContainsRune(decoded, 0) || path.Clean(decoded) != decoded {
		return nil, &OutsideError{string(name)}
	}
	best := ""
	for prefix := range p.accel {
		if strings.HasPrefix(decoded, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	if best == "" {
		return nil, &OutsideError{string(name)}
	}
	f := p.accel[best]
	return p.open(place{f, decoded[len(best):]}, f.path+"/"+decoded[len(best):])
}

// open opens a file, through a link where that leads into one of the folders.
func (p *Private) open(at place, full string) (*File, error) {
	fd, err := at.open()
	if err == errEscapes {
		if at, err = resolve(full, p.all); err == nil {
			fd, err = at.open()
		}
	}
	if err == errEscapes {
		err = &LinkError{full}
	}
	if err != nil {
		return nil, err
	}
	f, err := newFile(fd)
	if err != nil {
		return nil, err
	}
	f.name, f.ContentType = at.name, contentType(at.name)
	return f, nil
}
