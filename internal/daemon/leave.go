package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"ripd/internal/api"
	"ripd/internal/pool"
)

// This file holds the ways in which a process leaves: retired after its
// successor is there, dropped at a failure, too slow to start, or by itself.

// causeMemory is why a worker is lost that the kernel has ended for want of
// memory.
const causeMemory = "out-of-memory"

// leave puts the process among the slot's leaving ones.
func (s *supervisor) leave(in *instance) {
	if in.slot == nil {
		return
	}
	in.slot.detach(in)
	for _, other := range in.slot.leaving {
		if other == in {
			return
		}
	}
	in.slot.leaving = append(in.slot.leaving, in)
}

// retire lets the process finish what runs, then ends it.
func (s *supervisor) retire(in *instance) {
	if in.phase.ending() {
		return
	}
	s.leave(in)
	stop := in.release.config.Workers.StopTimeout
	if !in.seated {
		s.end(in, stop)
		return
	}
	if !s.step(in, phaseRetiring) {
		return
	}
	in.deadline = s.now().Add(stop)
	s.emit(api.EventDraining, in, in.load(), nil)
	if err := in.seat.Retire(); err != nil {
		// The pool dropped it at this very moment: what it tells next ends the process.
		s.log.Debug("retiring a worker", "worker", in.id, "error", err.Error())
	}
}

// idle is told when a retiring or failed worker has nothing in flight any more.
func (s *supervisor) idle(in *instance) {
	if in.phase != phaseRetiring {
		return
	}
	if in.slot == nil {
		s.removeExternal(in)
		return
	}
	left := in.deadline.Sub(s.now())
	s.end(in, max(left, min(exitWait, in.release.config.Workers.StopTimeout)))
}

// end tells the process to end, and kills it after patience.
func (s *supervisor) end(in *instance, patience time.Duration) {
	if in.phase >= phaseStopping || !s.step(in, phaseStopping) {
		return
	}
	s.leave(in)
	in.deadline = s.now().Add(patience)
	if in.process != nil {
		in.process.Terminate() // else started does
	} else if in.giveUp != nil {
		in.giveUp()
	}
}

// kill ends the process by force.
func (s *supervisor) kill(in *instance) {
	if !s.step(in, phaseKilling) {
		return
	}
	s.leave(in)
	in.deadline = s.now().Add(killWait)
	if s.stopping {
		s.killed++
	}
	if in.process != nil {
		in.process.Kill()
	} else if in.giveUp != nil {
		in.giveUp()
	}
}

// expire enforces the deadline of the process's phase.
func (s *supervisor) expire(in *instance) {
	in.deadline = time.Time{}
	if in.slot == nil {
		s.removeExternal(in)
		return
	}
	w := in.release.config.Workers
	switch in.phase {
	case phaseStarting:
		words := in.lastWords()
		if in.process == nil && s.loading != nil {
			words = s.loading(in.release)
		}
		s.kill(in)
		s.lost(in, "start-timeout", fmt.Sprintf("not ready within start_timeout (%s)", show(w.StartTimeout)), words)
	case phaseRetiring:
		info := in.info()
		s.log.Warn("worker did not drain within stop_timeout, killing it", "worker", in.id, "pid", in.pid(),
			"generation", in.release.generation, "stop_timeout_ms", w.StopTimeout.Milliseconds(), "in_flight", info.InFlight, "upgraded", info.Upgraded, "released", info.Streams, "request", info.Request)
		s.rollStuck(in)
		s.kill(in)
	case phaseStopping:
		s.log.Warn("worker did not end in time, killing it", "worker", in.id, "pid", in.pid(), "generation", in.release.generation)
		s.rollStuck(in)
		s.kill(in)
	case phaseKilling:
		s.log.Error("a killed worker does not disappear, giving it up", "worker", in.id, "pid", in.pid(), "state", s.state(in.pid()))
		s.gone(in)
	}
}

