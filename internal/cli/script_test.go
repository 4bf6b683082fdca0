package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

// ripctlMain is what cmd/ripctl does, with a version that tests can choose.
func ripctlMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	version := os.Getenv("RIPCTL_VERSION")
	if version == "" {
		version = "0.3.1"
	}
	os.Exit(Main(ctx, Env{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
		SystemDir: os.Getenv("SYSTEM_DIR")}))
}

// fakeRipd is a ripd without an app behind it: "fakeripd NAME done|rolled_back|failed|hang".
// It makes the file "followed" when somebody follows the events.
func fakeRipd() {
	name, how := os.Args[1], os.Args[2]
	a := &controltest.App{StatusIs: api.Status{App: name, Status: api.Healthy, Version: "0.3.1", PID: os.Getpid(), Generation: 1,
		StartedAt: time.Now(), URLs: []string{"http://127.0.0.1:3080"}, Workers: api.WorkerCounts{Wanted: 2, Ready: 2}}}
	stopped := make(chan struct{})
	a.OnRoll = func(ctx context.Context, kind string, step func(api.Step)) api.Verdict {
		step(api.Step{Kind: api.StepStarting, Index: 1, Of: 2, Worker: 1, Message: "worker 1: started"})
		if how == "hang" {
			<-ctx.Done()
		}
		if how == "done" {
			return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: kind, Generation: 2}
		}
		return api.Verdict{Verdict: api.VerdictCode(how), Kind: kind, Generation: 1, Reason: "a reason", Output: []string{"the app's last words"}}
	}
	a.OnEvents = func(ctx context.Context) <-chan api.Event {
		os.WriteFile("followed", nil, 0o644)
		return make(chan api.Event)
	}
	a.OnStop = func(context.Context, func(api.Step)) api.Verdict {
		defer close(stopped)
		return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindStop}
	}
	l, err := net.Listen("unix", api.ControlSocket(api.RuntimeDir(os.Environ()), "rip_main_"+name))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := control.NewServer(control.Options{Operator: a, Registrar: a, Version: "0.3.1"})
	go func() { <-stopped; s.Close() }()
	s.ServeBoth(l)
	s.Close() // waits for the answers that are being written
	os.Exit(0)
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			runtime, system := socketDir(t), socketDir(t) // the scripts' own folder has too long a path for sockets
			e.Vars = append(e.Vars, "RUNTIME_DIRECTORY="+runtime, "SYSTEM_DIR="+system)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "waitfor": waitFor, "appears": appears,
		},
	})
}

// exits runs a program and checks its exit code: "exits 5 ripctl restart".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// appears waits until a file is there, and has a line: "appears followed", "appears said 'a line'".
func appears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: appears FILE [LINE]")
	}
	path := ts.MkAbs(args[0])
	if !testkit.Within(testkit.Timeout, func() bool {
		text, err := os.ReadFile(path)
		return err == nil && (len(args) == 1 || slices.Contains(strings.Split(string(text), "\n"), args[1]))
	}) {
		ts.Fatalf("%s does not appear", strings.Join(args, " with "))
	}
}

// waitFor waits until an app answers: "waitfor shop".
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	c := api.NewClient(api.ControlSocket(ts.Getenv("RUNTIME_DIRECTORY"), "rip_main_"+args[0]), "")
	defer c.Close()
	if !testkit.Within(testkit.Timeout, func() bool {
		_, err := c.Status(context.Background())
		return err == nil
	}) {
		ts.Fatalf("%s does not answer", args[0])
	}
}
