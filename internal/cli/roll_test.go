package cli

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

func TestRestart(t *testing.T) {
	steps := []api.Step{
		{Kind: api.StepNote, Message: "generation 8 starts: 2 workers, one at a time"},
		{Kind: api.StepReady, Index: 1, Of: 2, Worker: 1, Message: "worker 1: ready in 840 ms, draining the old one (1 in flight)"},
		{Kind: api.StepReady, Index: 2, Of: 2, Worker: 2, Message: "worker 2: ready in 812 ms, draining the old one (0 in flight)"},
	}
	for _, c := range []struct {
		name    string
		verdict api.Verdict
		code    int
	}{
		{"done", api.Verdict{OK: true, Verdict: api.VerdictDone, Generation: 8, Took: api.Millis(1900 * time.Millisecond)}, ExitDone},
		{"rolled-back", api.Verdict{Verdict: api.VerdictRolledBack, Generation: 7, Reason: "worker 1 ended before it was ready: exit status 1",
			Output: []string{"app.rb:3: syntax error\x1b[2J", "\tfrom config.ru:1"}}, ExitRolledBack},
		{"failed", api.Verdict{Verdict: api.VerdictFailed, Reason: "ripd is stopping"}, ExitFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			a := shop()
			a.OnRoll = func(_ context.Context, _ string, step func(api.Step)) api.Verdict {
				for _, s := range steps {
					step(s)
				}
				return c.verdict
			}
			m.runs(a)
			r := m.ripctl("restart")
			check(t, r, c.code)
			golden(t, "restart-"+c.name, m.text(r))
			golden(t, "restart-"+c.name+"-json", m.text(m.ripctl("restart", "--json")))
			if got := strings.Join(a.Calls(), ", "); got != "roll restart, roll restart" {
				t.Errorf("calls: %s", got)
			}
		})
	}
}

func TestReloadIsRestart(t *testing.T) {
	m := newMachine(t)
	a := shop()
	m.runs(a)
	check(t, m.ripctl("reload", "--wait", "shop"), ExitDone)
	if got := strings.Join(a.Calls(), ", "); got != "roll reload" {
		t.Errorf("calls: %s", got)
	}
}

func TestCtrlCLeavesTheRollRunning(t *testing.T) {
	m := newMachine(t)
	a := shop()
	ctx, interrupt := context.WithCancel(context.Background())
	unwatched := make(chan struct{})
	a.OnRoll = func(ctx context.Context, _ string, step func(api.Step)) api.Verdict {
		step(api.Step{Kind: api.StepStarting, Message: "worker 1: started"})
		interrupt()
		<-ctx.Done()
		close(unwatched)
		return api.Verdict{}
	}
	m.runs(a)
	r := m.ripctlContext(ctx, "restart")
	check(t, r, ExitFailed, "no longer watching: the roll of shop goes on", `next: "ripctl status shop"`)
	testkit.Closed(t, testkit.Timeout, unwatched)
}

func TestRestartWithoutWaiting(t *testing.T) {
	m := newMachine(t)
	a := shop()
	release := make(chan struct{})
	a.OnRoll = func(context.Context, string, func(api.Step)) api.Verdict {
		<-release
		return api.Verdict{OK: true, Verdict: api.VerdictDone}
	}
	m.runs(a)
	t.Cleanup(func() { close(release) })
	r := m.ripctl("restart", "--wait=false")
	check(t, r, ExitDone)
	if !strings.Contains(r.out, "goes on") {
		t.Errorf("out: %s", r.out)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(a.Calls()) == 1 })
}

func TestRipdLeavesWithoutVerdict(t *testing.T) {
	m := newMachine(t)
	a := shop()
	a.OnRoll = func(_ context.Context, _ string, step func(api.Step)) api.Verdict {
		step(api.Step{Message: "worker 1: started"})
		panic(http.ErrAbortHandler)
	}
	m.runs(a)
	check(t, m.ripctl("restart"), ExitFailed, "ripd left before it gave a verdict", "next:")
}
