package daemon

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"ripd/internal/api"
	"ripd/internal/pool"
)

// The pace of what systemd is told of a running service.
const (
	// statusEvery is how often the status line changes at most: each sample, whose
	// ticks may come a little early.
	statusEvery = sampleEvery - sampleEvery/10
	// extendStart is how much more time a start gets, each second, while the first
	// processes of workers are still within their start_timeout.
	extendStart = 10 * time.Second
)

// dashboard is the line that systemctl status shows of ripd: its last state, and
// when it was told.
type dashboard struct {
	mu    sync.Mutex
	sent  string
	at    time.Time
	ended bool // what ripd says at its end stays
}

// due tells whether a line is to be sent now, and takes it for sent.
func (d *dashboard) due(line string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || line == d.sent || now.Sub(d.at) < statusEvery {
		return false
	}
	d.sent, d.at = line, now
	return true
}

// end keeps the line as it is from now on.
func (d *dashboard) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
}

// statusLine is the app in one line: "4 workers ready, 1 busy, queue 0/512, 1,240
// req/s", and after a semicolon what is wrong.
func statusLine(r *report, queue, size int, perSecond float64) string {
	c := r.counts
	parts := []string{plural(c.Ready, "worker") + " ready", fmt.Sprintf("%d busy", c.Busy)}
	for _, p := range []struct {
		n    int
		what string
	}{{c.Starting, "starting"}, {c.Drained, "drained"}, {c.Waiting, "waiting to start again"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	line := fmt.Sprintf("%s, queue %s/%s, %s req/s", strings.Join(parts, ", "), grouped(queue), grouped(size), rateWords(perSecond))
	for _, wrong := range []string{r.lastFailure(), r.loss()} {
		if wrong != "" {
			line += "; " + wrong
		}
	}
	return line
}

// lastFailure says how the last roll has failed, and why; "" when it has not.
func (r *report) lastFailure() string {
	l := r.lastRoll
	if l == nil || l.Verdict == api.VerdictDone {
		return ""
	}
	words := []string{"the last " + l.Kind, strings.ReplaceAll(string(l.Verdict), "_", " "), l.Reason, lastLine(l.Output)}
	return joinWords(words)
}

// loss says why a worker does not stay, in the app's own words; "" when all do, or
// when it has happened but once and others serve.
func (r *report) loss() string {
	if len(r.loops) > 0 {
		l := r.loops[0]
		return joinWords([]string{fmt.Sprintf("worker %d ended %d times in a row", l.Worker, l.Count), l.Exit, lastLine(l.LastWords)})
	}
	for _, w := range r.workers {
		if r.counts.Ready == 0 && len(w.LastWords) > 0 {
			return fmt.Sprintf("worker %d ended: %s", w.ID, lastLine(w.LastWords))
		}
	}
	return ""
}

func joinWords(words []string) string {
	var said []string
	for _, w := range words {
		if w != "" {
			said = append(said, w)
		}
	}
	return strings.Join(said, ": ")
}

// starts tells whether a worker's first process is still within its time.
func (r *report) starts() bool {
	for _, w := range r.workers {
		if w.State == api.WorkerStarting && w.Restarts == 0 {
			return true
		}
	}
	return false
}

// grouped writes a number with a comma between groups of three digits.
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// rateWords writes a rate: "0", "3.2", "1,240".
func rateWords(r float64) string {
	switch {
	case r < 0.05:
		return "0"
	case r < 9.95:
		return strconv.FormatFloat(r, 'f', 1, 64)
	}
	return grouped(int(math.Round(r)))
}

// line describes the moment.
func (a *app) statusLine(r *report, snap pool.Snapshot) string {
	line := statusLine(r, snap.QueueLength, snap.QueueSize, a.rate.perSecond())
	if text := a.awaited(); text != "" {
		line += "; " + text
	}
	return line
}

// tellStatus tells systemd how the app is, once a second at most and when that has
// changed, and that a start which goes on needs more time. A supervisor that
// hangs says nothing of the kind.
func (a *app) tellStatus(now time.Time) {
	if !a.notifier.Enabled() {
		return
	}
	r, alive := operator{a}.report()
	if !alive {
		return
	}
	if !a.serving.Load() && r.starts() {
		a.tellSystemd(a.notifier.ExtendTimeout(extendStart))
	}
	if line := a.statusLine(&r, a.server.Pool().Snapshot(a.server.Now())); a.dashboard.due(line, now) {
		a.tellSystemd(a.notifier.Status(line))
	}
}

// firstReady is called by the supervisor when the first worker is ready.
func (a *app) firstReady() {
	a.serving.Store(true)
	r := a.super.report(a.server.Time)
	a.tellSystemd(a.notifier.Ready(a.statusLine(&r, a.server.Pool().Snapshot(a.server.Now()))))
	a.broker.note(api.EventReady, "serving")
}

// rolled is called by the supervisor when a roll has ended. If nothing was said in
// the last second, the status line says at once how; else the next sample does.
func (a *app) rolled(api.Verdict) {
	r := a.super.report(a.server.Time)
	if line := a.statusLine(&r, a.server.Pool().Snapshot(a.server.Now())); a.dashboard.due(line, time.Now()) {
		a.tellSystemd(a.notifier.Status(line))
	}
}

// lastStatus is the line of ripd's end: that it finishes what runs, or, when no
// worker has ever been ready, why.
func (a *app) lastStatus() string {
	a.dashboard.end()
	if !a.serving.Load() {
		if r, alive := (operator{a}).report(); alive && r.loss() != "" {
			return "no worker has become ready; " + r.loss()
		}
	}
	return "finishing what runs"
}

// firstStatus is the line of a ripd that has taken over.
func (a *app) firstStatus() string {
	r, alive := operator{a}.report()
	if !alive {
		return ""
	}
	return a.statusLine(&r, a.server.Pool().Snapshot(a.server.Now()))
}