// exited is told when no process of the group is left.
func (s *supervisor) exited(in *instance) {
	if in.phase == phaseGone {
		return
	}
	before := in.phase
	exit, shortage, words := in.process.Exit(), in.process.OutOfMemory(), in.process.LastWords()
	s.gone(in)
	s.emit(api.EventExited, in, exit, nil)
	if before.ending() {
		level := slog.LevelDebug
		if in.failed {
			level = slog.LevelInfo // what the failure was about
		}
		s.log.Log(context.Background(), level, "worker ended", "worker", in.id, "pid", in.pid(), "generation", in.release.generation, "exit", exit)
		if sl := in.slot; in.failed && sl.crash.of == in && len(words) > 0 {
			sl.crash.words, sl.crash.exit = words, exit
		}
		return
	}
	cause := "exited"
	if before == phaseStarting {
		cause = "start-failed"
	}
	if shortage != "" {
		cause, exit = causeMemory, shortage
	}
	s.lost(in, cause, exit, words)
}

// gone takes the ended process out of the pool and its slot's leaving ones.
func (s *supervisor) gone(in *instance) {
	if !s.step(in, phaseGone) {
		return
	}
	in.deadline = time.Time{}
	delete(s.byToken, in.token)
	if in.seat != nil {
		if err := in.seat.Remove(); err != nil {
			s.log.Error("removing a worker from the pool", "worker", in.id, "error", err.Error())
		}
	}
	if sl := in.slot; sl != nil {
		for i, other := range sl.leaving {
			if other == in {
				sl.leaving = append(sl.leaving[:i:i], sl.leaving[i+1:]...)
				break
			}
		}
	}
}

// dropped is told when the pool has dropped the worker at a failure. The
// process is ended, and a successor started.
func (s *supervisor) dropped(in *instance, e pool.Event) {
	if in.slot == nil {
		s.log.Warn("external worker dropped", "worker", in.id, "pid", in.pid(), "cause", string(e.Cause), "detail", e.Detail)
		s.removeExternal(in)
		return
	}
	if in.phase >= phaseStopping {
		return
	}
	before := in.phase
	in.failed = true
	if e.Cause == pool.CauseTimeout {
		info := in.info()
		s.log.Error("worker hangs, replacing it", "worker", in.id, "pid", in.pid(), "generation", in.release.generation,
			"request", info.Request, "running_ms", info.Running.Milliseconds(), "detail", e.Detail,
			"age_ms", s.now().Sub(in.began).Milliseconds(), "state", s.state(in.pid()))
	}
	cause, detail := string(e.Cause), e.Detail
	if why := in.outOfMemory(); why != "" {
		cause, detail = causeMemory, why+": "+detail
	}
	s.emit(api.EventFailed, in, cause+": "+detail, nil)
	words := in.lastWords()
	s.end(in, min(failStop, in.release.config.Workers.StopTimeout))
	if before != phaseRetiring {
		s.lost(in, cause, detail, words)
	} else if cause == causeMemory {
		s.log.Error("a worker was lost on its way out", "worker", in.id, "pid", in.pid(), "generation", in.release.generation, "cause", cause, "reason", detail)
	}
}

// lost notes that a process came to an end that nobody asked for, and when the
// next one starts.
func (s *supervisor) lost(in *instance, cause, reason string, words []string) {
	sl, now := in.slot, s.now()
	if !in.readyAt.IsZero() && now.Sub(in.readyAt) >= goodMinute || sl.crash.count == 0 {
		sl.crash = crash{since: now}
	}
	sl.crash.count++
	sl.crash.exit, sl.crash.words, sl.crash.of = reason, words, in
	sl.detach(in)
	// Later than now, so that the turn which notes the loss is over by then.
	wait := max(sl.backoff.Next(now), time.Millisecond)
	if sl.current == nil {
		sl.startAt = now.Add(wait)
	} else {
		sl.replaceAt = now.Add(max(wait, time.Second))
	}
	if s.stopping {
		return
	}
	s.count.Respawned(cause)
	s.log.Error("worker lost", "worker", in.id, "pid", in.pid(), "generation", in.release.generation,
		"cause", cause, "reason", reason, "next_start_ms", wait.Milliseconds(), "output", lastLine(words))
	kind := api.EventFailed
	if sl.crash.count > 1 {
		kind = api.EventCrashLoop
	}
	s.emit(kind, in, fmt.Sprintf("%s: %s", cause, reason), words)
	s.rollLost(in, cause, reason, words)
	s.scaleLost(in, reason, words)
}

func lastLine(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[len(words)-1]
}
