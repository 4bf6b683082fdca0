package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/testkit"
)

// live is a ripd with real workers inside of the test's process.
type live struct {
	*app
	t      *testing.T
	dir    string
	out    *testkit.Output
	code   chan int
	client *http.Client
}

// startLive serves an app whose code is "serve one", and waits until it is ready.
// settings are lines of its ripd.toml.
func startLive(t *testing.T, settings string) *live {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := openLive(t, dir, settings)
	l.write("code", "serve one")
	l.serveLive()
	l.waitReady(l.config.Workers.Count)
	return l
}

// openLive opens everything, and starts nothing yet.
func openLive(t *testing.T, dir, settings string, words ...string) *live {
	t.Helper()
	l := &live{t: t, dir: dir, out: &testkit.Output{}, code: make(chan int, 1)}
	l.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: testkit.Timeout}
	l.configure(settings)
	input := config.Input{
		Args:    append([]string{dir}, words...),
		Environ: []string{"RUNTIME_DIRECTORY=" + testkit.TempSocketDir(t), "PATH=" + os.Getenv("PATH")},
	}
	c, err := config.Load(input)
	if err != nil {
		t.Fatal(err)
	}
	l.app = &app{config: c, input: input, environ: input.Environ, out: l.out, version: "0.1.0"}
	if err := l.open(); err != nil {
		l.close()
		t.Fatal(err)
	}
	return l
}

// configure writes ripd.toml. Keys of the top level come first in settings.
func (l *live) configure(settings string) {
	l.t.Helper()
	l.write("ripd.toml", fmt.Sprintf("command = [%q, %q]\n%s\n[listen]\nhttp = [\"127.0.0.1:0\"]\nmetrics = [\"127.0.0.1:0\"]\n", os.Args[0], testWorkerArg, settings))
}

func (l *live) write(name, text string) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		l.t.Fatal(err)
	}
}

func (l *live) serveLive() {
	go func() { l.code <- l.serve() }()
	l.t.Cleanup(func() {
		l.requestStop("the test ends")
		select {
		case code := <-l.code:
			if code != exitOK {
				l.t.Errorf("exit code %d", code)
			}
		case <-time.After(testkit.Timeout):
			l.t.Error("it does not stop")
		}
		l.client.CloseIdleConnections()
		if l.t.Failed() {
			l.t.Logf("its output:\n%s", l.out)
		}
		if left, _ := filepath.Glob(filepath.Join(l.app.dir, "*")); len(left) > 0 {
			l.t.Errorf("files stay: %v", left)
		}
	})
}

func (l *live) operator() operator { return operator{l.app} }

func (l *live) waitReady(n int) {
	l.t.Helper()
	testkit.Eventually(l.t, testkit.Timeout, func() bool { return l.operator().Status().Workers.Ready == n }, "%d ready workers", n)
}

func (l *live) get(path string) (int, string) {
	l.t.Helper()
	r, err := l.client.Get(l.urls[0] + path)
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// ask gets what a worker tells of itself.
func (l *live) ask() testAnswer {
	l.t.Helper()
	code, body := l.get("/")
	var a testAnswer
	if err := json.Unmarshal([]byte(body), &a); code != http.StatusOK || err != nil {
		l.t.Fatalf("answer %d %q: %v", code, body, err)
	}
	return a
}

func (l *live) restart(kind string) (api.Verdict, []string) {
	l.t.Helper()
	var steps []string
	v := l.operator().Roll(l.t.Context(), kind, func(s api.Step) { steps = append(steps, s.Message) })
	return v, steps
}

func TestLiveRestart(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 2")
	if a := l.ask(); a.Code != "one" || a.Generation != "1" {
		t.Fatalf("answer %+v", a)
	}
	l.write("code", "serve two")
	v, steps := l.restart(api.KindRestart)
	if !v.OK || v.Generation != 2 {
		t.Fatalf("verdict %+v", v)
	}
	if a := l.ask(); a.Code != "two" || a.Generation != "2" {
		t.Errorf("answer %+v", a)
	}
	if all := strings.Join(steps, "\n"); !strings.Contains(all, "worker 2: ready in ") || !strings.Contains(all, "draining the old one (0 in flight)") {
		t.Errorf("steps:\n%s", all)
	}
	l.write("code", "fail SyntaxError: unexpected end")
	v, _ = l.restart(api.KindRestart)
	if v.Verdict != api.VerdictRolledBack || len(v.Output) != 1 || v.Output[0] != "SyntaxError: unexpected end" || !strings.Contains(v.Reason, "exit status 3") {
		t.Errorf("verdict %+v", v)
	}
	if a := l.ask(); a.Code != "two" {
		t.Errorf("answer %+v after the roll back", a)
	}
	if st := l.operator().Status(); st.Status != api.Healthy || st.LastRoll == nil || st.LastRoll.Verdict != api.VerdictRolledBack {
		t.Errorf("status %+v", st)
	}
}

// TestLiveRestartsUnderLoad counts each request that is refused, reset or failed
// over several restarts; there must be none.
func TestLiveRestartsUnderLoad(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 2")
	var failed, answered atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			transport := &http.Transport{DisableKeepAlives: n%2 == 0}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: testkit.Timeout}
			for ctx.Err() == nil {
				r, err := client.Get(l.urls[0] + "/")
				if err != nil {
					failed.Add(1)
					t.Errorf("request: %v", err)
					continue
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusOK {
					failed.Add(1)
					t.Errorf("answer %d: %v", r.StatusCode, err)
				}
				r.Body.Close()
				answered.Add(1)
			}
		})
	}
	for range 5 {
		if v, _ := l.restart(api.KindRestart); !v.OK {
			t.Errorf("verdict %+v", v)
		}
	}
	cancel()
	clients.Wait()
	if answered.Load() < 100 {
		t.Errorf("only %d answers", answered.Load())
	}
}

