package certs

import (
	"log/slog"
	"os"
	"slices"
	"syscall"
	"time"
)

// WatchEvery is how often the files are looked at.
const WatchEvery = 5 * time.Second

// soonEnds is how long before a certificate's end the log warns: programs that
// renew certificates do it weeks before.
const soonEnds = 7 * 24 * time.Hour

// stamp tells two states of a file apart without reading it. Links are followed:
// some programs renew a certificate by moving a link.
type stamp struct {
	modified, changed syscall.Timespec
	size              int64
	inode, device     uint64
}

// stampsOf looks at all files of the pairs. A file that is not there has the zero
// stamp.
func stampsOf(pairs []Pair) (list []stamp) {
	for _, p := range pairs {
		for _, path := range []string{p.Certificate, p.Key} {
			var s stamp
			if info, err := os.Stat(path); err == nil {
				if st, ok := info.Sys().(*syscall.Stat_t); ok {
					s = stamp{st.Mtim, st.Ctim, st.Size, st.Ino, st.Dev}
				}
			}
			list = append(list, s)
		}
	}
	return list
}

// Watch follows the files of the set in force until quit is closed: it looks at them
// with each tick. A change is taken over when the files have been quiet from one tick
// to the next, since a certificate and its key come one after the other. What
// cannot be used is told once; the certificates in force stay.
func (s *Store) Watch(quit <-chan struct{}, ticks <-chan time.Time, log *slog.Logger) {
	w := watcher{store: s, log: log}
	w.look(time.Now())
	for {
		select {
		case <-quit:
			return
		case now := <-ticks:
			w.look(now)
		}
	}
}

// watcher is the state of Watch.
type watcher struct {
	store  *Store
	log    *slog.Logger
	last   []stamp // at the last tick
	failed []stamp // that could not be used
	warned *Set    // whose end was told
}

func (w *watcher) look(now time.Time) {
	set := w.store.Set()
	seen := stampsOf(set.pairs)
	quiet := slices.Equal(seen, w.last)
	w.last = seen
	if quiet && !slices.Equal(seen, set.stamps) && !slices.Equal(seen, w.failed) {
		next, err := Load(set.pairs)
		if err != nil {
			w.log.Warn("the changed certificates cannot be used: those from before stay in force", "error", err.Error())
			w.failed = seen
			return
		}
		if w.store.set.CompareAndSwap(set, next) { // or a reload was faster
			w.log.Info("certificates renewed", "certificates", next.Describe())
		}
		set = w.store.Set()
	}
	if ends := set.Ends(); !ends.IsZero() && ends.Sub(now) < soonEnds && w.warned != set {
		w.warned = set
		w.log.Warn("a certificate ends soon, or has ended", "certificates", set.Describe())
	}
}
