// Package controltest has an app that exists in memory only, for tests of
// what stands on either side of the control socket.
package controltest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/control"
)

// App is a control.Operator and control.Registrar made of values and functions that a test
// sets before it serves. The zero value is an app without a name or workers.
type App struct {
	StatusIs   api.Status
	WorkersAre []api.Worker
	ConfigIs   api.Config
	// OnRoll, OnScale and OnStop do the long operations; nil: one step, then done.
	OnRoll    func(ctx context.Context, kind string, step func(api.Step)) api.Verdict
	OnScale   func(ctx context.Context, r api.ScaleRequest, step func(api.Step)) (api.Scale, error)
	OnStop    func(ctx context.Context, step func(api.Step)) api.Verdict
	OnUpgrade func(ctx context.Context, r api.UpgradeRequest, step func(api.Step)) api.Verdict // nil: done
	OnEvents  func(ctx context.Context) <-chan api.Event                                       // nil: none until ctx ends
	Err       error                                                                            // what Drain, Resume, Register and Deregister give

	mu    sync.Mutex
	calls []string
	peers []control.Peer
}

// Calls gives what was called, in order, in the form "drain 2".
func (a *App) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.calls...)
}

// Peers gives who registered or deregistered, in order.
func (a *App) Peers() []control.Peer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]control.Peer(nil), a.peers...)
}

func (a *App) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, fmt.Sprintf(format, args...))
}

// Status gives StatusIs.
func (a *App) Status() api.Status { return a.StatusIs }

// Workers gives WorkersAre.
func (a *App) Workers() []api.Worker { return a.WorkersAre }

// Config gives ConfigIs.
func (a *App) Config() api.Config { return a.ConfigIs }

// Roll does OnRoll.
func (a *App) Roll(ctx context.Context, kind string, step func(api.Step)) api.Verdict {
	a.note("roll %s", kind)
	if a.OnRoll != nil {
		return a.OnRoll(ctx, kind, step)
	}
	step(api.Step{Kind: api.StepReady, Index: 1, Of: 1, Worker: 1, Message: "worker 1: ready in 840 ms"})
	return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: kind, Generation: 2, Took: api.Millis(time.Second)}
}

// Scale does OnScale.
func (a *App) Scale(ctx context.Context, r api.ScaleRequest, step func(api.Step)) (api.Scale, error) {
	a.note("scale %s", r.Workers)
	if a.OnScale != nil {
		return a.OnScale(ctx, r, step)
	}
	step(api.Step{Kind: api.StepReady, Worker: 3, Message: "worker 3: ready in 840 ms"})
	return api.Scale{Before: 2, After: 3}, nil
}

// Upgrade does OnUpgrade.
func (a *App) Upgrade(ctx context.Context, r api.UpgradeRequest, step func(api.Step)) api.Verdict {
	a.note("upgrade %s", r.Binary)
	if a.OnUpgrade != nil {
		return a.OnUpgrade(ctx, r, step)
	}
	step(api.Step{Kind: api.StepStarting, Message: "ripd 1.2.4: starting"})
	return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindUpgrade, Generation: 2, PID: 4711, Version: "1.2.4", Took: api.Millis(time.Second)}
}

// Drain notes the call and gives Err.
func (a *App) Drain(_ context.Context, id int, page bool) error {
	if page {
		a.note("drain %d with the page", id)
		return a.Err
	}
	a.note("drain %d", id)
	return a.Err
}

// Resume notes the call and gives Err.
func (a *App) Resume(_ context.Context, id int) error {
	a.note("resume %d", id)
	return a.Err
}

// Stop does OnStop.
func (a *App) Stop(ctx context.Context, step func(api.Step)) api.Verdict {
	a.note("stop")
	if a.OnStop != nil {
		return a.OnStop(ctx, step)
	}
	return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindStop, Took: api.Millis(time.Second)}
}

// Events does OnEvents.
func (a *App) Events(ctx context.Context) <-chan api.Event {
	a.note("events")
	if a.OnEvents != nil {
		return a.OnEvents(ctx)
	}
	c := make(chan api.Event)
	context.AfterFunc(ctx, func() { close(c) })
	return c
}

// Register notes the call and gives Err.
func (a *App) Register(peer control.Peer, r api.Register) error {
	a.note("register %s %d", r.App, r.WorkerID)
	return a.meet(peer)
}

// Deregister notes the call and gives Err.
func (a *App) Deregister(peer control.Peer, d api.Deregister) error {
	a.note("deregister %s %d", d.App, d.WorkerID)
	return a.meet(peer)
}

func (a *App) meet(peer control.Peer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.peers = append(a.peers, peer)
	return a.Err
}

// Serve serves the app on a unix socket until the test ends. How is a method
// expression: (*control.Server).ServeBoth or another.
func Serve(t testing.TB, path string, o control.Options, how func(*control.Server, net.Listener) error) *control.Server {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := control.NewServer(o)
	ended := make(chan error, 1)
	go func() { ended <- how(s, l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Errorf("the control server ended with: %v", err)
		}
	})
	return s
}
