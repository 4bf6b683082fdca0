package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the moment at which all these tests happen.
var now = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	// The words of tests must not depend on where the developer lives.
	time.Local = time.UTC
	goleak.VerifyTestMain(m)
}

// machine is a machine with apps on it, and one user of ripctl.
type machine struct {
	t       *testing.T
	runtime string
	system  string
	environ []string
	version string
	width   int
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, runtime: socketDir(t), system: socketDir(t), version: "0.3.1"}
}

// socketDir makes a folder whose name is always as long, for the golden files.
func socketDir(t *testing.T) string {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("rc%016x", rand.Uint64()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runs starts an app of the foreground.
func (m *machine) runs(a *controltest.App) string { return m.runsAt(m.socket(a.StatusIs.App), a) }

func (m *machine) socket(name string) string {
	return api.ControlSocket(m.runtime, "rip_main_"+name)
}

func (m *machine) runsAt(path string, a *controltest.App) string {
	m.t.Helper()
	controltest.Serve(m.t, path, control.Options{Operator: a, Registrar: a, Version: a.StatusIs.Version,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "# HELP ripd_queue_length x\nripd_queue_length 3\nripd_requests_total{class=\"2xx\"} 1240\n")
		})}, (*control.Server).ServeBoth)
	return path
}

// result is what one run of ripctl gave.
type result struct {
	code        int
	out, stderr string
}

func (m *machine) ripctl(args ...string) result {
	return m.ripctlContext(context.Background(), args...)
}

func (m *machine) ripctlContext(ctx context.Context, args ...string) result {
	var out, stderr bytes.Buffer
	code := Main(ctx, Env{Args: args, Environ: m.environ, Stdout: &out, Stderr: &stderr, Version: m.version,
		Now: func() time.Time { return now }, Width: m.width, RuntimeDir: m.runtime, SystemDir: m.system})
	return result{code: code, out: out.String(), stderr: stderr.String()}
}

// text is a result as golden files have it. What differs between machines is replaced.
func (m *machine) text(r result) string {
	s := fmt.Sprintf("%s-- stderr --\n%s-- exit %d --\n", r.out, r.stderr, r.code)
	return strings.NewReplacer(m.runtime, "/run/user/7/ripd", m.system, "/run/ripd").Replace(s)
}

// golden compares with testdata/golden/NAME.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew)\n--- got\n%s--- want\n%s", path, got, want)
	}
}

// shop is an app with much to show.
func shop() *controltest.App {
	return &controltest.App{
		StatusIs: api.Status{
			App: "shop", Status: api.Healthy, Version: "0.3.1", PID: 4711, Generation: 7,
			StartedAt: now.Add(-2*time.Hour - 3*time.Minute), Uptime: api.Millis(2*time.Hour + 3*time.Minute),
			URLs: []string{"http://127.0.0.1:3080", "http://[::1]:3080"}, File: "/srv/shop/ripd.toml",
			Workers: api.WorkerCounts{Wanted: 4, Auto: true, Ready: 4, Busy: 1},
			Queue:   api.Queue{Size: 512, Timeout: api.Millis(5 * time.Second)}, Connections: 128, RequestsPerSecond: 1240.4,
			Totals:   api.Totals{Requests: 1234567, Errors: 12, QueueFull: 3, Retries: 2, BytesIn: 12345678, BytesOut: 4567890123},
			LastRoll: &api.Roll{Kind: api.KindRestart, Verdict: api.VerdictDone, Generation: 7, At: now.Add(-5 * time.Minute), Took: api.Millis(3200 * time.Millisecond)},
			Notes:    []string{"workers: 4, for 4 CPUs"},
		},
		WorkersAre: []api.Worker{
			{ID: 1, PID: 4720, Generation: 7, State: api.WorkerReady, InFlight: 1, Handled: 308642, Memory: 123456789, CPU: api.Millis(92 * time.Second),
				Age: api.Millis(2 * time.Hour), LastRequest: now, Request: "GET /orders/1234567890/lines?page=2&sort=\x1b[31mred", RunningFor: api.Millis(1234 * time.Millisecond)},
			{ID: 2, PID: 4721, Generation: 7, State: api.WorkerReady, Handled: 308641, Memory: 98765432, CPU: api.Millis(91 * time.Second),
				Age: api.Millis(2 * time.Hour), LastRequest: now.Add(-3 * time.Second)},
			{ID: 3, PID: 4722, Generation: 7, State: api.WorkerDrained, Handled: 5, Memory: 512, Age: api.Millis(time.Minute), Restarts: 2},
			{ID: 4, Generation: 7, State: api.WorkerWaiting, Restarts: 9, NextStart: now.Add(12 * time.Second), LastWords: []string{"boom"}},
		},
		ConfigIs: api.Config{App: "shop", File: "/srv/shop/ripd.toml", Settings: []api.Setting{
			{Key: "workers.count", Value: "4", Origin: "w:4"}, {Key: "queue.size", Value: "512", Origin: "default"},
			{Key: "command", Value: `["bundle", "exec", "puma", "-b", "unix://$SOCKET_PATH", "--threads", "1:1"]`, Origin: "/srv/shop/ripd.toml:3"},
		}, Notes: []string{"workers: 4, for 4 CPUs"}},
	}
}

