package daemon

import (
	"errors"
	"os"
	"time"

	"ripd/internal/config"
	"ripd/internal/worker"
)

// What workers.scheduling = "auto" goes by. With many short requests the processors mostly
// switch between ripd, its workers and whoever asks: workers that interrupt nobody then
// bring a tenth to a quarter more requests a second (docs/benchmarks.md). A request that
// waits for something else a few times would pay for it with a time slice of others each
// time, where the processors are busy.
const (
	// schedulingLook is how often the supervisor looks at what workers have done.
	schedulingLook = time.Second
	// batchFrom is how many requests in that time are many, and batchTo how few are not
	// any more, once there were that few for batchCalm looks.
	batchFrom, batchTo, batchCalm = 2000, 1000, 30
	// batchBelow is the mean time of a request in a worker below which they are short,
	// and batchAbove that from which they are not any more: workers wait too long for a
	// processor, or the app does something else.
	batchBelow, batchAbove = time.Millisecond, 2 * time.Millisecond
	// batchWait is how long the policy then stays away; twice as long each time, up to
	// batchWaitMax, and as long as at first when it had been good for batchWaitMax.
	batchWait, batchWaitMax = 10 * time.Second, 10 * time.Minute
)

// scheduling is how workers run whose release says "auto". It belongs to the supervisor.
type scheduling struct {
	batch    bool
	lookAt   time.Time     // zero: nobody is concerned
	since    time.Time     // of batch
	notUntil time.Time     // when batch may come again
	wait     time.Duration // the last one before that
	calm     int           // looks in a row with few requests
	telling  bool          // processes are being told, aside
	denied   bool          // once; it is not tried again
}

// decide takes what was done since the last look, and reports whether batch has changed.
func (d *scheduling) decide(now time.Time, requests int, served time.Duration) (changed bool) {
	if d.calm++; requests >= batchTo {
		d.calm = 0
	}
	mean := served / time.Duration(max(requests, 1))
	switch {
	case !d.batch && requests >= batchFrom && mean < batchBelow && !now.Before(d.notUntil):
		d.batch, d.since = true, now
	case d.batch && requests >= batchTo && mean >= batchAbove:
		if d.wait *= 2; d.wait == 0 || now.Sub(d.since) >= batchWaitMax {
			d.wait = batchWait
		}
		d.wait = min(d.wait, batchWaitMax)
		d.batch, d.notUntil = false, now.Add(d.wait)
	case d.batch && d.calm >= batchCalm:
		d.batch = false
	default:
		return false
	}
	return true
}

// tryBatch finds out whether workers can run by SCHED_BATCH.
func (a *app) tryBatch() (problem error) {
	if problem = worker.TryBatch(); problem != nil {
		a.log.Info("workers run by ripd's own scheduling policy", "reason", problem.Error())
		a.notes = append(a.notes, batchNotes(a.config, problem)...)
	}
	return problem
}

// batchNotes says that the setting is not in force, where somebody has asked for it.
func batchNotes(c *config.Config, problem error) []string {
	if problem == nil || c.Workers.Scheduling != config.SchedulingBatch {
		return nil
	}
	return []string{"workers.scheduling \"batch\" is not in force: " + problem.Error()}
}

// watchScheduling is for a worker that has become ready.
func (s *supervisor) watchScheduling(in *instance, now time.Time) {
	d := &s.scheduling
	if !in.automatic() || s.batchProblem != nil || d.denied {
		return
	}
	if d.lookAt.IsZero() {
		d.lookAt = now.Add(schedulingLook)
	}
	if d.batch { // where requests are many, workers.max_requests may end it before the next look
		s.tellScheduling([]*instance{in})
	}
}

// automatic reports whether ripd may change how the worker runs.
func (in *instance) automatic() bool {
	return in.process != nil && in.release.config.Workers.Scheduling == config.SchedulingAuto
}

// lookAtScheduling decides how workers run, and tells those that do not run so.
func (s *supervisor) lookAtScheduling(now time.Time) {
	d := &s.scheduling
	if d.lookAt.IsZero() || now.Before(d.lookAt) || s.stopping {
		return
	}
	d.lookAt = time.Time{}
	requests, served := 0, time.Duration(0)
	var behind []*instance
	s.instances(func(in *instance) {
		if !in.automatic() || !in.phase.serves() || in.seat == nil {
			return
		}
		d.lookAt = now.Add(schedulingLook)
		done := in.seat.Info()
		requests, served = requests+done.Handled-in.handled, served+done.Served-in.served
		in.handled, in.served = done.Handled, done.Served
	})
	if d.lookAt.IsZero() { // no worker is left that was told
		d.batch, d.calm = false, 0
		return
	}
	if d.decide(now, requests, served) {
		s.log.Info("workers are scheduled otherwise", "scheduling", d.word(), "requests", requests, "mean_us", served.Microseconds()/int64(max(requests, 1)))
	}
	s.instances(func(in *instance) {
		if in.automatic() && in.phase.serves() && in.batch != d.batch {
			behind = append(behind, in)
		}
	})
	s.tellScheduling(behind)
}

// word says how workers run.
func (d *scheduling) word() string {
	if d.batch {
		return config.SchedulingBatch
	}
	return config.SchedulingInherit
}

// batch reports whether workers run by SCHED_BATCH, or are about to.
func (s *supervisor) batch() bool {
	switch s.release.config.Workers.Scheduling {
	case config.SchedulingBatch:
		return s.batchProblem == nil
	case config.SchedulingAuto:
		return s.scheduling.batch
	}
	return false
}

// tellScheduling changes how these run, aside.
func (s *supervisor) tellScheduling(list []*instance) {
	d := &s.scheduling
	if len(list) == 0 || d.telling {
		return
	}
	d.telling = true
	batch := d.batch
	processes := make([]process, len(list))
	for i, in := range list {
		processes[i] = in.process
	}
	s.aside(func() {
		var problem error
		for _, p := range processes {
			if err := p.SetBatch(batch); err != nil && !errors.Is(err, os.ErrProcessDone) {
				problem = err
			}
		}
		s.mail.post(func() { s.toldScheduling(list, batch, problem) })
	})
}

// toldScheduling notes what became of it. Where it was denied, as for a worker that runs as
// another user, all run as before.
func (s *supervisor) toldScheduling(list []*instance, batch bool, problem error) {
	d := &s.scheduling
	d.telling = false
	for _, in := range list {
		in.batch = batch
	}
	if problem == nil || d.denied {
		return
	}
	s.log.Warn("workers.scheduling \"auto\" is not in force", "error", problem.Error())
	*d = scheduling{denied: true}
	var told []*instance
	s.instances(func(in *instance) {
		if in.batch {
			told = append(told, in)
		}
	})
	s.tellScheduling(told)
}
