package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// serialApps are apps under each of the programs. /list is answered at once, and
// /hold when a file is there.
var serialApps = append(checkedApps[:len(checkedApps):len(checkedApps)],
	struct {
		engine
		entry, files string
	}{node, "javascript/fetch.mjs", ""},
	struct {
		engine
		entry, files string
	}{bun, "javascript/fetch.mjs", ""})

// A worker that was given three requests runs one at a time, in the order in
// which they came, and answers all of them when it is told to end meanwhile.
func TestSerial(t *testing.T) {
	for _, app := range serialApps {
		t.Run(app.name, func(t *testing.T) {
			entry := filepath.Join(testkit.Root(t), "internal/adapter/testdata", app.entry)
			w := startJS(t, app.engine, entry, "RIP_CONCURRENCY=3", "RIP_SERIAL=1")
			inLine(t, w.PID(), func() (net.Conn, func() (string, error)) {
				conn, in := w.raw(t, "")
				return conn, func() (string, error) {
					answer, err := http.ReadResponse(in, nil)
					return text(answer, err), err
				}
			}, func() {
				if err := w.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				testkit.Eventually(t, testkit.Timeout, func() bool { return w.door.seen() == "register js/1 secret, deregister js/1 secret" }, "deregistering")
			})
			if code := w.Wait(t, testkit.Timeout); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// inLine gives the server whose process is pid three requests, each on a connection
// that it knows, and follows them through it.
func inLine(t *testing.T, pid int, dial func() (net.Conn, func() (string, error)), whileFirstRuns func()) {
	t.Helper()
	dir := t.TempDir()
	there := func(i int) bool { _, err := os.Stat(fmt.Sprintf("%s/%d.in", dir, i)); return err == nil }
	var reads []func() (string, error)
	var conns []net.Conn
	for range 3 {
		conn, read := dial()
		fmt.Fprint(conn, "GET /list HTTP/1.1\r\nHost: x\r\n\r\n")
		if got, err := read(); err != nil || got != "200 one piece" {
			t.Fatalf("/list: %q, %v", got, err)
		}
		reads, conns = append(reads, read), append(conns, conn)
	}
	for i, conn := range conns {
		fmt.Fprintf(conn, "GET /hold HTTP/1.1\r\nHost: x\r\nX-Test: %s/%d\r\n\r\n", dir, i)
		// The next one is sent when this one has its place in the line: the worker has
		// read it, and has nothing more to do about it.
		testkit.Eventually(t, testkit.Timeout, func() bool { return unread(t, conn) == 0 && there(0) && asleep(t, pid) }, "the worker has request %d", i)
	}
	whileFirstRuns()
	for i := range conns {
		testkit.Eventually(t, testkit.Timeout, func() bool { return there(i) }, "request %d runs", i)
		if i < 2 && there(i+1) {
			t.Errorf("request %d runs before request %d is answered", i+1, i)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%d.out", dir, i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := reads[i](); err != nil || got != "200 held\n" {
			t.Errorf("request %d: %q, %v", i, got, err)
		}
	}
}

// asleep reports whether no thread of the process runs, or wants to: field 3 of
// proc_pid_stat(5).
func asleep(t *testing.T, pid int) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("no threads of %d: %v", pid, err)
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			t.Fatal(err)
		}
		if state := stat[bytes.LastIndexByte(stat, ')')+2]; state != 'S' {
			return false
		}
	}
	return true
}

// unread is the number of bytes, or something like it, that the other side of a
// unix socket has not read.
func unread(t *testing.T, conn net.Conn) int {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var failed error
	if err := raw.Control(func(fd uintptr) { n, failed = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return n
}

// A stream is an answer until its last piece is out.
func TestSerialWaitsForAStream(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t), "RIP_CONCURRENCY=2", "RIP_SERIAL=1")
		name := filepath.Join(t.TempDir(), "0")
		_, in := w.raw(t, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		pieces := make([]byte, len("piece 1\npiece 2\n"))
		second, next := w.raw(t, "")
		fmt.Fprintf(second, "GET /hold HTTP/1.1\r\nHost: x\r\nX-Test: %s\r\n\r\n", name)
		if _, err := io.ReadFull(answer.Body, pieces); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(name + ".in"); err == nil {
			t.Error("the next request runs while the stream goes on")
		}
		if rest, err := io.ReadAll(answer.Body); err != nil || string(rest) != "piece 3\n" {
			t.Errorf("%q, %v", rest, err)
		}
		if err := os.WriteFile(name+".out", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		answer, err = http.ReadResponse(next, nil)
		if got := text(answer, err); got != "200 held\n" {
			t.Errorf("the next: %q", got)
		}
	})
}

// Who waits and leaves is passed over.
func TestSerialForgetsWhoLeft(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t), "RIP_CONCURRENCY=3", "RIP_SERIAL=1")
		name := filepath.Join(t.TempDir(), "0")
		held := make(chan string, 1)
		go func() { held <- text(w.do("GET", "/hold", "", "X-Test: "+name)) }()
		testkit.Eventually(t, testkit.Timeout, func() bool { _, err := os.Stat(name + ".in"); return err == nil }, "the request runs")
		conn, _ := w.raw(t, "GET /list HTTP/1.1\r\nHost: x\r\n\r\n")
		testkit.Eventually(t, testkit.Timeout, func() bool { return unread(t, conn) == 0 }, "the worker has the second")
		conn.Close()
		last := make(chan string, 1)
		go func() { last <- w.get("/list") }()
		if err := os.WriteFile(name+".out", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := testkit.Receive(t, testkit.Timeout, held); got != "200 held\n" {
			t.Errorf("the first: %q", got)
		}
		if got := testkit.Receive(t, testkit.Timeout, last); got != "200 one piece" {
			t.Errorf("the last: %q", got)
		}
	})
}

// The demo keeps the order too; it is told by DemoEnv.
func TestDemoSerial(t *testing.T) {
	var c config.Config
	if env := DemoEnv(&c); env != nil {
		t.Errorf("without the setting: %v", env)
	}
	c.Workers.Serial = true
	if !workerFrom([]string{"RIP_SERIAL=" + DemoEnv(&c)["RIP_SERIAL"]}).serial {
		t.Error("the worker does not know the setting")
	}
	entered, leave := make(chan string), make(chan struct{})
	s := httptest.NewServer(inTurn(true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- r.URL.Path
		<-leave
	})))
	defer s.Close()
	answers := make(chan string, 2)
	for _, path := range []string{"/1", "/2"} {
		go func() { answers <- text(http.Get(s.URL + path)) }()
	}
	first := testkit.Receive(t, testkit.Timeout, entered)
	if testkit.Within(testkit.Timeout/100, func() bool { return len(answers) > 0 }) {
		t.Errorf("an answer before %s was let go", first)
	}
	select {
	case second := <-entered:
		t.Errorf("%s runs beside %s", second, first)
	default:
	}
	leave <- struct{}{}
	testkit.Receive(t, testkit.Timeout, entered)
	leave <- struct{}{}
	for range 2 {
		if got := testkit.Receive(t, testkit.Timeout, answers); got != "200 " {
			t.Errorf("%q", got)
		}
	}
}
