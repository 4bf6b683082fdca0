package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// Each example is served as it stands in the repository: it answers, restarts
// without a failed request, survives the death of a worker, and ends.
func TestExamples(t *testing.T) {
	for _, example := range []struct {
		name  string
		needs []string
		says  string // how its page begins
	}{
		{"sinatra", []string{"ruby"}, "Sinatra"},
		{"rails", []string{rails}, "Rails"},
		{"flask", []string{"/usr/bin/python3"}, "Flask"},
		{"fastapi", []string{"/usr/bin/python3"}, "FastAPI"},
		{"sinatra-puma", []string{"puma"}, "Sinatra"},
		{"flask-gunicorn", []string{"gunicorn"}, "Flask"},
		{"node-http", []string{"node"}, "Node.js"},
		{"go-worker", []string{"go"}, "Go"},
		{"shell", []string{"socat"}, "Shell"},
		{"express", []string{"node", npm}, "Express"},
		{"hono-bun", []string{"bun", npm}, "Hono"},
		{"duckdb-bun", []string{"bun", npm}, "DuckDB"},
		{"coffee-bun", []string{"bun", npm}, "CoffeeScript"},
	} {
		t.Run(example.name, func(t *testing.T) {
			a := serve(t, prepared(t, example.name, example.needs), "w:2")
			answers(t, a, example.name, example.says)
			restarts(t, a)
			respawns(t, a)
			ends(t, a)
		})
	}
}

// npm is needed by examples with packages of npm.
const npm = "npm"

// prepared makes sure that an example has what it needs, and returns its folder.
// With npm that is a copy beside the packages.
func prepared(t *testing.T, name string, needs []string) string {
	t.Helper()
	folder := "docs/examples/" + name
	if slices.Contains(needs, rails) {
		return railsApp(t)
	}
	if !slices.Contains(needs, npm) {
		testkit.Need(t, needs...)
		return folder
	}
	if slices.Contains(needs, "bun") {
		t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
	}
	copied := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(testkit.Root(t), folder))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(copied, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(testkit.NPM(t), "node_modules"), filepath.Join(copied, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return copied
}

// Every folder of examples has a row above.
func TestEachExampleIsTested(t *testing.T) {
	entries, err := os.ReadDir(testkit.Root(t) + "/docs/examples")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("examples_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.IsDir() && !strings.Contains(string(source), `{"`+entry.Name()+`", `) {
			t.Errorf("docs/examples/%s is not tested", entry.Name())
		}
	}
}

func TestDemo(t *testing.T) {
	a := serve(t, "demo", "w:2")
	if got := a.do("GET", "/ping", ""); !isPong(got) {
		t.Errorf("/ping: %q", got)
	}
	if got := a.do("GET", "/", ""); !strings.HasPrefix(got, "200 This is ripd's demo: worker ") {
		t.Errorf("/: %q", got)
	}
	if got := a.do("GET", "/sleep?ms=10", ""); !strings.HasPrefix(got, "200 slept 10 ms") {
		t.Errorf("/sleep: %q", got)
	}
	if got := a.do("PUT", "/echo", "the body"); !strings.HasPrefix(got, "200 PUT /echo HTTP/1.1\n") || !strings.HasSuffix(got, "\n\nthe body") {
		t.Errorf("/echo: %q", got)
	}
	if got := a.do("GET", "/stream?n=3&ms=1", ""); strings.Count(got, "\n") != 3 {
		t.Errorf("/stream: %q", got)
	}
	if got := a.do("GET", "/crash", ""); !strings.HasPrefix(got, "502 ") {
		t.Errorf("/crash: %q", got)
	}
	a.ripd.Stdout.WaitFor(t, testkit.Timeout, "crashing, as GET /crash asked for")
	restarts(t, a)
	respawns(t, a)
	ends(t, a)
}

// pong is the answer to /ping; some examples tell the time too.
var pong = regexp.MustCompile(`^200 pong( \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S+)?\n$`)

func answers(t *testing.T, a *app, name, says string) {
	t.Helper()
	if got := a.do("GET", "/ping", ""); !pong.MatchString(got) {
		t.Errorf("/ping: %q", got)
	}
	seen := map[string]bool{}
	for range 4 {
		got := a.do("GET", "/", "")
		var worker int
		if _, err := fmt.Sscanf(got, "200 "+says+" in worker %d of "+name+", request ", &worker); err != nil {
			t.Errorf("/: %q: %v", got, err)
		}
		seen[fmt.Sprint(worker)] = true
	}
	if len(seen) != 2 {
		t.Errorf("one after the other, the requests met workers %v, not both", seen)
	}
	body := strings.Repeat("line of a body\n", 1000)
	if got := a.do("POST", "/echo", body); got != "200 "+body {
		t.Errorf("/echo: %d bytes of %d", len(got)-len("200 "), len(body))
	}
	if got := a.do("GET", "/nowhere", ""); !strings.HasPrefix(got, "404 ") {
		t.Errorf("/nowhere: %q", got)
	}
}

// restarts checks that a roll replaces all workers, and that no client notices.
func restarts(t *testing.T, a *app) {
	t.Helper()
	before, err := a.status()
	if err != nil {
		t.Fatal(err)
	}
	clients := startCrowd(a, 4)
	code, out, errOut := a.ctl("restart")
	clients.stop(t)
	if code != 0 || !strings.Contains(out+errOut, "[2/2] worker 2: ") {
		t.Errorf("ripctl restart: exit code %d\n%s%s", code, out, errOut)
	}
	workers := a.workers(t)
	if len(workers) != 2 {
		t.Errorf("%d workers are ready after the restart", len(workers))
	}
	for _, w := range workers {
		if w.Generation != before.Generation+1 {
			t.Errorf("worker %d is of generation %d after a restart from %d", w.ID, w.Generation, before.Generation)
		}
	}
}

// respawns checks that a worker that was killed has a successor.
func respawns(t *testing.T, a *app) {
	t.Helper()
	victim := a.workers(t)[0]
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, startMost, func() bool {
		for _, w := range a.workers(t) {
			if w.ID == victim.ID && w.PID != victim.PID {
				return true
			}
		}
		return false
	}, "the successor of worker %d", victim.ID)
	if got := a.do("GET", "/ping", ""); !isPong(got) {
		t.Errorf("/ping after the respawn: %q", got)
	}
}

// ends checks that ripd ends with SIGTERM, and its workers with it.
func ends(t *testing.T, a *app) {
	t.Helper()
	workers := a.workers(t)
	if err := a.ripd.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := a.ripd.Wait(t, startMost); code != 0 {
		t.Errorf("ripd ended with %d", code)
	}
	for _, w := range workers {
		if err := syscall.Kill(w.PID, 0); err != syscall.ESRCH {
			t.Errorf("worker %d (process %d) has outlived ripd: %v", w.ID, w.PID, err)
		}
	}
	if code, _, errOut := a.ctl("status"); code != 3 || !strings.Contains(errOut, "no app is running") {
		t.Errorf("ripctl status after the end: exit code %d, %q", code, errOut)
	}
}
