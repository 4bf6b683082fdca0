package daemon

import "ripd/internal/api"

// beginStop ends every process: no more starts and rolls. The requests have been
// answered by then, the proxy has seen to that. run returns when all have ended.
func (s *supervisor) beginStop() {
	if s.stopping {
		return
	}
	s.stopping = true
	if s.roll != nil {
		s.endRoll(s.roll, api.VerdictFailed, "ripd is stopping", nil)
	}
	for _, r := range s.waiting {
		for _, w := range r.watchers {
			w.end(api.Verdict{Verdict: api.VerdictFailed, Kind: r.kind, Generation: s.release.generation, Reason: "ripd is stopping"})
		}
	}
	if sc := s.scaling; sc != nil {
		sc.watcher.end(api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindScale, Reason: "ripd is stopping"})
	}
	s.waiting, s.scaling = nil, nil
	var all []*instance
	s.instances(func(in *instance) { all = append(all, in) })
	for _, in := range all {
		s.stopInstance(in)
	}
}

// stopInstance tells one process to end.
func (s *supervisor) stopInstance(in *instance) {
	if in.slot == nil {
		s.removeExternal(in)
		return
	}
	if in.phase >= phaseStopping {
		return
	}
	if in.seated && in.phase != phaseRetiring {
		if err := in.seat.Retire(); err != nil {
			s.log.Debug("retiring a worker", "worker", in.id, "error", err.Error())
		}
	}
	s.end(in, in.release.config.Workers.StopTimeout)
}

// finished tells whether stop was asked for and every process has ended.
func (s *supervisor) finished() bool {
	if !s.stopping {
		return false
	}
	alive := false
	s.instances(func(*instance) { alive = true })
	return !alive
}
