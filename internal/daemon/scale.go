package daemon

import (
	"fmt"
	"slices"
	"strconv"

	"ripd/internal/api"
	"ripd/internal/config"
)

// scaling is a change of the number of workers that somebody waits for.
type scaling struct {
	scale   api.Scale
	watcher *watcher
}

// resize makes n the number of workers: missing slots are added and filled, the
// ones with the highest ids retired.
func (s *supervisor) resize(n int) {
	s.wanted = n
	now := s.now()
	for id := 1; id <= n; id++ {
		sl := s.find(id)
		if sl == nil {
			sl = &slot{id: id, backoff: s.backoff(), startAt: now}
			s.slots = slices.Insert(s.slots, min(id-1, len(s.slots)), sl)
			s.rollAdds(sl)
		} else if sl.removing {
			sl.removing, sl.startAt = false, now
			s.rollAdds(sl)
		}
	}
	for _, sl := range s.slots {
		if sl.id <= n || sl.removing {
			continue
		}
		sl.removing, sl.due = true, ""
		sl.drained, sl.crash = false, crash{} // what comes back later is a new worker
		if sl.next != nil {
			s.end(sl.next, failStop)
		}
		if sl.current != nil {
			s.retire(sl.current)
		}
	}
}

// rollAdds puts a new slot into the roll that goes on: its verdict speaks for
// every slot.
func (s *supervisor) rollAdds(sl *slot) {
	if r := s.roll; r != nil && r.target != nil && !slices.Contains(r.todo, sl.id) {
		r.todo = append(r.todo, sl.id)
		r.of++
	}
}

// dropEmptySlots forgets the slots that were scaled away and have ended.
func (s *supervisor) dropEmptySlots() {
	s.slots = slices.DeleteFunc(s.slots, func(sl *slot) bool { return sl.removing && sl.empty() })
}

// scaleTo reads what was asked for.
func (s *supervisor) scaleTo(words string) (n int, auto bool, err error) {
	if words == "auto" {
		n, _ = config.CPUs()
		return n, true, nil
	}
	n, err = strconv.Atoi(words)
	if err != nil {
		return 0, false, api.Errorf(api.CodeUsage, "%q is not a number of workers", words).WithHint("4, +1, -1 or auto")
	}
	if words[0] == '+' || words[0] == '-' {
		n += s.wanted
	}
	if n < 1 || n > config.MaxWorkers {
		return 0, false, api.Errorf(api.CodeUsage, "%d workers are not possible: it is %d now, and takes 1 to %d", n, s.wanted, config.MaxWorkers).
			WithHint("`ripctl stop` ends the app, `ripctl drain` holds its workers back")
	}
	return n, false, nil
}

// requestScale changes the number of workers. The watcher is told when it is
// reached, or that a new worker does not start.
func (s *supervisor) requestScale(words string) (*watcher, api.Scale, error) {
	if s.stopping {
		return nil, api.Scale{}, api.Errorf(api.CodeBusy, "ripd is stopping")
	}
	n, auto, err := s.scaleTo(words)
	if err != nil {
		return nil, api.Scale{}, err
	}
	sc := &scaling{scale: api.Scale{Before: s.wanted, After: n, Auto: auto}, watcher: newWatcher()}
	if other := s.scaling; other != nil {
		other.watcher.end(api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindScale, Reason: fmt.Sprintf("another scale came in between: %d workers now", n)})
	}
	s.scaling = sc
	s.auto = auto
	s.resize(n)
	s.log.Info("scaled", "before", sc.scale.Before, "after", n, "auto", auto)
	s.emit(api.EventScaled, nil, fmt.Sprintf("%d workers, from %d", n, sc.scale.Before), nil)
	return sc.watcher, sc.scale, nil
}

// reviewScale gives its verdict to the scaling that has been reached: the new
// workers are ready, the ones too many gone.
func (s *supervisor) reviewScale() {
	sc := s.scaling
	if sc == nil {
		return
	}
	for _, sl := range s.slots {
		if sl.removing || sl.id > sc.scale.Before && (sl.current == nil || !sl.current.phase.serves()) {
			return
		}
	}
	sc.watcher.end(api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindScale, Scale: &sc.scale})
	s.scaling = nil
}

// scaleLost tells whoever scales up that a new worker does not start.
func (s *supervisor) scaleLost(in *instance, exit string, words []string) {
	sc := s.scaling
	if sc == nil || in.id <= sc.scale.Before || !in.readyAt.IsZero() {
		return
	}
	sc.watcher.end(api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindScale, Scale: &sc.scale,
		Reason: fmt.Sprintf("worker %d does not start: %s; ripd goes on trying", in.id, exit), Output: words})
	s.scaling = nil
}