// blog is an app in trouble.
func blog() *controltest.App {
	return &controltest.App{StatusIs: api.Status{
		App: "blog", Status: api.Degraded, Version: "0.3.1", PID: 99, Generation: 2,
		StartedAt: now.Add(-45 * time.Second), Uptime: api.Millis(45 * time.Second), URLs: []string{"http://127.0.0.1:3081"},
		Workers: api.WorkerCounts{Wanted: 2, Ready: 1, Waiting: 1},
		Queue:   api.Queue{Size: 512, Length: 17, OldestWait: api.Millis(1300 * time.Millisecond)},
		Totals:  api.Totals{Requests: 1, QueueTimeouts: 4, Respawns: 8},
		Rolling: &api.Rolling{Kind: api.KindRestart, Generation: 3, Index: 1, Of: 2, StartedAt: now.Add(-4 * time.Second), Message: "worker 1: waiting until it is ready"},
		LastRoll: &api.Roll{Kind: api.KindRestart, Verdict: api.VerdictRolledBack, Generation: 2, At: now.Add(-30 * time.Second), Took: api.Millis(2 * time.Second),
			Reason: "worker 1 ended before it was ready: exit status 1", Output: []string{"app.rb:3:in `require': cannot load such file -- sinatra (LoadError)"}},
		CrashLoops: []api.CrashLoop{{Worker: 2, Count: 5, NextStart: now.Add(16 * time.Second), Exit: "exit status 1",
			LastWords: []string{"\x1b[31mError\x1b[0m: connect ECONNREFUSED 127.0.0.1:5432, the database of this app does not answer at all, whatever we try", "    at main (/srv/blog/index.js:7:3)"}}},
		Notes: []string{"port 3080 was taken, so that 3081 is used instead; ask for a port with http:PORT to make that an error"},
	}}
}

func TestStatusGolden(t *testing.T) {
	for _, width := range []int{0, 60, 80, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			m := newMachine(t)
			m.width = width
			m.runs(shop())
			m.runs(blog())
			golden(t, fmt.Sprintf("status-shop-%d", width), m.text(m.ripctl("status", "shop")))
			golden(t, fmt.Sprintf("status-blog-%d", width), m.text(m.ripctl("status", "blog")))
			golden(t, fmt.Sprintf("workers-shop-%d", width), m.text(m.ripctl("workers", "shop")))
			golden(t, fmt.Sprintf("list-%d", width), m.text(m.ripctl("list")))
			golden(t, fmt.Sprintf("config-show-%d", width), m.text(m.ripctl("config", "show", "shop", "--all")))
			for _, args := range [][]string{{"status", "blog"}, {"workers", "shop"}, {"list"}, {"config", "show", "shop"}} {
				r := m.ripctl(args...)
				for line := range strings.Lines(r.out) {
					if n := len([]rune(strings.TrimRight(line, "\n"))); width > 0 && n > width {
						t.Errorf("%v: a line has %d cells, the terminal %d: %s", args, n, width, line)
					}
				}
			}
		})
	}
}

