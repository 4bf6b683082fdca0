package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ripd/internal/api"
)

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args string
		call string // what reached the app; "": nothing did
		code int
		err  string
	}{
		{"scale 3", "scale 3", ExitDone, ""},
		{"scale shop 3", "scale 3", ExitDone, ""},
		{"scale -1", "scale -1", ExitDone, ""},
		{"scale shop -1", "scale -1", ExitDone, ""},
		{"scale shop -- -1", "scale -1", ExitDone, ""},
		{"scale -1 --json", "scale -1", ExitDone, ""},
		{"scale +1", "scale +1", ExitDone, ""},
		{"scale shop auto", "scale auto", ExitDone, ""},
		{"scale", "", ExitUsage, "scale to how many"},
		{"scale shop", "", ExitUsage, `"shop" is not a number of workers`},
		{"scale shop three", "", ExitUsage, `"three" is not a number`},
		{"scale shop 3 4", "", ExitUsage, `"4" is one argument too many`},
		{"scale 12345", "", ExitUsage, "not a number of workers"},
		{"drain 2", "drain 2", ExitDone, ""},
		{"drain shop 2", "drain 2", ExitDone, ""},
		{"drain shop --all", "drain 0", ExitDone, ""},
		{"drain --all", "drain 0", ExitDone, ""},
		{"drain", "", ExitUsage, "which worker?"},
		{"drain shop", "", ExitUsage, "which worker of shop?"},
		{"drain 0", "", ExitUsage, "which worker of 0?"},
		{"drain shop 0", "", ExitUsage, "ids count from 1"},
		{"drain shop 2 --all", "", ExitUsage, "one argument too many"},
		{"drain 2 --all", "", ExitNoApp, `no app "2"`},
		{"resume 2", "resume 2", ExitDone, ""},
		{"resume shop --all", "resume 0", ExitDone, ""},
		{"stop", "stop", ExitDone, ""},
		{"status shop blog", "", ExitUsage, "one argument too many"},
		{"list shop", "", ExitUsage, "one argument too many"},
		{"stauts", "", ExitUsage, `did you mean "ripctl status"?`},
		{"xyzzy", "", ExitUsage, "lists the commands"},
		{"status --jsn", "", ExitUsage, "did you mean --json?"},
		{"status -q", "", ExitUsage, "there is no flag -q"},
		{"config chek x", "", ExitUsage, `did you mean "ripctl config check"?`},
		{"config check", "", ExitUsage, "say one file"},
		{"completion bosh", "", ExitUsage, `did you mean "bash"?`},
		{"help rstart", "", ExitUsage, `did you mean "ripctl restart"?`},
	} {
		t.Run(c.args, func(t *testing.T) {
			m := newMachine(t)
			a := shop()
			m.runs(a)
			r := m.ripctl(strings.Fields(c.args)...)
			check(t, r, c.code, c.err)
			if got := strings.Join(a.Calls(), ", "); got != c.call {
				t.Errorf("calls %q, want %q", got, c.call)
			}
			if c.code == ExitUsage && !strings.Contains(r.stderr, "next: ") {
				t.Errorf("no next step:\n%s", r.stderr)
			}
		})
	}
}

func TestErrorsOfRipd(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want []string
	}{
		{api.Errorf(api.CodeNotFound, "there is no worker 9").WithHint("workers: 1 2"), ExitFailed, []string{"ripctl: there is no worker 9", "next: workers: 1 2"}},
		{api.Errorf(api.CodeBusy, "a roll goes on"), ExitFailed, []string{"ripctl: a roll goes on"}},
		{errors.New("no more processes"), ExitFailed, []string{"ripctl: no more processes"}},
	} {
		m := newMachine(t)
		a := shop()
		a.Err = c.err
		a.OnScale = func(context.Context, api.ScaleRequest, func(api.Step)) (api.Scale, error) { return api.Scale{}, c.err }
		m.runs(a)
		check(t, m.ripctl("drain", "9"), c.code, c.want...)
		check(t, m.ripctl("scale", "9"), c.code, c.want...)
	}
}

func TestEvents(t *testing.T) {
	m := newMachine(t)
	m.width = 80
	a := shop()
	a.OnEvents = func(context.Context) <-chan api.Event {
		c := make(chan api.Event, 4)
		c <- api.Event{Time: now, Kind: api.EventReady, Worker: 2, Generation: 7, Message: "ready in 840 ms"}
		c <- api.Event{Time: now, Kind: api.EventExited, Worker: 3, Message: "worker 3: exit status 1", Output: []string{"boom"}}
		c <- api.Event{Time: now, Kind: api.EventHeartbeat}
		c <- api.Event{Time: now, Kind: api.EventLost, Lost: 5}
		close(c)
		return c
	}
	m.runs(a)
	golden(t, "events", m.text(m.ripctl("events")))
	golden(t, "events-json", m.text(m.ripctl("events", "--json")))
}

func TestCtrlCEndsEventsQuietly(t *testing.T) {
	m := newMachine(t)
	a := shop()
	ctx, interrupt := context.WithCancel(context.Background())
	a.OnEvents = func(ctx context.Context) <-chan api.Event {
		interrupt()
		return make(chan api.Event)
	}
	m.runs(a)
	check(t, m.ripctlContext(ctx, "events"), ExitDone)
}

func TestCompletion(t *testing.T) {
	m := newMachine(t)
	m.runs(shop())
	for _, c := range []struct{ args, want string }{
		{"__complete status ", "shop\thealthy, 4 of 4 ready, 1 busy (auto)"},
		{"__complete drain ", "2\tready, pid 4721"},
		{"__complete drain shop ", "1\tbusy, pid 4720"},
		{"__complete scale shop ", "auto\tone for each CPU"},
		{"__complete st", "stop\tEnd an app"},
		{"completion bash", "__start_ripctl"},
		{"completion zsh", "#compdef ripctl"},
		{"completion fish", "complete -c ripctl"},
	} {
		r := m.ripctl(strings.Split(c.args, " ")...)
		if r.code != ExitDone || !strings.Contains(r.out, c.want) {
			t.Errorf("%q lacks %q:\n%s%s", c.args, c.want, r.out, r.stderr)
		}
	}
}
