package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Static says which files ripd serves by itself.
type Static struct {
	// Root is the absolute path of the folder with the files; "" for none. Symbolic
	// links in it are not resolved.
	Root string
	// Index is the name of the file that stands for its folder; "" for none. Default
	// index.html.
	Index string
	// Precompressed tells that siblings are served that are compressed. Default true.
	Precompressed bool
	// CacheControl is the value of that field; "" for none. Default no-cache.
	CacheControl string
	// Immutable are the beginnings of paths whose files never change, each with its
	// slash.
	Immutable []string
	// Links are the absolute paths of folders to which links below Root may lead.
	Links []string
	// Sendfile are the absolute paths of folders whose files workers may name.
	Sendfile []string
	// Accel are such folders, and the paths that stand for them.
	Accel Accel
}

// Accel says which folder stands for a path that begins and ends with a slash.
type Accel map[string]string

// format writes the table as the file has it.
func (a Accel) format() string {
	if len(a) == 0 {
		return "{}"
	}
	pairs := slices.Sorted(maps.Keys(a))
	for i, path := range pairs {
		pairs[i] = quote(path) + " = " + quote(a[path])
	}
	return "{ " + strings.Join(pairs, ", ") + " }"
}

// parseAccel reads the table static.accel.
func parseAccel(r raw) (Accel, *fault) {
	if r.form != formTable {
		return nil, faultf("found %s, wanted a table of paths and folders", r.describe())
	}
	if len(r.list) > MaxListeners {
		return nil, faultf("has %d elements; %d is the most", len(r.list), MaxListeners)
	}
	if len(r.list) == 0 {
		return nil, nil // as without the setting
	}
	a := Accel{}
	for i, n := range r.names {
		folder, f := parseText(r.list[i], "a folder in quotes")
		switch {
		case f != nil:
			f.problem = n.text + ": " + f.problem
			return nil, f.located(r.list[i].offset)
		case !strings.HasPrefix(n.text, "/") || !strings.HasSuffix(n.text, "/"):
			return nil, faultf("%s does not begin and end with /", quote(shorten(n.text))).hinted(`as in accel = { "/protected/" = "storage" }`).located(n.offset)
		}
		a[n.text] = folder
	}
	return a, nil
}

// parseTexts reads a list of strings.
func parseTexts(r raw) ([]string, *fault) {
	texts, f := parseList(r, commaList, "a list of strings", func(text string) (string, error) { return text, nil })
	if len(texts) == 0 {
		return nil, f // as without the setting
	}
	return texts, f
}

// finishStatic makes the folders' paths absolute, and checks what is said of files.
func (l *loader) finishStatic() {
	s := &l.cfg.Static
	if s.Root != "" {
		l.finishRoot()
	}
	if pages := &l.cfg.Proxy.ErrorPages; *pages != "" {
		*pages = l.folder("proxy.error_pages", *pages)
	}
	for i := range s.Links {
		s.Links[i] = l.folder("static.links", s.Links[i])
	}
	for i := range s.Sendfile {
		s.Sendfile[i] = l.folder("static.sendfile", s.Sendfile[i])
	}
	for _, path := range slices.Sorted(maps.Keys(s.Accel)) {
		s.Accel[path] = l.folder("static.accel", s.Accel[path])
	}
	switch {
	case s.Index == "":
	case strings.HasPrefix(s.Index, "."), strings.HasSuffix(s.Index, "."), strings.ContainsFunc(s.Index, func(r rune) bool { return r < ' ' || r == '/' || r == '\\' }):
		l.failKey("static.index", faultf("%s is not the name of a file that is served", quote(shorten(s.Index))).hinted(`as in index = "index.html"`))
	case len(s.Index) > MaxIndexBytes:
		l.failKey("static.index", faultf("has %d bytes; %d is the most", len(s.Index), MaxIndexBytes))
	}
	if c := s.CacheControl; strings.ContainsFunc(c, func(r rune) bool { return r < ' ' || r > '~' }) || len(c) > MaxHSTSBytes {
		l.failKey("static.cache_control", faultf("%s is not the value of a field", quote(shorten(c))).hinted(`as in cache_control = "public, max-age=600"`))
	}
	for _, prefix := range s.Immutable {
		if !strings.HasPrefix(prefix, "/") {
			l.failKey("static.immutable", faultf("%s does not begin with /", quote(shorten(prefix))).hinted(`as in immutable = ["/assets/"]`))
		}
	}
}

// finishRoot checks the folder with the files. The app's own would give its code away.
func (l *loader) finishRoot() {
	root := l.folder("static.root", l.cfg.Static.Root)
	l.cfg.Static.Root = root
	app := l.appFolder()
	if root == app || strings.HasPrefix(app, strings.TrimSuffix(root, "/")+"/") {
		l.failKey("static.root", faultf("%s holds the app itself: everybody could read its code", root).hinted(`name a folder in it, as in root = "public"`))
	}
}

// appFolder is where relative paths of folders start that belong to the app.
func (l *loader) appFolder() string {
	if info, err := os.Stat(l.cfg.App); err == nil && !info.IsDir() {
		return filepath.Dir(l.cfg.App)
	}
	if l.cfg.Demo {
		return l.dir
	}
	return l.cfg.App
}

// folder makes a path absolute that starts at the app's folder, and sees that there is
// a folder.
func (l *loader) folder(key, path string) string {
	full, f := parsePath(raw{form: formString, text: path}, l.appFolder())
	if f == nil && path == "" {
		f = faultf("one of the paths is empty")
	}
	if f != nil {
		l.failKey(key, f)
		return path
	}
	if info, err := os.Stat(full); err != nil {
		l.failKey(key, faultf("%s: %s", full, reason(err)))
	} else if !info.IsDir() {
		l.failKey(key, faultf("%s is not a folder", full))
	}
	return full
}