func TestColour(t *testing.T) {
	m := newMachine(t)
	m.width = 80
	m.runs(shop())
	m.runs(blog())
	for _, c := range []struct {
		name    string
		environ []string
		colour  bool
	}{
		{"pipe", []string{"TERM=xterm-256color"}, false},
		{"asked for", []string{"TERM=xterm-256color", "CLICOLOR_FORCE=1"}, true},
		{"NO_COLOR wins", []string{"TERM=xterm-256color", "CLICOLOR_FORCE=1", "NO_COLOR=1"}, false},
		{"dumb", []string{"TERM=dumb", "COLORTERM=truecolor"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.environ = c.environ
			for _, args := range [][]string{{"status", "blog"}, {"workers", "shop"}, {"list"}, {"status", "nope"}} {
				r := m.ripctl(args...)
				if got := strings.Contains(r.out+r.stderr, "\x1b"); got != c.colour {
					t.Errorf("%v: escape sequences: %v, want %v\n%q", args, got, c.colour, r.out+r.stderr)
				}
			}
		})
	}
	m.environ = []string{"TERM=xterm", "CLICOLOR_FORCE=1"}
	golden(t, "status-blog-colour", m.text(m.ripctl("status", "blog")))
	golden(t, "workers-shop-colour", m.text(m.ripctl("workers", "shop")))
}

func TestJSONGolden(t *testing.T) {
	m := newMachine(t)
	m.runs(shop())
	m.runs(blog())
	for name, args := range map[string][]string{
		"status": {"status", "shop"}, "workers": {"workers", "shop"}, "list": {"list"}, "version": {"version"},
		"metrics": {"metrics", "shop"}, "config-show": {"config", "show", "shop"}, "restart": {"restart", "shop"},
		"scale": {"scale", "shop", "+1"}, "drain": {"drain", "shop", "2"}, "stop": {"stop", "shop"}, "unknown": {"status", "sohp"},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "json-"+name, m.text(m.ripctl(append(args, "--json")...)))
		})
	}
}

func TestWhichApp(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  func(m *machine)
		args   []string
		code   int
		stderr []string
	}{
		{"none runs", func(*machine) {}, []string{"status"}, ExitNotRunning, []string{"ripctl: no app is running", "next: start one with"}},
		{"none runs, with a name", func(*machine) {}, []string{"restart", "shop"}, ExitNotRunning, []string{"shop is not running"}},
		{"one runs", func(m *machine) { m.runs(shop()) }, []string{"status"}, ExitDone, nil},
		{"several run", func(m *machine) { m.runs(shop()); m.runs(blog()) }, []string{"status"}, ExitUsage, []string{"2 apps run: blog, shop", "next: say which one"}},
		{"a slip of the finger", func(m *machine) { m.runs(shop()); m.runs(blog()) }, []string{"status", "sohp"}, ExitNoApp,
			[]string{`there is no app "sohp"; running: blog, shop`, `next: did you mean "shop"?`}},
		{"nothing near", func(m *machine) { m.runs(shop()) }, []string{"status", "warehouse"}, ExitNoApp, []string{`"warehouse"; running: shop`, "ripctl list"}},
		{"left over", func(m *machine) { m.runs(blog()); leftOver(m.t, m.socket("shop")) }, []string{"status", "shop"}, ExitNotRunning,
			[]string{"shop is not running: nobody listens on", "ripd FOLDER"}},
		{"left over by systemd", func(m *machine) { leftOver(m.t, filepath.Join(m.system, "shop.control.sock")) }, []string{"status", "shop"}, ExitNotRunning,
			[]string{"shop is not running", "systemctl start ripd@shop"}},
		{"by socket", func(m *machine) { m.runs(shop()); m.runs(blog()) }, []string{"status", "--socket", "SHOP"}, ExitDone, nil},
		{"another's socket", func(m *machine) { m.runs(shop()) }, []string{"status", "blog", "--socket", "SHOP"}, ExitNoApp, []string{"is the socket of shop, not of blog"}},
		{"no such socket", func(m *machine) {}, []string{"status", "--socket", "SHOP"}, ExitNotRunning, []string{"nothing listens on the control socket"}},
		{"two of one name", func(m *machine) { m.runs(shop()); m.runsAt(filepath.Join(m.system, "shop.control.sock"), shop()) }, []string{"status", "shop"}, ExitUsage,
			[]string{"2 apps that run are called shop", "choose with --socket"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			c.setup(m)
			args := append([]string(nil), c.args...)
			for i, a := range args {
				if a == "SHOP" {
					args[i] = m.socket("shop")
				}
			}
			check(t, m.ripctl(args...), c.code, c.stderr...)
		})
	}
}

