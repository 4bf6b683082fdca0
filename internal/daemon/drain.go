package daemon

import (
	"ripd/internal/api"
)

// drain holds back one worker, or all (id 0). It stays so across replacements,
// rolls and crashes, until it is resumed. With page, requests do not wait meanwhile:
// they get the maintenance page.
func (s *supervisor) drain(id int, page bool) error {
	err := s.hold(id, true)
	if err == nil && id == 0 {
		s.maintain(page)
	}
	return err
}

// resume lets one worker, or all (id 0), take requests again.
func (s *supervisor) resume(id int) error {
	err := s.hold(id, false)
	if err == nil {
		s.maintain(false)
	}
	return err
}

// maintain turns the maintenance page on or off.
func (s *supervisor) maintain(on bool) {
	switch {
	case on && !s.maintained:
		s.log.Info("maintenance begins: requests get the page")
	case !on && s.maintained:
		s.log.Info("maintenance is over")
	}
	s.maintained = on
	s.maintenance(on)
}

func (s *supervisor) hold(id int, drained bool) error {
	if s.stopping {
		return api.Errorf(api.CodeBusy, "ripd is stopping")
	}
	found := false
	for _, sl := range s.slots {
		if (id == 0 || sl.id == id) && !sl.removing {
			found = true
			sl.drained = drained
			if sl.current != nil {
				s.holdInstance(sl.current, drained)
			}
		}
	}
	for _, in := range s.externals {
		if id == 0 || in.id == id {
			found = true
			s.holdInstance(in, drained)
		}
	}
	if !found {
		return api.Errorf(api.CodeNotFound, "there is no worker %d", id).WithHint("`ripctl workers` shows them: 1 to %d", s.wanted)
	}
	return nil
}

// holdInstance changes a process that serves; one that starts looks at its slot
// when it is ready.
func (s *supervisor) holdInstance(in *instance, drained bool) {
	var err error
	switch {
	case drained && in.phase == phaseReady:
		if err = in.seat.Drain(); err == nil {
			s.step(in, phaseDrained)
			s.emit(api.EventDraining, in, "held back by an operator, "+in.load(), nil)
		}
	case !drained && in.phase == phaseDrained && !in.seated:
		if err = s.seatReady(in); err == nil {
			s.emit(api.EventResumed, in, "", nil)
		}
	case !drained && in.phase == phaseDrained:
		if err = in.seat.Resume(); err == nil {
			s.step(in, phaseReady)
			s.emit(api.EventResumed, in, "", nil)
		}
	}
	if err != nil {
		// The pool dropped it at this very moment; what follows is on its way here.
		s.log.Debug("holding a worker", "worker", in.id, "drained", drained, "error", err.Error())
	}
}
