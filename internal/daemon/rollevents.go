package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ripd/internal/api"
)

// rollReady is told when a process became ready that takes the place of old
// (nil: of nothing).
func (s *supervisor) rollReady(in, old *instance, took time.Duration) {
	r := s.roll
	if r == nil || in.release != r.target {
		return
	}
	if r.stage == rollProving {
		s.commitRoll(r)
	}
	for _, st := range r.steps {
		if st.slot != in.slot {
			continue
		}
		step := api.Step{Kind: api.StepReady, Index: st.index, Of: r.of, Worker: in.id, PID: in.pid(),
			Generation: in.release.generation, Took: api.Millis(took), Message: fmt.Sprintf("worker %d: ready in %s", in.id, show(took))}
		if old != nil {
			if !r.strict { // there nobody waits for the old one: it gets no requests
				st.retired = old
			}
			st.until = s.now().Add(old.release.config.Workers.StopTimeout)
			step.InFlight = old.inFlight()
			step.Message += fmt.Sprintf(", draining the old one (%d in flight)", step.InFlight)
		}
		s.tellRoll(r, step)
	}
}

// commitRoll puts the new release into force: its first worker is ready. From
// now on every start is of the new generation.
func (s *supervisor) commitRoll(r *roll) {
	s.enter(r, rollReplacing)
	s.adopt(r.target)
	for _, sl := range s.slots {
		if r.strict && sl.current != nil && sl.current.release != r.target {
			s.retireOld(sl)
		}
	}
}

// adopt makes the release the one of every start from now on.
func (s *supervisor) adopt(r *release) {
	before := s.release.config.Workers
	s.release = r
	s.commit(r)
	// A number that an operator has set stays, unless the file says a new one.
	if w := r.config.Workers; w.Count != before.Count || w.CountAuto != before.CountAuto {
		s.auto = w.CountAuto
		s.resize(w.Count)
	}
	for _, sl := range s.slots {
		sl.backoff = s.backoff()
		sl.startAt = s.now()
	}
}

// retireOld ends what the slot has of a generation that gets no requests any
// more; the slot is then filled with the new one.
func (s *supervisor) retireOld(sl *slot) {
	old := sl.current
	if sl.next != nil {
		s.end(sl.next, failStop)
	}
	if old.phase == phaseStarting {
		s.end(old, failStop)
		return
	}
	s.retire(old)
}

// rollStuck reports that an old process was killed because it did not drain or end.
func (s *supervisor) rollStuck(in *instance) {
	r := s.roll
	if r == nil {
		return
	}
	for _, st := range r.steps {
		if st.retired == in {
			s.tellRoll(r, api.Step{Kind: api.StepFailed, Index: st.index, Of: r.of, Worker: in.id, PID: in.pid(), Generation: in.release.generation,
				InFlight: in.inFlight(), Message: fmt.Sprintf("worker %d: the old one did not end within stop_timeout, killing it", in.id)})
		}
	}
}

// rollLost is told when a process came to an end that nobody asked for.
func (s *supervisor) rollLost(in *instance, cause, exit string, words []string) {
	r := s.roll
	if r == nil || r.target == nil || in.release != r.target {
		return
	}
	r.lost++
	reason := fmt.Sprintf("worker %d of the new generation: %s", in.id, exit)
	if r.stage != rollUndoing {
		r.reason, r.output = reason, words
	}
	for _, st := range r.steps {
		if st.slot == in.slot {
			st.retryAt = s.now().Add(rollRetryWait)
			s.tellRoll(r, api.Step{Kind: api.StepFailed, Index: st.index, Of: r.of, Worker: in.id, PID: in.pid(),
				Generation: in.release.generation, Message: fmt.Sprintf("worker %d: %s (%s)", in.id, exit, cause)})
		}
	}
	switch {
	case r.stage == rollProving && r.strict && !r.again:
		r.again = true
		for _, st := range r.steps {
			st.retryAt = s.now().Add(saveMost)
		}
	case r.stage == rollProving:
		s.endRoll(r, api.VerdictRolledBack, reason, words)
	case r.lost <= rollRetries:
		// Its slot tries again.
	case r.strict:
		s.endRoll(r, api.VerdictFailed, reason, words)
	case r.stage == rollReplacing:
		s.turnBack(r)
	default:
		s.endRoll(r, api.VerdictFailed, fmt.Sprintf("%s; going back failed as well: worker %d: %s", r.reason, in.id, exit), r.output)
	}
}

