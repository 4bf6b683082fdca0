package daemon

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/reload"
)

// freshness asks before each request whether a file has changed that the app was
// started from (reload mode "process"). On a change it bars the old workers and
// has a new generation started, before the request goes on.
type freshness struct {
	changed func(path string) error // asks the supervisor, and returns when old workers are barred
	flush   func(p *proxy.Page)     // answers what waits already
	warn    func(err error)         // tells that not all files are watched
	page    atomic.Pointer[proxy.Page]

	// Requests hold it for reading while they look. Who has seen a change holds it
	// for writing until the old workers are barred, so that no request slips past.
	mu     sync.RWMutex
	stamps reload.Stamps

	// The rest belongs to the supervisor's goroutine.
	generation int
	own        []string        // that the release is started from
	files      map[string]bool // these, and what the generation's workers have loaded
}

// settleTick is the pause between two looks at a file that is in the midst of a save.
const settleTick = 2 * time.Millisecond

// newFreshness watches the files of the first generation, before it is started.
func newFreshness(own []string) (*freshness, error) {
	f := &freshness{}
	err := f.startedFrom(1, own)
	f.stamps.Refresh()
	return f, err
}

// startedFrom tells which files the release of the generation is started from. They
// are watched whatever its workers load.
func (f *freshness) startedFrom(generation int, own []string) error {
	f.own = own
	return f.loaded(generation, own)
}

// loaded adds what a worker of the generation has loaded. The first of a newer
// generation replaces the files that the older ones have loaded.
func (f *freshness) loaded(generation int, files []string) error {
	if generation < f.generation {
		return nil
	}
	newer := generation > f.generation
	if newer {
		f.generation, f.files = generation, map[string]bool{}
		for _, file := range f.own {
			f.files[file] = true
		}
	}
	known := len(f.files)
	for _, file := range files {
		if len(f.files) <= reload.MaxFiles { // one more, so that Set can tell
			f.files[file] = true
		}
	}
	if !newer && len(f.files) == known {
		return nil
	}
	return f.stamps.Set(slices.Sorted(maps.Keys(f.files)))
}

// check is the proxy's hook: a page answers the request, nil lets it go on.
func (f *freshness) check() *proxy.Page {
	f.mu.RLock()
	_, changed := f.stamps.Changed()
	f.mu.RUnlock()
	if changed {
		f.renew()
	}
	return f.page.Load()
}

// renew begins a new generation, once for each change.
func (f *freshness) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, changed := f.stamps.Changed()
	if !changed {
		return // another request has seen to it
	}
	for end := time.Now().Add(saveMost); f.stamps.Unfinished() && time.Now().Before(end); {
		time.Sleep(settleTick)
	}
	// First the stamps, then the start: what changes after this line is seen as a
	// change that the new processes may have missed.
	f.stamps.Refresh()
	if err := f.changed(path); err == nil {
		f.page.Store(nil)
	}
}

// newest reports whether a file has changed since the newest generation was started,
// which then has to be started anew. The supervisor calls it before that generation
// gets its first request.
func (f *freshness) newest() (path string, changed bool) {
	if path, changed = f.stamps.Changed(); changed {
		f.stamps.Refresh()
	}
	return path, changed
}

// trouble is told what is wrong with the newest code; nil when nothing is.
func (f *freshness) trouble(t *failure) {
	if t == nil {
		f.page.Store(nil)
		return
	}
	page := troublePage(t)
	if f.page.Swap(page) != nil {
		return
	}
	f.flush(page)
	// What did not start has told nothing: a file that it lacked may come.
	files := maps.Clone(f.files)
	for file := range f.files {
		files[filepath.Dir(file)] = true
	}
	if err := f.stamps.Set(slices.Sorted(maps.Keys(files))); err != nil {
		f.warn(err)
	}
}

// ownFiles are the files that a release is started from, as far as its settings
// tell: the configuration, the environment file, and the words of the command that
// are files in the app's folder.
func (r *release) ownFiles() []string {
	c := r.config
	files := []string{}
	for _, file := range []string{c.File, c.EnvFile} {
		if file != "" {
			files = append(files, file)
		}
	}
	if c.Demo {
		return files
	}
	if r.plan != nil {
		return append(files, r.plan.Files...)
	}
	words := append(r.command(), "config.ru")
	for _, word := range r.command() {
		// gunicorn's and uvicorn's way to name a file: package.module:object.
		if module, _, ok := strings.Cut(word, ":"); ok && !strings.ContainsAny(module, "/ ") {
			words = append(words, strings.ReplaceAll(module, ".", "/")+".py")
		}
	}
	for _, word := range words {
		path := word
		if !filepath.IsAbs(path) {
			path = filepath.Join(r.dir, path)
		}
		inside := strings.HasPrefix(path, r.dir+"/") || path == r.app
		if info, err := os.Stat(path); err == nil && inside && info.Mode().IsRegular() && !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	return files
}
