package daemon

import (
	"context"
	"strings"
	"sync"
	"time"

	"ripd/internal/api"
	"ripd/internal/systemd"
)

// watchdog tells systemd that ripd lives, for as long as each of its parts makes
// progress (WatchdogSec=, systemd.service(5)). A part that hangs keeps the
// message back, and systemd kills ripd and starts it anew; the sockets are
// systemd's, so clients wait in their backlogs.
type watchdog struct {
	probes []*probe
	feed   func() error
	// tell is called when parts begin to hang, with their names, and with nothing
	// when none hangs any more.
	tell func(hanging []string)
	was  string
}

// probe is one part that has to make progress.
type probe struct {
	part  string
	prove func() // returns when the part has made progress; it may never

	mu      sync.Mutex
	running bool
	proofs  uint64 // that have ended
	seen    uint64 // of these, the ones that round has counted
}

// feedsPerInterval is how many times in an interval ripd looks at itself: a
// part has nearly a whole interval to come around.
const feedsPerInterval = 4

// begin starts a proof, unless the last one still goes on.
func (p *probe) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return
	}
	p.running = true
	go func() {
		p.prove()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running = false
		p.proofs++
	}()
}

// progressed reports whether a proof has ended since it was last asked.
func (p *probe) progressed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.proofs != p.seen
	p.seen = p.proofs
	return since
}

// start begins the first proofs.
func (w *watchdog) start() {
	for _, p := range w.probes {
		p.begin()
	}
}

// round feeds if every part has made progress since the last round, and begins
// the proofs for the next.
func (w *watchdog) round() error {
	var hanging []string
	for _, p := range w.probes {
		if !p.progressed() {
			hanging = append(hanging, p.part)
		}
	}
	w.start()
	if now := strings.Join(hanging, ", "); now != w.was {
		w.was = now
		w.tell(hanging)
	}
	if len(hanging) > 0 {
		return nil
	}
	return w.feed()
}

// run does rounds until quit.
func (w *watchdog) run(ticks <-chan time.Time, quit <-chan struct{}) error {
	w.start()
	for {
		select {
		case <-ticks:
			if err := w.round(); err != nil {
				return err
			}
		case <-quit:
			return nil
		}
	}
}

// The parts that are watched.
const (
	partAccept     = "accept"
	partPool       = "pool"
	partSupervisor = "supervisor"
	partControl    = "control"
)

// probes are the parts of a running ripd.
func (a *app) probes() []*probe {
	return []*probe{
		{part: partAccept, prove: a.server.ProveAccepting},
		{part: partPool, prove: a.server.Pool().Prove},
		{part: partSupervisor, prove: func() { _ = a.super.ask(func() {}) }}, // at the end nobody answers, as it should be
		{part: partControl, prove: a.proveControl},
	}
}

// controlWait bounds one proof of the control socket; the next may succeed.
const controlWait = 5 * time.Second

// proveControl returns when all doors accept, and a call on the workers' door
// is answered. Which answer it is does not matter.
func (a *app) proveControl() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), controlWait)
		err := a.control.Prove(ctx)
		if err == nil && a.heir == nil && !a.stopping.Load() {
			c := api.NewClient(a.workerPath, a.version)
			_, err = c.Status(ctx)
			c.Close()
		}
		late := ctx.Err() != nil
		cancel()
		// An error is an answer too, in time.
		if err == nil || !late {
			return
		}
	}
}

// watchOver feeds systemd's watchdog, if there is one.
func (a *app) watchOver() {
	interval, err := systemd.WatchdogInterval()
	if err != nil {
		a.log.Warn("systemd's watchdog is not fed", "error", err.Error())
	}
	if interval <= 0 || !a.notifier.Enabled() {
		return
	}
	w := &watchdog{probes: a.probes(), feed: a.notifier.Watchdog, tell: a.tellHanging}
	a.tasks.Go(func() {
		ticker := time.NewTicker(interval / feedsPerInterval)
		defer ticker.Stop()
		a.tellSystemd(w.run(ticker.C, a.quit))
	})
}

func (a *app) tellHanging(parts []string) {
	if len(parts) == 0 {
		a.log.Info("watchdog: every part makes progress again")
		return
	}
	a.log.Error("watchdog: a part of ripd makes no progress; systemd will end ripd unless that changes", "parts", strings.Join(parts, ", "))
}