// turnBack undoes a roll of which too many new workers were lost.
func (s *supervisor) turnBack(r *roll) {
	for _, sl := range s.slots {
		for _, in := range []*instance{sl.next, sl.current} {
			if in != nil && in.release == r.fresh && in.phase == phaseStarting {
				s.end(in, failStop)
			}
		}
	}
	if r.old.generation < s.required {
		s.pressOn(r)
		return
	}
	var replaced []int
	for _, sl := range s.slots {
		if !sl.removing && sl.current != nil && sl.current.release == r.fresh {
			replaced = append(replaced, sl.id)
		}
	}
	if r.fresh.inPlaceOf(r.old) {
		if len(replaced) > 0 {
			r.reason += fmt.Sprintf("; the code was changed in place, so %s keep%s the new generation, and the others the old one",
				workersOf(replaced), map[bool]string{true: "s"}[len(replaced) == 1])
		}
		s.endRoll(r, api.VerdictRolledBack, r.reason, r.output)
		return
	}
	s.enter(r, rollUndoing)
	r.target = r.old
	s.adopt(r.old)
	r.steps, r.todo, r.done, r.of = nil, replaced, 0, len(replaced)
	s.tellRoll(r, api.Step{Kind: api.StepUndoing, Of: r.of, Message: "going back to the old release: " + r.reason})
}

// pressOn ends a roll that cannot go back, because old workers get no requests any
// more (reload mode process). They are retired, and the slots go on trying the new code.
func (s *supervisor) pressOn(r *roll) {
	for _, sl := range s.slots {
		if sl.current != nil && sl.current.release.generation < s.required {
			s.retireOld(sl)
		}
	}
	s.endRoll(r, api.VerdictFailed, r.reason+"; the old code may not answer any more, so ripd goes on trying the new one", r.output)
}

// inPlaceOf tells whether starting a worker of old would start the same as one
// of r: the same folder, command and environment.
func (r *release) inPlaceOf(old *release) bool {
	return r.dir == old.dir && r.app == old.app && maps.Equal(r.env, old.env) &&
		slices.Equal(r.config.Command, old.config.Command)
}

// workersOf names workers: "worker 3", "workers 1, 2".
func workersOf(ids []int) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = fmt.Sprint(id)
	}
	if len(ids) == 1 {
		return "worker " + names[0]
	}
	return "workers " + strings.Join(names, ", ")
}

// completeRoll gives the verdict of a roll whose slots have all arrived.
func (s *supervisor) completeRoll(r *roll) {
	if r.stage == rollUndoing {
		s.endRoll(r, api.VerdictRolledBack, r.reason, r.output)
		return
	}
	if r.stage == rollProving {
		s.endRoll(r, api.VerdictFailed, "there is no worker to replace", nil)
		return
	}
	s.endRoll(r, api.VerdictDone, "", nil)
}

// endRoll gives the verdict to everybody who waits for it.
func (s *supervisor) endRoll(r *roll, code api.VerdictCode, reason string, output []string) {
	unproven := r.stage == rollProving || r.stage == rollPreparing
	s.enter(r, rollEnded)
	if s.roll == r {
		s.roll = nil
	}
	for _, sl := range s.slots {
		if in := sl.next; in != nil && in.phase == phaseStarting && code != api.VerdictDone {
			s.end(in, failStop)
		}
	}
	now := s.now()
	took := now.Sub(r.began)
	v := api.Verdict{OK: code == api.VerdictDone, Verdict: code, Kind: r.kind, Generation: s.release.generation,
		Reason: reason, Output: output, Took: api.Millis(took)}
	s.lastRoll = &api.Roll{Kind: r.kind, Verdict: code, Generation: v.Generation, Reason: reason, Output: output, At: now, Took: v.Took}
	if r.strict && unproven {
		s.broken = &failure{reason: reason, words: output}
	}
	s.count.Rolled(string(code))
	if s.retain != nil {
		s.retain(s.release)
	}
	s.rolled(v)
	if v.OK {
		s.log.Info("roll done", "kind", r.kind, "generation", v.Generation, "took_ms", took.Milliseconds())
	} else {
		s.log.Error("roll "+strings.ReplaceAll(string(code), "_", " "), "kind", r.kind, "generation", v.Generation, "reason", reason, "output", lastLine(output))
	}
	s.emit(api.EventRollEnded, nil, string(code), output)
	for _, w := range r.watchers {
		w.end(v)
	}
}

// tellRoll reports a step to everybody who watches the roll.
func (s *supervisor) tellRoll(r *roll, step api.Step) {
	r.message = step.Message
	for _, w := range r.watchers {
		w.step(step)
	}
	s.log.Debug("roll", "step", step.Message)
	s.emit(api.EventRollStep, nil, step.Message, nil)
}
