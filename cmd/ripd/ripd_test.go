package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ripd/internal/adapter"
	"ripd/internal/api"
	"ripd/internal/testkit"
	"ripd/internal/worker"
)

func TestMain(m *testing.M) {
	if worker.IsStub(os.Args) || adapter.IsDemo(os.Args) {
		main() // ripd, which this is in the scripts, has run itself again
	}
	testscript.Main(m, map[string]func(){"ripd": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// The scripts' own folder has too long a path for sockets.
			e.Vars = append(e.Vars, "RUNTIME_DIRECTORY="+testkit.TempSocketDir(t), "PID="+strconv.Itoa(os.Getpid()))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "await": await, "occupy": occupy, "ask": ask, "gone": gone,
		},
	})
}

// exits runs ripd and checks its exit code: "exits 2 ripd nowhere".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// client calls an app: "demo", or "demo@blue" with its variant.
func client(ts *testscript.TestScript, app string) *api.Client {
	app, variant, _ := strings.Cut(app, "@")
	if variant == "" {
		variant = "main"
	}
	return api.NewClient(api.ControlSocket(ts.Getenv("RUNTIME_DIRECTORY"), "rip_"+variant+"_"+app), "")
}

// await waits until an app is in a state: "await demo ready", "busy", "stopping".
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await APP STATE")
	}
	c := client(ts, args[0])
	defer c.Close()
	var last api.Status
	ok := testkit.Within(testkit.Timeout, func() bool {
		st, err := c.Status(context.Background())
		if err != nil {
			return false
		}
		last = st
		switch args[1] {
		case "ready":
			return st.Workers.Ready == st.Workers.Wanted
		case "busy":
			return st.Workers.Busy > 0
		}
		return string(st.Status) == args[1]
	})
	if !ok {
		ts.Fatalf("%s is not %s: %+v", args[0], args[1], last)
	}
}

// occupy listens on a free port of 127.0.0.1 until the script ends, and sets PORT.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	ts.Check(err)
	ts.Setenv("PORT", port)
}

// ask begins a request to an app, and does not wait for its answer: "ask demo
// /sleep?ms=9". The file "answer" then has the status, or the error.
func ask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ask APP PATH")
	}
	c := client(ts, args[0])
	defer c.Close()
	st, err := c.Status(context.Background())
	ts.Check(err)
	path := ts.MkAbs("answer")
	done := make(chan struct{})
	go func() {
		defer close(done)
		text := ""
		if r, err := http.Get(st.URLs[0] + args[1]); err != nil {
			text = err.Error()
		} else {
			r.Body.Close()
			text = r.Status
		}
		// A script that lacks it fails at once.
		_ = os.WriteFile(path, []byte(text+"\n"), 0o644)
	}()
	ts.Defer(func() { <-done })
}

// gone checks that an app has left no process and no file behind.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.Getenv("RUNTIME_DIRECTORY")
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("files stay: %v", left)
	}
	if !testkit.Within(testkit.Timeout, func() bool { return len(processesWith("RUNTIME_DIRECTORY="+dir)) == 0 }) {
		ts.Fatalf("processes stay: %v", processesWith("RUNTIME_DIRECTORY="+dir))
	}
}

// processesWith finds the processes that have a variable in their environment.
func processesWith(variable string) []string {
	var list []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		environ, err := os.ReadFile(file)
		if err == nil && strings.Contains("\x00"+string(environ), "\x00"+variable+"\x00") {
			list = append(list, fmt.Sprint(filepath.Dir(file)))
		}
	}
	return list
}