func TestLiveCrash(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 2")
	if code, _ := l.get("/crash"); code != http.StatusBadGateway {
		t.Errorf("answer %d, want 502", code)
	}
	l.waitReady(2)
	for _, w := range l.operator().Workers() {
		if w.State == api.WorkerReady {
			if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return l.operator().Status().Totals.Respawns >= 3 })
	l.waitReady(2)
	l.ask()
	loops := l.operator().Status().CrashLoops
	if len(loops) != 1 || loops[0].Count != 2 || loops[0].Exit != "killed by SIGKILL" {
		t.Errorf("crash loops %+v", loops)
	}
}

func TestLiveHang(t *testing.T) {
	l := startLive(t, "[timeouts]\nread = \"300ms\"\n[workers]\ncount = 1")
	before := l.ask().PID
	if code, _ := l.get("/hang"); code != http.StatusGatewayTimeout {
		t.Errorf("answer %d, want 504", code)
	}
	if after := l.ask().PID; after == before {
		t.Error("the hanging worker was not replaced")
	}
	l.out.WaitFor(t, testkit.Timeout, "worker hangs, replacing it")
	line := l.out.String()
	for _, part := range []string{"GET /hang", "age_ms=", "state="} {
		if !strings.Contains(line, part) {
			t.Errorf("no %q in the log", part)
		}
	}
}