// leftOver makes the socket of a ripd that was killed.
func leftOver(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

// check checks an exit code and parts of the standard error.
func check(t *testing.T, r result, code int, stderr ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.out, r.stderr)
	}
	for _, want := range stderr {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, r.stderr)
		}
	}
	if code == ExitDone && r.stderr != "" {
		t.Errorf("stderr: %s", r.stderr)
	}
}

func TestOtherVersion(t *testing.T) {
	m := newMachine(t)
	m.version = "0.4.0"
	a := shop()
	m.runs(a)
	want := []string{"ripctl: the ripd of shop is version 0.3.1, and this ripctl is version 0.4.0", "next: use the ripctl of version 0.3.1"}
	for _, args := range [][]string{{"restart"}, {"scale", "3"}, {"drain", "2"}, {"stop"}, {"workers"}, {"events"}} {
		check(t, m.ripctl(args...), ExitFailed, want...)
	}
	if got := a.Calls(); len(got) > 0 {
		t.Errorf("called all the same: %v", got)
	}
	r := m.ripctl("status") // it can be read, with a warning
	if r.code != ExitDone || !strings.Contains(r.stderr, want[0]) || !strings.Contains(r.out, "shop") {
		t.Errorf("status: %+v", r)
	}
	if r := m.ripctl("version"); r.code != ExitDone || !strings.Contains(r.out, "does not go with this ripctl") {
		t.Errorf("version: %+v", r)
	}
}

func TestNotRipd(t *testing.T) {
	m := newMachine(t)
	path := m.socket("shop")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); stranger.Serve(l) }()
	t.Cleanup(func() { stranger.Close(); <-done })
	check(t, m.ripctl("status"), ExitFailed, "is not ripd", "next:")
	check(t, m.ripctl("status", "shop"), ExitFailed, "is not ripd", "next:")
	if r := m.ripctl("list"); !strings.Contains(r.out, "not ripd") {
		t.Errorf("list: %+v", r)
	}
}

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

func TestHelpGolden(t *testing.T) {
	m := newMachine(t)
	for _, c := range []string{"", "list", "status", "workers", "restart", "reload", "stop", "scale", "drain", "resume", "events",
		"metrics", "config", "config check", "config show", "version", "completion"} {
		r := m.ripctl(append(strings.Fields(c), "--help")...)
		check(t, r, ExitDone)
		golden(t, strings.ReplaceAll(strings.TrimRight("help-"+c, "-"), " ", "-"), r.out)
		for line := range strings.Lines(r.out) {
			if len([]rune(line)) > 81 {
				t.Errorf("help of %q: a line is longer than 80: %s", c, line)
			}
		}
	}
}
