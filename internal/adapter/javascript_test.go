package adapter

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// engine is what runs JavaScript.
type engine struct {
	name    string
	command func(t testing.TB) []string // with the adapter's program
}

var (
	node = engine{"node", func(t testing.TB) []string {
		testkit.Need(t, "node")
		return []string{"node", script(t, "node.mjs")}
	}}
	bun = engine{"bun", func(t testing.TB) []string {
		return []string{testkit.Bun(t), "run", script(t, "bun.mjs")}
	}}
)

func script(t testing.TB, name string) string {
	return filepath.Join(testkit.Root(t), "internal/adapter/programs/javascript", name)
}

// eachRuntime runs a test under Node.js and under Bun.
func eachRuntime(t *testing.T, test func(t *testing.T, r engine)) {
	for _, r := range []engine{node, bun} {
		t.Run(r.name, func(t *testing.T) { test(t, r) })
	}
}

// jsWorker is an adapter's program with an app, and a control socket that has
// seen its registering.
type jsWorker struct {
	*testkit.Child
	client *http.Client
	socket string
	door   *doorway
}

// startJS starts a worker and waits until it has registered. env is added to
// its environment.
func startJS(t testing.TB, r engine, entry string, env ...string) *jsWorker {
	t.Helper()
	w := launchJS(t, r, entry, env...)
	testkit.Eventually(t, startMost, func() bool { return w.door.seen() != "" || w.ended() }, "registering")
	if w.ended() {
		t.Fatalf("the worker has ended: %s", w.Stderr)
	}
	return w
}

const startMost = 3 * testkit.Timeout // of a runtime on a busy machine

func launchJS(t testing.TB, r engine, entry string, env ...string) *jsWorker {
	t.Helper()
	w := &jsWorker{socket: testkit.TempSocket(t, "js.1.sock"), door: newDoorway(t, nil)}
	command := r.command(t)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = filepath.Dir(entry)
	cmd.Env = append(os.Environ(), "APP_NAME=js", "WORKER_ID=1", "RIP_GENERATION=1", "RIP_TOKEN=secret",
		"RIP_CONTROL="+w.door.path, "SOCKET_PATH="+w.socket, "RIP_ENTRY="+entry, "RIP_ROOT="+cmd.Dir, "RIP_CONCURRENCY=1", "RIP_RELOAD=none")
	cmd.Env = append(cmd.Env, env...)
	w.Child = testkit.Start(t, cmd)
	transport := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", w.socket)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	w.client = &http.Client{Transport: transport, Timeout: testkit.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	return w
}

func (w *jsWorker) ended() bool {
	select {
	case <-w.Done():
		return true
	default:
		return false
	}
}

// do sends a request; fields are "Name: value".
func (w *jsWorker) do(method, path, body string, fields ...string) (*http.Response, error) {
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, "http://shop.example"+path, from)
	if err != nil {
		return nil, err
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		request.Header.Add(name, value)
	}
	return w.client.Do(request)
}

func (w *jsWorker) get(path string) string { return text(w.do("GET", path, "")) }

// files are those of the last registering, by their base names, sorted.
func (w *jsWorker) files() []string {
	w.door.mu.Lock()
	defer w.door.mu.Unlock()
	var names []string
	for _, c := range w.door.calls {
		if c.Op == "register" {
			names = nil
			for _, file := range c.Files {
				names = append(names, filepath.Base(file))
			}
		}
	}
	slices.Sort(names)
	return names
}

// raw opens a connection and sends text on it.
func (w *jsWorker) raw(t *testing.T, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("unix", w.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(startMost)); err != nil { // an answer that does not come fails its test alone
		t.Fatal(err)
	}
	io.WriteString(conn, text)
	return conn, bufio.NewReader(conn)
}

func fetchApp(t testing.TB) string {
	return filepath.Join(testkit.Root(t), "internal/adapter/testdata/javascript/fetch.mjs")
}

