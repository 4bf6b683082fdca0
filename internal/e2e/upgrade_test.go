package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

// successor follows an app to the ripd that has taken it over.
func (a *app) successor(t *testing.T, before int) api.Status {
	t.Helper()
	var s api.Status
	testkit.Eventually(t, startMost, func() bool {
		var err error
		s, err = a.status()
		return err == nil && s.PID != before
	}, "a ripd of another process than %d", before)
	return s
}

// Upgrade after upgrade, under load from connections that are new and ones that are
// kept: each request is answered, and the ripd before has ended well.
func TestUpgradesLoseNothing(t *testing.T) {
	metrics := filepath.Join(testkit.TempSocketDir(t), "metrics.sock")
	t.Setenv("RIP_LISTEN_METRICS", metrics)
	a := serve(t, "demo", "w:2")
	clients := startCrowd(a, 8)
	pid := a.ripd.PID()
	for i := range 5 {
		code, out, errOut := a.ctl("upgrade", "--json")
		if code != 0 {
			t.Fatalf("ripctl upgrade: exit code %d\n%s%s", code, out, errOut)
		}
		var last api.Line
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || last.Verdict == nil || !last.Verdict.OK {
			t.Fatalf("%v: %s", err, out)
		}
		s := a.successor(t, pid)
		if s.PID != last.Verdict.PID || s.Generation != i+2 || s.Workers.Ready != 2 {
			t.Errorf("%+v after %+v", s, last.Verdict)
		}
		pid = s.PID
		if text := scrape(t, metrics); !strings.Contains(text, `ripd_upgrades_total{app="demo",verdict="done"} 1`) {
			t.Errorf("not the successor's metrics: %.500s", text)
		}
	}
	clients.stop(t)
	a.endsElsewhere(t, pid)
	if _, err := os.Lstat(metrics); err == nil {
		t.Error("the socket for metrics stays")
	}
	// Its output ends with the last of its heirs, who have it too.
	if code := a.ripd.Wait(t, startMost); code != 0 {
		t.Errorf("the first ripd ended with %d", code)
	}
}

// scrape gets the metrics from a socket of their own.
func scrape(t *testing.T, socket string) string {
	t.Helper()
	client := &http.Client{Timeout: testkit.Timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	r, err := client.Get("http://metrics/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v", r.StatusCode, err)
	}
	return string(text)
}

// endsElsewhere stops the ripd that has taken over, and looks at what is left.
func (a *app) endsElsewhere(t *testing.T, pid int) {
	t.Helper()
	if code, out, errOut := a.ctl("stop"); code != 0 {
		t.Errorf("ripctl stop: exit code %d\n%s%s", code, out, errOut)
	}
	testkit.Eventually(t, startMost, func() bool { return syscall.Kill(pid, 0) != nil }, "the end of process %d", pid)
	dir := a.runtimeDir()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("files stay: %v, %v", left, err)
	}
}

func (a *app) runtimeDir() string {
	dir := ""
	for _, entry := range a.environ {
		if value, found := strings.CutPrefix(entry, "XDG_RUNTIME_DIR="); found {
			dir = value
		}
	}
	return filepath.Join(dir, "ripd")
}

// A program that cannot take over is ended, and nothing has changed.
func TestUpgradesThatFailChangeNothing(t *testing.T) {
	dir := t.TempDir()
	program := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := filepath.Join(dir, "app", "ripd.toml")
	if err := os.Mkdir(filepath.Dir(config), 0o755); err != nil {
		t.Fatal(err)
	}
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The demo's worker as a program, which the settings can break.
	good := "command = [\"" + bin + "/ripd\", \"--demo-worker\"]\n[workers]\ncount = 2\n[reload]\nmode = \"none\"\n"
	write(good)
	a := serve(t, filepath.Dir(config))
	clients := startCrowd(a, 4)
	for _, c := range []struct {
		name, binary, config string
		code                 int
		want                 []string
	}{
		{"it ends", program("ends", "echo out of order >&2; exit 3"), good, 5, []string{"the new ripd ended before it was ready: exit status 3", "out of order"}},
		{"it is killed", program("killed", "kill -9 $$"), good, 5, []string{"signal: killed"}},
		{"it is no program", config, good, 1, []string{"is not a program"}},
		{"it is not there", filepath.Join(dir, "nothing"), good, 1, []string{"no such file"}},
		{"the settings are wrong", "", "wrkers = 3\n", 5, []string{"wrkers"}},
		{"a worker does not start", "", strings.Replace(good, "--demo-worker", "--nonsense", 1), 5, []string{"worker ", "does not start", "--nonsense"}},
		{"another variant", "", "variant = \"other\"\n" + good, 5, []string{"takes a stop and a start"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.config)
			args := []string{"upgrade"}
			if c.binary != "" {
				args = append(args, "--binary", c.binary)
			}
			code, out, errOut := a.ctl(args...)
			if code != c.code {
				t.Errorf("exit code %d, not %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(errOut, want) {
					t.Errorf("no %q", want)
				}
			}
			if t.Failed() {
				t.Logf("%s\n%s", out, errOut)
			}
			if s, err := a.status(); err != nil || s.PID != a.ripd.PID() || s.Workers.Ready != 2 {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	write(good)
	if code, out, errOut := a.ctl("upgrade"); code != 0 {
		t.Errorf("the good one: exit code %d\n%s%s", code, out, errOut)
	}
	clients.stop(t)
	a.endsElsewhere(t, a.successor(t, a.ripd.PID()).PID)
}
