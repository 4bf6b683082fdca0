package adapter

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/api"
	"ripd/internal/testkit"
)

// The test binary is the worker's binary too.
func TestMain(m *testing.M) {
	if IsDemo(os.Args) {
		os.Exit(RunDemo(os.Args, os.Environ()))
	}
	goleak.VerifyTestMain(m)
}

func TestIsDemo(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{nil, false},
		{[]string{"ripd"}, false},
		{[]string{"ripd", "demo"}, false},
		{[]string{"ripd", DemoArg}, true},
		{[]string{"ripd", DemoArg, "w:2"}, false},
	} {
		if got := IsDemo(c.args); got != c.want {
			t.Errorf("IsDemo(%q) = %v", c.args, got)
		}
	}
}

func TestRunDemoNeedsASocket(t *testing.T) {
	if code := RunDemo([]string{"ripd", DemoArg}, []string{"WORKER_ID=1"}); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
}

// doorway is a control socket that keeps what workers send to it.
type doorway struct {
	path    string
	refusal *api.Error // the answer to each call; nil: ok
	mu      sync.Mutex
	calls   []api.Register // of both kinds: their fields overlap
	tokens  []string
}

func newDoorway(t testing.TB, refusal *api.Error) *doorway {
	d := &doorway{path: testkit.TempSocket(t, "ctl.sock"), refusal: refusal}
	l, err := net.Listen("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: d}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return d
}

func (d *doorway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var call api.Register
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil || r.URL.Path != api.PathWorker {
		http.Error(w, "not a worker's call", http.StatusBadRequest)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, call)
	d.tokens = append(d.tokens, r.Header.Get(api.HeaderToken)+call.Token)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(api.HeaderVersion, api.Development)
	if d.refusal != nil {
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(api.ErrorAnswer{Error: d.refusal})
		return
	}
	io.WriteString(w, `{"ok":true}`)
}

// seen returns the calls so far as "op app/id".
func (d *doorway) seen() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for i, c := range d.calls {
		all = append(all, fmt.Sprintf("%s %s/%d %s", c.Op, c.App, c.WorkerID, d.tokens[i]))
	}
	return strings.Join(all, ", ")
}

// launchDemo starts a demo worker as a process, and returns its socket's path.
func launchDemo(t testing.TB, control string) (*testkit.Child, string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	socket := testkit.TempSocket(t, "demo.1.sock")
	cmd := exec.Command(self, DemoArg)
	cmd.Env = []string{"APP_NAME=demo", "WORKER_ID=1", "RIP_GENERATION=7", "RIP_TOKEN=secret", "RIP_CONTROL=" + control, "SOCKET_PATH=" + socket}
	return testkit.Start(t, cmd), socket
}

// startDemo is launchDemo with a wait for the socket, and a client for it.
func startDemo(t testing.TB, control string) (*testkit.Child, *http.Client) {
	child, socket := launchDemo(t, control)
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	testkit.Eventually(t, testkit.Timeout, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, "the worker's socket")
	return child, &http.Client{Transport: transport, Timeout: testkit.Timeout}
}

func TestDemoWorkersLife(t *testing.T) {
	door := newDoorway(t, nil)
	child, client := startDemo(t, door.path)
	testkit.Eventually(t, testkit.Timeout, func() bool { return door.seen() == "register demo/1 secret" }, "registering")

	// A request that runs when the signal comes is answered.
	answer := make(chan string, 1)
	go func() { answer <- text(client.Get("http://demo/sleep?ms=600")) }()
	if got := text(client.Get("http://demo/ping")); !strings.HasPrefix(got, "200 pong 2") {
		t.Errorf("/ping: %q", got)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return connections(t, child.PID()) >= 2 }, "both connections")
	if err := child.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := testkit.Receive(t, testkit.Timeout, answer); got != "200 slept 600 ms in worker 1\n" {
		t.Errorf("/sleep across the end: %q", got)
	}
	if code := child.Wait(t, testkit.Timeout); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	if got := door.seen(); got != "register demo/1 secret, deregister demo/1 secret" {
		t.Errorf("the control socket saw %q", got)
	}
}

// connections counts a process's sockets beyond its listening one.
func connections(t *testing.T, pid int) int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := -1
	for _, e := range entries {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, e.Name())); err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}

func TestDemoRefusedByRipd(t *testing.T) {
	door := newDoorway(t, api.Errorf(api.CodeForbidden, "a wrong token"))
	child, _ := launchDemo(t, door.path)
	if code := child.Wait(t, testkit.Timeout); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if got := child.Stderr.String(); !strings.Contains(got, "a wrong token") {
		t.Errorf("said %q", got)
	}
	if got := door.seen(); strings.Count(got, "register") != 1 {
		t.Errorf("a refusal is final, yet the control socket saw %q", got)
	}
}

func TestDemoCrash(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"", ""},
		{"?late=1", "200 the first half of an answer\n (unexpected EOF)"},
	} {
		t.Run("crash"+c.query, func(t *testing.T) {
			child, client := startDemo(t, "")
			got := text(client.Get("http://demo/crash" + c.query))
			if c.want != "" && got != c.want || c.want == "" && !strings.HasPrefix(got, "error ") {
				t.Errorf("answer %q", got)
			}
			if code := child.Wait(t, testkit.Timeout); code != exitCrash {
				t.Errorf("exit code %d", code)
			}
			if log := child.Stderr.String(); !strings.Contains(log, "crashing, as GET /crash"+c.query+" asked for") {
				t.Errorf("log %q", log)
			}
		})
	}
}

func text(r *http.Response, err error) string {
	if err != nil {
		return "error " + err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Sprintf("%d %s (%v)", r.StatusCode, body, err)
	}
	return fmt.Sprintf("%d %s", r.StatusCode, body)
}

// BenchmarkPing reports the worker's own processor time of a request, on one
// kept-alive connection as ripd uses it.
func BenchmarkPing(b *testing.B) {
	child, client := startDemo(b, "")
	conn, err := client.Transport.(*http.Transport).DialContext(context.Background(), "", "")
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	request := []byte("GET /ping HTTP/1.1\r\nHost: demo\r\nUser-Agent: bench\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Request-Id: 0123456789abcdef\r\nX-Request-Start: t=1790000000000000\r\n\r\n")
	before := processorTime(b, child.PID())
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			b.Fatal(err)
		}
	}
	spent := processorTime(b, child.PID()) - before
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "worker-cpu-µs/op")
}

// processorTime is the user and system time of a process, from
// /proc/PID/schedstat (nanoseconds, summed over its threads).
func processorTime(b *testing.B, pid int) time.Duration {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Fatal(err)
	}
	var sum time.Duration
	for _, task := range tasks {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue
		}
		var ns int64
		if _, err := fmt.Fscan(bytes.NewReader(data), &ns); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}