func TestJavaScriptFetch(t *testing.T) {
	cases := []struct {
		name, method, path, body string
		fields                   []string
		want                     string // status and body
		head                     string // "Name: value|value; …" of the answer
	}{
		{name: "url", method: "GET", path: "/request?a=1&a=%20b", fields: []string{"X-Field: value"},
			want: `200 {"method":"GET","url":"http://shop.example/request?a=1&a=%20b","query":["1"," b"],"field":"value","body":null}`},
		{name: "https", method: "GET", path: "/request", fields: []string{"X-Forwarded-Proto: https"},
			want: `200 {"method":"GET","url":"https://shop.example/request","query":[],"field":null,"body":null}`},
		{name: "body", method: "POST", path: "/request", body: "ünïcode",
			want: `200 {"method":"POST","url":"http://shop.example/request","query":[],"field":null,"body":"ünïcode"}`},
		{name: "method", method: "DELETE", path: "/request",
			want: `200 {"method":"DELETE","url":"http://shop.example/request","query":[],"field":null,"body":null}`},
		{name: "joined fields", method: "GET", path: "/request", fields: []string{"X-Field: a", "X-Field: b"},
			want: `200 {"method":"GET","url":"http://shop.example/request","query":[],"field":"a, b","body":null}`},
		{name: "text", method: "GET", path: "/text", want: "200 text", head: "Content-Length: 4"},
		{name: "head", method: "HEAD", path: "/text", want: "200 "},
		{name: "empty", method: "GET", path: "/empty", want: "200 ", head: "Content-Length: 0"},
		{name: "null", method: "GET", path: "/null", want: "200 ", head: "Content-Length: 0"},
		{name: "status", method: "GET", path: "/status", want: "418 I am a teapot"},
		{name: "204", method: "GET", path: "/204", want: "204 "},
		{name: "304", method: "GET", path: "/304", want: "304 ", head: `Etag: "1"`},
		{name: "redirect", method: "GET", path: "/redirect", want: "302 ", head: "Location: /elsewhere"},
		{name: "cookies", method: "GET", path: "/cookies", want: "200 cookies",
			head: "Set-Cookie: a=1; Expires=Wed, 21 Oct 2037 07:28:00 GMT|b=2\nX-Joined: a, b"},
		{name: "stream", method: "GET", path: "/stream", want: "200 piece 1\npiece 2\npiece 3\n"},
		{name: "large answer", method: "GET", path: "/large", want: "200 " + strings.Repeat("x", 3_000_000)},
		{name: "large body", method: "PUT", path: "/length", body: strings.Repeat("y", 3_000_000), want: "200 3000000"},
		{name: "echo", method: "POST", path: "/echo", body: strings.Repeat("z", 300_000), want: "200 " + strings.Repeat("z", 300_000)},
		{name: "404", method: "GET", path: "/nowhere", want: "404 not here"},
		{name: "throw", method: "GET", path: "/throw", want: "500 internal server error\n"},
		{name: "reject", method: "GET", path: "/reject", want: "500 internal server error\n"},
		{name: "no Response", method: "GET", path: "/string", want: "500 internal server error\n"},
		{name: "unhandled", method: "GET", path: "/unhandled", want: "200 ok"},
	}
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				answer, err := w.do(c.method, c.path, c.body, append(c.fields, "X-Request-Id: id-"+c.name)...)
				if err == nil {
					for _, want := range strings.Split(c.head, "\n") {
						name, values, _ := strings.Cut(want, ": ")
						if got := strings.Join(answer.Header[name], "|"); got != values {
							t.Errorf("%s: %q, want %q", name, got, values)
						}
					}
					if got := answer.Header.Get("Transfer-Encoding"); got != "" || answer.Header.Get("Keep-Alive") != "" {
						t.Errorf("fields of the connection: %v", answer.Header)
					}
				}
				if got := text(answer, err); got != c.want {
					t.Errorf("got %.200q, want %.200q", got, c.want)
				}
			})
		}
		for _, want := range []string{"request id-throw: GET /throw: Error: thrown", "request id-reject: GET /reject: TypeError: rejected",
			"request id-no Response: GET /string: TypeError: the app answered with no Response, which is no Response", "Error: nobody waits for this"} {
			w.Stderr.WaitFor(t, testkit.Timeout, want)
		}
		if r.name == "bun" {
			return
		}
		if got := text(w.do("TRACE", "/request", "")); got != "405 method not allowed\n" {
			t.Errorf("TRACE: %q", got)
		}
	})
}

// All answers went over connections that stayed: the server closes none.
func TestJavaScriptKeepsConnections(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		request := "GET %s HTTP/1.1\r\nHost: shop.example\r\n\r\n"
		conn, in := w.raw(t, "")
		for _, path := range []string{"/text", "/204", "/304", "/empty", "/throw", "/stream", "/string", "/text"} {
			fmt.Fprintf(conn, request, path)
			answer, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.Close {
				t.Errorf("%s: %v, close %v", path, err, answer.Close)
			}
		}
	})
}

