package daemon

import (
	"fmt"

	"ripd/internal/api"
)

// This file holds the reload mode "process": a request that comes after a change
// of the app's files is answered by code that was started after it. changed is
// called before such a request is admitted; the pool then gives it, and all that
// follow, to the new generation alone.

// changed begins a roll because a file has changed. Old workers get no more
// requests from this moment on.
func (s *supervisor) changed(path string) {
	if s.stopping {
		return
	}
	kind := api.KindRestart
	if path == s.release.config.File {
		kind = api.KindReload
	}
	s.log.Info("a file has changed, starting anew", "file", path)
	r := &roll{kind: kind, strict: true, generation: s.nextGeneration()}
	s.required = r.generation
	s.seating.Require(r.generation)
	s.broken = nil
	if old := s.roll; old != nil {
		s.supersede(old, r)
	}
	for _, queued := range s.waiting {
		// What they asked for, the newest code, is what this roll brings.
		r.watchers = append(r.watchers, queued.watchers...)
		if queued.kind == api.KindReload {
			r.kind = api.KindReload
		}
	}
	s.waiting = []*roll{r}
	// The request that has seen the change goes on when this returns: it may wait for
	// the new generation from now on, also where nothing could be expected before.
	s.lookOut(s.now())
}

// outdated begins another roll if files have changed since the one was begun that this
// process is the first of: it may have loaded half of a save, as of a checkout of
// many files.
func (s *supervisor) outdated(in *instance) bool {
	r := s.roll
	if s.newest == nil || r == nil || !r.strict || r.stage != rollProving || in.release != r.target {
		return false
	}
	path, changed := s.newest()
	if changed {
		s.changed(path)
	}
	return changed
}

// supersede ends a roll whose code is no longer the newest, before its verdict:
// its watchers get that of the next one.
func (s *supervisor) supersede(old, by *roll) {
	s.enter(old, rollEnded)
	s.roll = nil
	for _, sl := range s.slots {
		for _, in := range []*instance{sl.next, sl.current} {
			if in != nil && in.release == old.fresh && in.phase == phaseStarting && in.release != s.release {
				s.end(in, failStop)
			}
		}
	}
	for _, w := range old.watchers {
		w.step(api.Step{Kind: api.StepNote, Message: "a file has changed meanwhile: starting over"})
	}
	by.watchers = append(by.watchers, old.watchers...)
	if old.kind == api.KindReload {
		by.kind = api.KindReload
	}
}

// trouble says why the newest code does not serve, for the page that a developer
// sees; nil when it serves or may come to serve.
func (s *supervisor) trouble() *failure {
	if s.broken != nil || !s.hopeless {
		return s.broken
	}
	for _, sl := range s.slots {
		if sl.crash.count > 0 && sl.current == nil {
			return &failure{reason: fmt.Sprintf("worker %d: %s", sl.id, sl.crash.exit), words: sl.crash.words}
		}
	}
	return nil
}
