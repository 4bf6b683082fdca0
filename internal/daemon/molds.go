package daemon

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/worker"
)

// molds are the processes that have loaded the app and are forked to make its
// workers (workers.preload): one for each release of which workers are started.
type molds struct {
	launcher *worker.Launcher
	line     func(worker.Line)
	log      *slog.Logger
	ends     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	of     map[*release]*mold
}

// mold is one of them. One that has ended, or is not wanted any more, is not in
// the table.
type mold struct {
	settled chan struct{} // closed when it is loaded, or is known not to become so
	unused  chan struct{} // closed when nobody wants it any more

	// These are set before settled is closed.
	err   error  // why it is not loaded
	unfit string // why it cannot be forked: then workers load the app themselves

	// These belong to the table's lock.
	process *worker.Mold // nil until it runs
	waiting int          // starts that wait for it
	forks   int
}

func newMolds(l *worker.Launcher, line func(worker.Line), log *slog.Logger) *molds {
	return &molds{launcher: l, line: line, log: log, of: map[*release]*mold{}}
}

// loadFailed is why an app was not loaded, in its own words.
type loadFailed struct {
	how   string
	words []string
}

// Error says how it ended.
func (e *loadFailed) Error() string { return "the app is not loaded: " + e.how }

// fork makes a worker. It returns nil without an error when the app cannot be
// forked and the worker has to load it by itself.
func (m *molds) fork(l launch, s worker.Spec) (*worker.Process, error) {
	for {
		md, first, err := m.loaded(l, s)
		if err != nil || md.unfit != "" {
			return nil, err
		}
		p, err := md.process.Fork(s, m.line)
		if err == nil {
			return p, nil
		}
		// It has ended meanwhile, or does not do what it should. One that never did gets no
		// second chance.
		m.drop(l.Release, md)
		if first || l.Context.Err() != nil {
			return nil, err
		}
	}
}

// loaded waits for the release's mold, and starts it when there is none. first tells
// that it was not forked yet.
func (m *molds) loaded(l launch, s worker.Spec) (md *mold, first bool, err error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, false, errEnded
	}
	if md = m.of[l.Release]; md == nil {
		md = &mold{settled: make(chan struct{}), unused: make(chan struct{})}
		m.of[l.Release] = md
		m.ends.Go(func() { m.follow(l.Release, md, s) })
	}
	md.waiting++
	m.mu.Unlock()

	select {
	case <-md.settled:
		err = md.err
	case <-l.Context.Done():
		err = context.Cause(l.Context)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	md.waiting--
	if err != nil && md.waiting == 0 {
		m.forget(l.Release, md)
	}
	first = md.forks == 0
	if err == nil {
		md.forks++
	}
	return md, first, err
}

// forget takes the mold out of the table, which ends it. The caller holds the lock.
func (m *molds) forget(r *release, md *mold) {
	if m.of[r] == md {
		delete(m.of, r)
		close(md.unused)
	}
}

func (m *molds) drop(r *release, md *mold) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(r, md)
}

// retain ends the molds of all releases but r.
func (m *molds) retain(r *release) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for other, md := range m.of {
		if other != r {
			m.forget(other, md)
		}
	}
}

// words are the last lines of output of the release's mold.
func (m *molds) words(r *release) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if md := m.of[r]; md != nil && md.process != nil {
		return md.process.LastWords()
	}
	return nil
}

// list describes the molds that run, oldest first.
func (m *molds) list() []api.Preloaded {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []api.Preloaded
	for r, md := range m.of {
		if md.process == nil {
			continue
		}
		if used, err := md.process.Usage(); err == nil { // else it has ended just now
			list = append(list, api.Preloaded{PID: md.process.PID(), Generation: r.generation, Memory: used.Memory, Forks: md.forks})
		}
	}
	slices.SortFunc(list, func(a, b api.Preloaded) int { return cmp.Compare(a.Generation, b.Generation) })
	return list
}

// close ends all molds, and returns when they are gone.
func (m *molds) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.retain(nil)
	m.ends.Wait()
}

// follow is a mold's life.
func (m *molds) follow(r *release, md *mold, s worker.Spec) {
	began := time.Now()
	p, err := m.launcher.StartMold(moldSpec(s), m.line)
	if err != nil {
		md.err = err
		m.drop(r, md)
		close(md.settled)
		return
	}
	m.mu.Lock()
	md.process = p
	m.mu.Unlock()
	if md.err = m.awaitLoad(p, md, r.config); md.err == nil {
		md.unfit = p.Unfit()
	}
	if md.err != nil {
		m.drop(r, md)
	}
	close(md.settled)
	switch {
	case md.err != nil:
	case md.unfit != "":
		m.log.Warn("the app cannot be forked, each worker loads it", "generation", r.generation, "reason", md.unfit)
		p.End(failStop)
		<-md.unused // until then it is the reason
	default:
		m.log.Info("app loaded, workers are forked from it", "generation", r.generation, "pid", p.PID(), "took_ms", time.Since(began).Milliseconds())
		select {
		case <-md.unused:
		case <-p.Done():
			m.log.Warn("the process that has loaded the app has ended; the next start loads it again",
				"generation", r.generation, "pid", p.PID(), "exit", p.Exit().String())
			m.drop(r, md)
		}
	}
	p.End(failStop)
}

// awaitLoad returns when the app is loaded, or why it is not.
func (m *molds) awaitLoad(p *worker.Mold, md *mold, c *config.Config) error {
	patience := time.NewTimer(c.Workers.StartTimeout)
	defer patience.Stop()
	select {
	case <-p.Loaded():
		return nil
	case <-p.Done():
		return &loadFailed{p.Exit().String(), p.LastWords()}
	case <-patience.C:
		return &loadFailed{fmt.Sprintf("not within start_timeout (%s)", show(c.Workers.StartTimeout)), p.LastWords()}
	case <-md.unused:
		return errEnded
	}
}

// moldSpec is what a worker's mold is started with: what the worker has in common with
// the others of its generation.
func moldSpec(s worker.Spec) worker.Spec {
	s.ID, s.Socket, s.Ready = 0, "", config.ReadyRegister
	s.Env = slices.DeleteFunc(slices.Clone(s.Env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == "WORKER_ID" || name == "SOCKET_PATH" || name == "RIP_TOKEN"
	})
	return s
}