func TestJavaScriptStreamsBothWays(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		conn, in := w.raw(t, "POST /echo HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 6)
		if _, err := io.ReadFull(answer.Body, body[:5]); err != nil || string(body[:5]) != "first" {
			t.Fatalf("%q, %v", body, err)
		}
		io.WriteString(conn, "6\r\nsecond\r\n")
		if _, err := io.ReadFull(answer.Body, body); err != nil || string(body) != "second" {
			t.Fatalf("%q, %v", body, err)
		}
		io.WriteString(conn, "0\r\n\r\n")
		if rest, err := io.ReadAll(answer.Body); err != nil || len(rest) > 0 {
			t.Errorf("the rest is %q, %v", rest, err)
		}
	})
}

// A stream that breaks must not look complete.
func TestJavaScriptBrokenStream(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		if got := w.get("/break"); !strings.Contains(got, "the first half (") {
			t.Errorf("got %q", got)
		}
		if got := w.get("/text"); got != "200 text" {
			t.Errorf("afterwards %q", got)
		}
	})
}

func TestJavaScriptClientLeaves(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		conn, _ := w.raw(t, "GET /slow?ms=300 HTTP/1.1\r\nHost: shop.example\r\n\r\n")
		w.Stdout.WaitFor(t, testkit.Timeout, "slow begins")
		conn.Close()
		w.Stdout.WaitFor(t, testkit.Timeout, "slow was aborted")
		w.Stdout.WaitFor(t, testkit.Timeout, "slow ends")
		if got := w.get("/text"); got != "200 text" {
			t.Errorf("afterwards %q", got)
		}
	})
}

func TestJavaScriptOneAtATime(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		first := make(chan string, 1)
		go func() { first <- w.get("/slow?ms=400") }()
		w.Stdout.WaitFor(t, testkit.Timeout, "slow begins")
		answer, err := w.do("GET", "/text", "")
		if err != nil || answer.Header.Get("Rip-Worker-Busy") != "1" {
			t.Errorf("a second request: %v, %v", answer, err)
		}
		if got := text(answer, err); got != "503 busy\n" {
			t.Errorf("a second request: %q", got)
		}
		if got := testkit.Receive(t, testkit.Timeout, first); got != "200 slow" {
			t.Errorf("the first: %q", got)
		}
	})
}

func TestJavaScriptEnds(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			w := startJS(t, r, fetchApp(t))
			first := make(chan string, 1)
			go func() { first <- w.get("/slow?ms=400") }()
			w.Stdout.WaitFor(t, testkit.Timeout, "slow begins")
			if err := w.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if got := testkit.Receive(t, testkit.Timeout, first); got != "200 slow" {
				t.Errorf("%v: what runs: %q", signal, got)
			}
			if code := w.Wait(t, testkit.Timeout); code != 0 {
				t.Errorf("%v: exit code %d", signal, code)
			}
			if got := w.door.seen(); got != "register js/1 secret, deregister js/1 secret" {
				t.Errorf("%v: the control socket saw %q", signal, got)
			}
		}
	})
}

// What nobody catches is the end of a worker, as it is of node, but in order.
func TestJavaScriptUncaught(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t))
		if got := text(w.do("GET", "/uncaught", "", "X-Request-Id: id-1")); got != "500 internal server error\n" {
			t.Errorf("got %q", got)
		}
		if code := w.Wait(t, testkit.Timeout); code != 1 {
			t.Errorf("exit code %d", code)
		}
		if got := w.Stderr.String(); !strings.Contains(got, "request id-1: GET /uncaught: Error: out of the blue") {
			t.Errorf("said %q", got)
		}
		if got := w.door.seen(); got != "register js/1 secret, deregister js/1 secret" {
			t.Errorf("the control socket saw %q", got)
		}
	})
}

// ripd knows the files before the answer of the request that loaded them is
// complete.
func TestJavaScriptTellsFiles(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		w := startJS(t, r, fetchApp(t), "RIP_RELOAD=process")
		if got := w.files(); !slices.Equal(got, []string{"fetch.mjs"}) {
			t.Errorf("files %q", got)
		}
		if got := w.get("/lazy"); got != "200 lazy" {
			t.Fatalf("/lazy: %q", got)
		}
		if got := w.files(); !slices.Equal(got, []string{"fetch.mjs", "lazy.mjs"}) {
			t.Errorf("files %q", got)
		}
		w.get("/lazy")
		if got := strings.Count(w.door.seen(), "register"); got != 2 {
			t.Errorf("registered %d times", got)
		}
	})
}
