package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/doctor"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the moment at which all these tests happen.
var now = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	// The words of tests must not depend on where the developer lives.
	time.Local = time.UTC
	// A copy of this binary that is called ripctl is ripctl: for scripts, other users and terminals.
	testscript.Main(leakless{m}, map[string]func(){"ripctl": ripctlMain, "fakeripd": fakeRipd})
}

// leakless runs the tests, and fails when goroutines are left.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

// machine is a machine with apps on it, and one user of ripctl.
type machine struct {
	t       *testing.T
	runtime string
	system  string
	config  string     // folder of the files of systemd's apps
	bus     []string   // environment that names systemd's bus; nil: there is none
	ran     [][]string // programs that ripctl became
	host    *doctor.Host
	environ []string
	version string
	width   int
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, runtime: socketDir(t), system: socketDir(t), config: socketDir(t), version: "0.3.1"}
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
	bus := m.bus
	if bus == nil {
		bus = []string{"DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + m.runtime + "/none"}
	}
	code := Main(ctx, Env{Args: args, Environ: append(bus, m.environ...), Stdout: &out, Stderr: &stderr, Version: m.version,
		Now: func() time.Time { return now }, Width: m.width, RuntimeDir: m.runtime, SystemDir: m.system, ConfigDir: m.config, Host: m.host,
		Exec: func(_ string, argv, _ []string) error { m.ran = append(m.ran, argv); return nil }})
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
