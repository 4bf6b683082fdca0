package daemon

import (
	"context"
	"errors"
	"os"
	"time"

	"ripd/internal/api"
	"ripd/internal/control"
)

// operator answers the control socket's calls for one app.
type operator struct{ a *app }

var (
	_ control.Operator  = operator{}
	_ control.Registrar = operator{}
)

func (o operator) report() (report, bool) {
	var r report
	err := o.a.super.ask(func() { r = o.a.super.report(o.a.server.Time) })
	return r, err == nil
}

// Status gives the app at a glance.
func (o operator) Status() api.Status {
	a := o.a
	r, alive := o.report()
	if !alive {
		r = report{config: a.config, stopping: true}
	}
	r.stopping = r.stopping || a.stopping.Load()
	snap := a.server.Pool().Snapshot(a.server.Now())
	stats := a.server.Stats()
	c, totals := snap.Counts, a.metrics.Totals()
	return api.Status{
		App: a.config.Name, Status: r.health(), Version: a.version, PID: os.Getpid(), Generation: r.generation,
		StartedAt: a.started, Uptime: api.Millis(time.Since(a.started)), URLs: a.urls, Metrics: scrapedAt(a.fronts), Control: a.controlPath,
		File: a.config.File, Adapter: a.config.AdapterInUse(), Workers: r.counts,
		Queue: api.Queue{
			Length: snap.QueueLength, Size: snap.QueueSize, Timeout: api.Millis(r.config.Queue.Timeout), OldestWait: api.Millis(snap.OldestWait),
		},
		Connections: stats.Connections, Upgraded: stats.Upgraded, HTTP2: stats.HTTP2, Streams: stats.Streams, Released: stats.Released, RequestsPerSecond: a.rate.perSecond(),
		Totals: api.Totals{
			Requests: stats.Answered, Errors: totals.Errors, QueueFull: c.RefusedFull, QueueTimeouts: c.Expired, NoWorker: c.RefusedNoWorker,
			ReadTimeouts: totals.ReadTimeouts, ClientsLeft: c.Left, Retries: totals.Retries,
			Respawns: a.count.respawns.Load(), Rolls: a.count.rolls.Load(), Files: totals.Files, BytesIn: totals.BytesIn, BytesOut: totals.BytesOut,
		},
		Rolling: r.rolling, LastRoll: r.lastRoll, CrashLoops: r.loops, Groups: a.groups.status(), Preloaded: a.molds.list(), Maintenance: a.server.Maintained(), Notes: a.notes, Certificates: a.certificates(),
	}
}

// Workers gives every worker, with what it uses.
func (o operator) Workers() []api.Worker {
	r, _ := o.report()
	r.measure()
	return r.workers
}

// Config gives the settings in force.
func (o operator) Config() api.Config {
	a := o.a
	c := a.config
	if r, alive := o.report(); alive {
		c = r.config
	}
	first := map[string]api.Setting{}
	for _, s := range a.config.Explain() {
		first[s.Key] = api.Setting(s)
	}
	list := api.Config{App: c.Name, File: c.File, Notes: c.Notes()}
	for _, s := range c.Explain() {
		if fixedKey(s.Key) {
			list.Settings = append(list.Settings, first[s.Key])
			continue
		}
		list.Settings = append(list.Settings, api.Setting(s))
	}
	return list
}

// Roll replaces the generation.
func (o operator) Roll(ctx context.Context, kind string, step func(api.Step)) api.Verdict {
	if o.a.stopping.Load() {
		return api.Verdict{Verdict: api.VerdictFailed, Kind: kind, Reason: "ripd is stopping"}
	}
	if o.a.fresh != nil {
		o.a.fresh.check() // a change that no request has met yet bars the old code now, too
	}
	var w *watcher
	if err := o.a.super.ask(func() { w = o.a.super.requestRoll(kind) }); err != nil {
		return api.Verdict{Verdict: api.VerdictFailed, Kind: kind, Reason: err.Error()}
	}
	return w.watch(ctx, o.a.super.done, kind, step)
}

// Scale changes the number of workers and returns when it is reached.
func (o operator) Scale(ctx context.Context, r api.ScaleRequest, step func(api.Step)) (api.Scale, error) {
	var (
		w  *watcher
		sc api.Scale
	)
	var err error
	if ended := o.a.super.ask(func() { w, sc, err = o.a.super.requestScale(r.Workers) }); ended != nil {
		return sc, api.Errorf(api.CodeBusy, "ripd is stopping")
	}
	if err != nil {
		return sc, err
	}
	if v := w.watch(ctx, o.a.super.done, api.KindScale, step); !v.OK {
		e := api.Errorf(api.CodeFailed, "%s", v.Reason)
		if last := lastLine(v.Output); last != "" {
			e = e.WithHint("its last line: %s", last)
		}
		return sc, e
	}
	return sc, nil
}

// Drain holds back one worker, or all (0).
func (o operator) Drain(_ context.Context, id int, page bool) error {
	return o.call(func(s *supervisor) error { return s.drain(id, page) })
}

// Resume lets one worker, or all (0), take requests again.
func (o operator) Resume(_ context.Context, id int) error {
	return o.call(func(s *supervisor) error { return s.resume(id) })
}

// Register is what a worker does when it is ready.
func (o operator) Register(peer control.Peer, r api.Register) error {
	if o.a.heir.inherited(peer.PID) {
		return nil
	}
	return o.workerCall(func(s *supervisor) error { return s.register(peer, r) })
}

// Deregister is what a worker does before it leaves.
func (o operator) Deregister(peer control.Peer, d api.Deregister) error {
	if o.a.heir.inherited(peer.PID) {
		return nil
	}
	return o.workerCall(func(s *supervisor) error { return s.deregister(peer, d) })
}

// workerCall is call for workers: one that calls too early waits until its process
// is known, which the launcher bounds.
func (o operator) workerCall(f func(*supervisor) error) error {
	for {
		err := o.call(f)
		var early earlyCall
		if !errors.As(err, &early) {
			return err
		}
		select {
		case <-early.started:
		case <-o.a.super.done:
		}
	}
}

func (o operator) call(f func(*supervisor) error) (err error) {
	if ended := o.a.super.ask(func() { err = f(o.a.super) }); ended != nil {
		return api.Errorf(api.CodeBusy, "ripd is stopping")
	}
	return err
}

// Stop ends the app and returns when all that was accepted has been answered and
// the workers are gone.
func (o operator) Stop(ctx context.Context, step func(api.Step)) api.Verdict {
	step(api.Step{Kind: api.StepNote, Message: "answering what was accepted, then ending the workers"})
	o.a.requestStop("ripctl stop")
	select {
	case <-o.a.stopped:
		return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindStop, Reason: o.a.farewell, Took: api.Millis(o.a.stopTook)}
	case <-ctx.Done():
		return api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindStop, Reason: "nobody watches the stop any more; it goes on"}
	}
}

// Events gives what happens from now on.
func (o operator) Events(ctx context.Context) <-chan api.Event { return o.a.broker.subscribe(ctx) }