func TestLiveReleases(t *testing.T) {
	root := t.TempDir()
	for n := 1; n <= 2; n++ {
		dir := filepath.Join(root, "releases", fmt.Sprint(n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "code"), fmt.Append(nil, "serve ", n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		t.Fatal(err)
	}
	current := filepath.Join(root, "current")
	point := func(n int) {
		t.Helper()
		if err := os.Symlink(filepath.Join("releases", fmt.Sprint(n)), current+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(current+".new", current); err != nil {
			t.Fatal(err)
		}
	}
	point(1)
	etc := filepath.Join(root, "etc")
	if err := os.Mkdir(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	vars := filepath.Join(root, "vars")
	if err := os.WriteFile(vars, []byte("COLOR=red\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := openLive(t, etc, fmt.Sprintf("app = %q\nenv_file = %q\n[reload]\nmode = \"none\"\n[workers]\ncount = 1", current, vars))
	l.serveLive()
	l.waitReady(1)
	want := func(n int, color string) {
		t.Helper()
		a := l.ask()
		if a.Code != fmt.Sprint(n) || a.Dir != filepath.Join(root, "releases", fmt.Sprint(n)) || a.Color != color {
			t.Errorf("answer %+v, want release %d in %s", a, n, color)
		}
	}
	want(1, "red")
	if err := os.WriteFile(vars, []byte("COLOR=blue\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	point(2)
	l.get("/crash")
	l.waitReady(1)
	want(1, "red") // nobody has asked for the new release
	if v, _ := l.restart(api.KindRestart); !v.OK {
		t.Fatalf("verdict %+v", v)
	}
	want(2, "blue")
	l.get("/crash")
	want(2, "blue")
}

func TestLiveReload(t *testing.T) {
	l := startLive(t, "[queue]\nsize = 10\n[reload]\nmode = \"none\"\n[workers]\ncount = 1")
	l.configure("[queue]\nsize = 20\n[log]\nlevel = \"debug\"\n[reload]\nmode = \"none\"\n[workers]\ncount = 2")
	v, steps := l.restart(api.KindReload)
	if st := l.operator().Status(); !v.OK || st.Queue.Size != 20 || st.Workers.Ready != 2 {
		t.Errorf("verdict %+v, status %+v", v, st)
	}
	if all := strings.Join(steps, "\n"); !strings.Contains(all, "log.level needs a new start of ripd") {
		t.Errorf("steps:\n%s", all)
	}
	for _, s := range l.operator().Config().Settings {
		if s.Key == "log.level" && s.Value != `"info"` || s.Key == "queue.size" && s.Value != "20" {
			t.Errorf("setting %+v", s)
		}
	}
	l.configure("[queue]\nsice = 30")
	v, _ = l.restart(api.KindReload)
	if v.Verdict != api.VerdictFailed || !strings.Contains(v.Reason, "sice") || l.operator().Status().Queue.Size != 20 {
		t.Errorf("verdict %+v", v)
	}
	if l.ask().Generation != "2" {
		t.Error("something was rolled")
	}
}

func TestLiveStopDrains(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 1")
	answers := make(chan int, 3)
	for range cap(answers) {
		go func() { // one runs, two wait
			r, err := l.client.Get(l.urls[0] + "/sleep?for=200ms")
			if err != nil {
				answers <- -1
				return
			}
			r.Body.Close()
			answers <- r.StatusCode
		}()
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return l.operator().Status().Queue.Length == 2 })
	v := l.operator().Stop(t.Context(), func(api.Step) {})
	if !v.OK || !strings.Contains(v.Reason, "3 requests answered") {
		t.Errorf("verdict %+v", v)
	}
	for range cap(answers) {
		if code := testkit.Receive(t, testkit.Timeout, answers); code != http.StatusOK {
			t.Errorf("answer %d", code)
		}
	}
}

func TestLiveSecondRipdIsTold(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 1")
	second := &app{config: l.config, input: l.input, environ: l.environ, out: io.Discard, version: "0.1.0"}
	err := second.open()
	second.close()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("another ripd serves shop already: process %d", os.Getpid())) {
		t.Errorf("error %v", err)
	}
	if l.ask().Code != "one" {
		t.Error("the first one was disturbed")
	}
}

func TestLiveNeverReady(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := openLive(t, dir, "[workers]\ncount = 1\n[reload]\nmode = \"none\"")
	l.write("code", "fail no database")
	l.serveLive()
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(l.operator().Status().CrashLoops) == 1 })
	st := l.operator().Status()
	if st.Status != api.Degraded || st.CrashLoops[0].LastWords[0] != "no database" {
		t.Errorf("status %+v", st)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return l.operator().Status().Workers.Waiting == 1 })
	if code, _ := l.get("/"); code != http.StatusServiceUnavailable {
		t.Errorf("answer %d, want 503", code)
	}
	l.write("code", "serve again")
	l.waitReady(1)
}

// TestLiveChangedFile: in the reload mode process no request that comes after a
// change is answered by older code.
func TestLiveChangedFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l := openLive(t, dir, "[reload]\nmode = \"process\"\n[workers]\ncount = 2")
	l.write("code", "serve 0")
	l.watch(1, []string{filepath.Join(dir, "code")}) // as a worker would register it
	l.serveLive()
	l.waitReady(2)
	for n := 1; n <= 3; n++ {
		l.write("code", fmt.Sprint("serve ", n))
		if a := l.ask(); a.Code != fmt.Sprint(n) {
			t.Fatalf("answer %+v after change %d", a, n)
		}
		if err := l.super.ask(func() { l.watch(n+1, []string{filepath.Join(dir, "code")}) }); err != nil {
			t.Fatal(err)
		}
	}
	l.write("code", "fail NameError: no cart in <shop>")
	for range 3 {
		code, body := l.get("/")
		if code != http.StatusServiceUnavailable || !strings.Contains(body, "NameError: no cart in &lt;shop&gt;") {
			t.Fatalf("answer %d %q", code, body)
		}
	}
	l.write("code", "serve well again")
	if a := l.ask(); a.Code != "well again" {
		t.Errorf("answer %+v", a)
	}
}
