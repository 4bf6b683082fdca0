package daemon

import (
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/pool"
)

// report is the supervisor's part of the status at one moment. Nothing in it is
// shared with the supervisor's own state.
type report struct {
	config     *config.Config
	generation int
	workers    []api.Worker
	uses       []use // of the workers, in their order
	counts     api.WorkerCounts
	rolling    *api.Rolling
	lastRoll   *api.Roll
	loops      []api.CrashLoop
	restarts   int
	stopping   bool
}

// use measures a worker of a report; it may be called from any goroutine. measure
// is nil when there is no process.
type use struct {
	measure func() (usage, error)
	current bool // of the slot's processes it is the one that serves
}

// report describes the workers. at turns the pool's clock into time.
func (s *supervisor) report(at func(time.Duration) time.Time) report {
	r := report{
		config: s.release.config, generation: s.release.generation, stopping: s.stopping,
		counts: api.WorkerCounts{Wanted: s.wanted, Auto: s.auto, Batch: s.batch()},
	}
	if s.lastRoll != nil {
		last := *s.lastRoll
		r.lastRoll = &last
	}
	if o := s.roll; o != nil {
		r.rolling = &api.Rolling{Kind: o.kind, Generation: o.generation, Index: o.done + min(1, len(o.steps)), Of: o.of, StartedAt: o.began, Message: o.message}
	}
	for _, sl := range s.slots {
		r.restarts += sl.restarts
		sl.instances(func(in *instance) { r.add(s.describe(in, at), s.use(in)) })
		if sl.current == nil && !sl.removing && sl.crash.count > 0 {
			r.add(api.Worker{ID: sl.id, State: api.WorkerWaiting, Restarts: sl.restarts, NextStart: sl.startAt, LastWords: sl.crash.words}, use{})
		}
		if loop := sl.loop(s.now()); loop != nil {
			r.loops = append(r.loops, *loop)
		}
	}
	for id := firstExternal; len(s.externals) > 0 && id < firstExternal+maxExternal; id++ {
		if in := s.externals[id]; in != nil {
			r.add(s.describe(in, at), s.use(in))
		}
	}
	return r
}

// add counts a worker and lists it.
func (r *report) add(w api.Worker, u use) {
	switch w.State {
	case api.WorkerReady:
		r.counts.Ready++
		if w.InFlight > 0 {
			r.counts.Busy++
		}
	case api.WorkerStarting:
		r.counts.Starting++
	case api.WorkerDrained:
		r.counts.Drained++
	case api.WorkerRetiring:
		r.counts.Retiring++
	case api.WorkerWaiting:
		r.counts.Waiting++
	}
	r.workers, r.uses = append(r.workers, w), append(r.uses, u)
}

func (s *supervisor) use(in *instance) use {
	if in.pid() == 0 {
		return use{}
	}
	return use{measure: s.measureOf(in), current: in.slot == nil || in.slot.current == in}
}

// measure fills in what the workers use. A worker that ends at this moment uses
// nothing any more.
func (r *report) measure() {
	for i, u := range r.uses {
		if u.measure == nil {
			continue
		}
		if used, err := u.measure(); err == nil {
			r.workers[i].Memory, r.workers[i].CPU = used.memory, api.Millis(used.cpu)
		}
	}
}

// loop describes a slot whose processes end again and again; nil when they do not.
func (sl *slot) loop(now time.Time) *api.CrashLoop {
	c := sl.crash
	if c.count < 2 {
		return nil
	}
	if in := sl.current; in != nil && in.phase.serves() && now.Sub(in.readyAt) >= goodMinute {
		return nil
	}
	loop := &api.CrashLoop{Worker: sl.id, Count: c.count, Since: c.since, Exit: c.exit, LastWords: c.words}
	if sl.current == nil {
		loop.NextStart = sl.startAt
	}
	return loop
}

// describe is one process as operators see it, without what it uses.
func (s *supervisor) describe(in *instance, at func(time.Duration) time.Time) api.Worker {
	w := api.Worker{
		ID: in.id, PID: in.pid(), Generation: in.release.generation, State: in.state(),
		External: in.slot == nil, Age: api.Millis(s.now().Sub(in.began)), Socket: in.socket,
	}
	if in.process != nil {
		w.Group = in.process.Group()
	}
	if in.slot != nil {
		w.Restarts = in.slot.restarts
		if in == in.slot.current && in.slot.crash.count > 0 {
			w.LastWords = in.slot.crash.words
		}
	}
	i := in.info()
	w.InFlight, w.Handled = i.InFlight, uint64(i.Handled)
	w.Upgraded, w.Released = i.Upgraded, i.Streams
	w.Request, w.RunningFor = i.Request, api.Millis(i.Running)
	if i.LastServed > 0 {
		w.LastRequest = at(i.LastServed)
	}
	return w
}

// state is the word for the process's phase.
func (in *instance) state() api.WorkerState {
	switch in.phase {
	case phaseStarting:
		return api.WorkerStarting
	case phaseReady:
		if in.seat.Info().State == pool.Failed {
			return api.WorkerFailed
		}
		return api.WorkerReady
	case phaseDrained:
		return api.WorkerDrained
	case phaseRetiring:
		return api.WorkerRetiring
	}
	if in.failed {
		return api.WorkerFailed
	}
	return api.WorkerStopping
}

// health is the app in one word.
func (r *report) health() api.Health {
	switch {
	case r.stopping:
		return api.Stopping
	case r.counts.Ready == 0 || r.counts.Waiting > 0 || len(r.loops) > 0:
		return api.Degraded
	}
	return api.Healthy
}
