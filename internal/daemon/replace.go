package daemon

import (
	"fmt"
	"time"

	"ripd/internal/api"
)

// This file holds the replacement of workers that have served, aged or grown
// enough: the successor first, and only a few at once, so that memory for the
// replacements is bounded too.

// replaceSoon notes that the process is to be replaced.
func (s *supervisor) replaceSoon(in *instance, why string) {
	sl := in.slot
	if sl == nil || sl.current != in || sl.due != "" || sl.removing {
		return
	}
	sl.due, sl.dueAt, sl.replaceAt = why, s.now(), s.now()
}

// replaceDue starts successors for the processes that have been due longest, as
// many at once as a roll may. A roll replaces every process, so it goes first.
func (s *supervisor) replaceDue(now time.Time) {
	if s.roll != nil || s.release.generation < s.required {
		return
	}
	for s.replacing() < s.release.config.Workers.Surge {
		var first *slot
		for _, sl := range s.slots {
			if sl.due == "" || sl.next != nil || sl.removing || len(sl.leaving) > 0 || now.Before(sl.replaceAt) ||
				sl.current == nil || !sl.current.phase.serves() {
				continue
			}
			if first == nil || sl.dueAt.Before(first.dueAt) {
				first = sl
			}
		}
		if first == nil {
			return
		}
		info := first.current.info()
		s.log.Info("replacing a worker", "worker", first.id, "pid", first.current.pid(), "reason", first.due,
			"handled", info.Handled, "age_ms", now.Sub(first.current.began).Milliseconds())
		s.emit(api.EventRecycled, first.current, first.due, nil)
		s.launch(first, s.release)
	}
}

// replacing is the number of successors that are starting.
func (s *supervisor) replacing() int {
	n := 0
	for _, sl := range s.slots {
		if sl.next != nil {
			n++
		}
	}
	return n
}

// measure reads the memory of all workers aside, and marks the ones that have
// grown too large. At most one measurement runs.
func (s *supervisor) measure() {
	s.measureAt = time.Time{}
	if s.measuring {
		return
	}
	type target struct {
		in  *instance
		use func() (usage, error)
	}
	var targets []target
	s.instances(func(in *instance) {
		if in.phase.serves() && in.pid() > 0 && (in.slot == nil || in.release.config.Workers.MaxMemory > 0) {
			targets = append(targets, target{in, s.measureOf(in)})
		}
	})
	if len(targets) == 0 {
		return
	}
	s.measuring = true
	s.aside(func() {
		sizes, errs := make([]int64, len(targets)), make([]error, len(targets))
		for i, t := range targets {
			var u usage
			u, errs[i] = t.use()
			sizes[i] = u.memory
		}
		s.mail.post(func() {
			s.measuring = false
			s.measureAt = s.now().Add(measureEvery)
			for i, t := range targets {
				s.measured(t.in, sizes[i], errs[i])
			}
		})
	})
}

// measureOf gives what measures a worker. It may be called from any goroutine.
func (s *supervisor) measureOf(in *instance) func() (usage, error) {
	if in.process != nil {
		return in.process.Usage
	}
	pid := in.pid()
	return func() (usage, error) { return s.usage(pid) }
}

// measured notes one worker's size. An external worker that cannot be measured
// has ended: nobody else tells.
func (s *supervisor) measured(in *instance, size int64, err error) {
	if err != nil {
		if in.slot == nil && in.phase != phaseGone {
			s.log.Info("external worker has ended", "worker", in.id, "pid", in.pid())
			s.removeExternal(in)
		}
		return
	}
	if in.slot == nil {
		return
	}
	if limit := in.release.config.Workers.MaxMemory; limit > 0 && size > limit {
		s.replaceSoon(in, fmt.Sprintf("max_memory reached (%d MB)", size>>20))
	}
}
