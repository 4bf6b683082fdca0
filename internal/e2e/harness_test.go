package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

// startMost is how long an app may take to be ready: a Ruby app on a busy
// machine takes seconds, and the Go example compiles first.
const startMost = 90 * time.Second

// binaries builds ripd and ripctl once for all tests of this package.
var binaries = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "ripd-e2e"); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir+"/", "ripd/cmd/ripd", "ripd/cmd/ripctl")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	if dir := os.Getenv(chaosNotes); dir != "" {
		fmt.Fprintln(os.Stderr, chaosWorker(dir))
		os.Exit(1)
	}
	if os.Getenv(echoWorker) != "" {
		if err := serveEchoes(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if dir, _ := binaries(); dir != "" {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// app is one ripd that serves, with a runtime directory of its own.
type app struct {
	ripd    *testkit.Child
	bin     string // folder of the binaries
	environ []string
	url     string
	tls     *tls.Config // what clients of the url speak TLS with; nil: they do not
}

// serve starts ripd in the repository's root and waits until all of its workers
// are ready.
func serve(t *testing.T, args ...string) *app {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	a := &app{bin: bin, environ: append(os.Environ(), "XDG_RUNTIME_DIR="+testkit.TempSocketDir(t), "NO_COLOR=1")}
	cmd := exec.Command(filepath.Join(bin, "ripd"), append(args, "http:127.0.0.1:0", "--no-access-log")...)
	cmd.Env, cmd.Dir = a.environ, testkit.Root(t)
	a.ripd = testkit.Start(t, cmd)
	testkit.Eventually(t, startMost, func() bool {
		select {
		case <-a.ripd.Done():
			t.Fatalf("ripd ended with %d", a.ripd.ExitCode())
		default:
		}
		s, err := a.status()
		if err != nil || s.Workers.Ready != s.Workers.Wanted {
			return false
		}
		a.url = s.URLs[0]
		return true
	}, "%v: all workers ready", args)
	return a
}

// ctl runs ripctl and returns its exit code and what it printed.
func (a *app) ctl(args ...string) (int, string, string) {
	ctx, cancel := context.WithTimeout(context.Background(), startMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(a.bin, "ripctl"), args...)
	cmd.Env = a.environ
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return -1, out.String(), err.Error()
	}
	return cmd.ProcessState.ExitCode(), out.String(), errOut.String()
}

// ask runs ripctl with --json and decodes what it prints.
func ask[T any](a *app, args ...string) (T, error) {
	var answer T
	code, out, errOut := a.ctl(append(args, "--json")...)
	if code != 0 {
		return answer, fmt.Errorf("ripctl %v: exit code %d: %s", args, code, errOut)
	}
	return answer, json.Unmarshal([]byte(out), &answer)
}

func (a *app) status() (api.Status, error) { return ask[api.Status](a, "status") }

// workers returns the ready workers.
func (a *app) workers(t *testing.T) []api.Worker {
	t.Helper()
	list, err := ask[api.WorkerList](a, "workers")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Workers, func(w api.Worker) bool { return w.State != api.WorkerReady })
}

// do sends one request and returns "STATUS body". fields are "Name: value".
func (a *app) do(method, path, body string, fields ...string) string {
	request, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		request.Header.Add(name, value)
	}
	client := &http.Client{Timeout: startMost, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: a.tls}}
	answer, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, data)
}

// isPong reports whether an answer is /ping's: "pong", in the demo with the
// time.
func isPong(answer string) bool { return strings.HasPrefix(answer, "200 pong") }
