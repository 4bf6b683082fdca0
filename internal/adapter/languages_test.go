package adapter

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// debianPython is the interpreter that sees Debian's packages. The first python3
// of PATH may be another one.
const debianPython = "/usr/bin/python3"

var (
	rackEngine = engine{"rack", func(t testing.TB) []string {
		testkit.Need(t, "ruby")
		return []string{"ruby", program(t, "ruby/rack.rb")}
	}}
	wsgiEngine = engine{"wsgi", func(t testing.TB) []string {
		testkit.Need(t, debianPython)
		return []string{debianPython, "-B", program(t, "python/wsgi.py")}
	}}
	asgiEngine = engine{"asgi", func(t testing.TB) []string {
		testkit.Need(t, debianPython)
		return []string{debianPython, "-B", program(t, "python/asgi.py")}
	}}
)

func program(t testing.TB, name string) string {
	return filepath.Join(testkit.Root(t), "internal/adapter/programs", name)
}

// checkedApps are apps inside of their language's checker: Rack::Lint,
// wsgiref.validate, and a checker of ASGI of our own.
var checkedApps = []struct {
	engine
	entry string
	files string // those that the app loads at its start
}{
	{rackEngine, "ruby/config.ru", "config.ru settings.rb"},
	{rack3Engine, "ruby/config.ru", "config.ru settings.rb"},
	{wsgiEngine, "python/app.py", "app.py settings.py"},
	{asgiEngine, "python/asgi.py", "asgi.py settings.py"},
}

// eachChecked runs a test with a worker for each of the apps.
func eachChecked(t *testing.T, test func(t *testing.T, name string, start func(env ...string) *jsWorker)) {
	for _, app := range checkedApps {
		t.Run(app.name, func(t *testing.T) {
			test(t, app.name, func(env ...string) *jsWorker {
				return startJS(t, app.engine, filepath.Join(testkit.Root(t), "internal/adapter/testdata", app.entry), env...)
			})
		})
	}
}

func TestLanguagesAnswer(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 100_000)
	eachChecked(t, func(t *testing.T, name string, start func(env ...string) *jsWorker) {
		w := start()
		for _, c := range []struct{ method, path, body, want string }{
			{"GET", "/list", "", "200 one piece"},
			{"GET", "/stream", "", "200 abc"},
			{"POST", "/echo", "a body", "200 a body"},
			{"PUT", "/echo", big, "200 " + big},
			{"POST", "/ignore", big, "200 one piece"},
			{"HEAD", "/list", "", "200 "},
			{"HEAD", "/stream", "", "200 "},
			{"GET", "/204", "", "204 "},
			{"GET", "/304", "", "304 "},
			{"GET", "/lazy", "", "200 lazy"},
			{"GET", "/nowhere", "", "404 nothing here"},
			{"GET", "/boom", "", "500 Internal Server Error\n"},
			{"GET", "/late", "", "200 begun\n (unexpected EOF)"},
			{"GET", "/short", "", "200 short (unexpected EOF)"},
			{"GET", "/list", "", "200 one piece"},
		} {
			if got := text(w.do(c.method, c.path, c.body, "X-Request-Id: id-7")); got != c.want {
				t.Errorf("%s %s: %.200q", c.method, c.path, got)
			}
		}
		for _, say := range []string{"request id-7: GET /boom: ", "request id-7: GET /late: ", "late boom"} {
			w.Stderr.WaitFor(t, testkit.Timeout, say)
		}
		answer, err := w.do("GET", "/headers", "")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if got := answer.Header["Set-Cookie"]; !slices.Equal(got, []string{"a=1", "b=2"}) {
			t.Errorf("Set-Cookie: %q", got)
		}
		answer, err = w.do("GET", "/list", "")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.ContentLength != 9 {
			t.Errorf("the length of a body of one piece: %d", answer.ContentLength)
		}
	})
}

func TestLanguagesTellTheRequest(t *testing.T) {
	want := map[string]string{"rack": "/caf%C3%A9", "rack3": "/caf%C3%A9", "wsgi": "/café", "asgi": "/café"}
	eachChecked(t, func(t *testing.T, name string, start func(env ...string) *jsWorker) {
		got := text(start().do("POST", "/caf%C3%A9?a=%20&b", "x", "X-Test: 1", "X-Test: 2", "Cookie: c=1", "Content-Type: text/x",
			"X-Forwarded-For: 192.0.2.1, 10.0.0.9", "X-Forwarded-Proto: https", "X_Test: forged"))
		twice := map[bool]string{true: "2", false: "1,2"}[name == "asgi"] // its test app looks at the last
		if want := "200 POST|" + want[name] + "|a=%20&b|shop.example|443|192.0.2.1|" + twice + "|c=1|text/x|https"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A body goes in and out at the same time, in pieces.
func TestLanguagesStreamBothWays(t *testing.T) {
	eachChecked(t, func(t *testing.T, _ string, start func(env ...string) *jsWorker) {
		w := start()
		conn, in := w.raw(t, "POST /duplex HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i, piece := range []string{"first\n", "second\n", "third\n"} {
			fmt.Fprintf(conn, "%x;ext=1\r\n%s\r\n", len(piece), piece)
			if i == 0 {
				if answer, err := http.ReadResponse(in, nil); err != nil || answer.StatusCode != 200 || len(answer.TransferEncoding) != 1 {
					t.Fatalf("%+v, %v", answer, err)
				}
				// The head alone was read: the chunks are read by hand.
			}
			expect(t, in, fmt.Sprintf("%x\r\n%s\r\n", len(piece), piece))
		}
		io.WriteString(conn, "0\r\nTrailer: x\r\n\r\nGET /list HTTP/1.1\r\nHost: x\r\n\r\n")
		expect(t, in, "0\r\n\r\nHTTP/1.1 200 ")
	})
}

func expect(t *testing.T, in *bufio.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in, got); err != nil || string(got) != want {
		t.Fatalf("%q (%v), want %q", got, err, want)
	}
}

// Requests of a kind that ripd does not send, and connections that break off.
func TestLanguagesKeepTheirHeads(t *testing.T) {
	eachChecked(t, func(t *testing.T, _ string, start func(env ...string) *jsWorker) {
		w := start()
		for _, c := range []struct{ send, want string }{
			{"GET /list HTTP/1.0\r\n\r\n", "HTTP/1.1 200 "},
			{"\r\n\r\nGET /list HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
			{"GET http://y/list HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
			{"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "},
			{"nonsense\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\nno field\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\nHost : x\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\n: x\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\nX: a\rb\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\nX: a\nb\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\nX: a\x00b\r\n\r\n", "HTTP/1.1 400 "},
			{"GET /list HTTP/1.1\r\nhOsT: [::1]:80\r\n\r\n", "HTTP/1.1 200 "},
			{"GET /list HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "HTTP/1.1 400 "},
			{"POST /echo HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400 "},
			{"POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501 "},
			{"GET /list HTTP/1.1\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "HTTP/1.1 431 "},
		} {
			_, in := w.raw(t, c.send)
			expect(t, in, c.want)
		}
		conn, _ := w.raw(t, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
		conn.Close()
		if got := w.get("/list"); got != "200 one piece" {
			t.Errorf("afterwards: %s", got)
		}
	})
}

// One request at a time, or as many as RIP_CONCURRENCY says.
func TestLanguagesConcurrency(t *testing.T) {
	eachChecked(t, func(t *testing.T, name string, start func(env ...string) *jsWorker) {
		for most := 1; most <= 2; most++ {
			w := start(fmt.Sprintf("RIP_CONCURRENCY=%d", most))
			dir := t.TempDir()
			answers := make(chan string, 3)
			for i := range 3 {
				go func() { answers <- text(w.do("GET", "/hold", "", fmt.Sprintf("X-Test: %s/%d", dir, i))) }()
			}
			in := func() int {
				names, err := filepath.Glob(dir + "/*.in")
				if err != nil {
					t.Error(err)
				}
				return len(names)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return in() == most }, "%d requests run", most)
			if testkit.Within(testkit.Timeout/100, func() bool { return in() > most }) {
				t.Errorf("more than %d requests run at once", most)
			}
			for i := range 3 {
				if err := os.WriteFile(fmt.Sprintf("%s/%d.out", dir, i), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 3 {
				if got := testkit.Receive(t, testkit.Timeout, answers); got != "200 held\n" {
					t.Errorf("%s: %q", name, got)
				}
			}
		}
	})
}

// A signal lets what runs be answered; then the worker deregisters and ends with 0.
func TestLanguagesEnd(t *testing.T) {
	eachChecked(t, func(t *testing.T, name string, start func(env ...string) *jsWorker) {
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			w := start()
			hold := t.TempDir() + "/hold"
			if got := w.get("/list"); got != "200 one piece" { // a connection that idles
				t.Errorf("/list: %q", got)
			}
			answer := make(chan string, 1)
			go func() { answer <- text(w.do("GET", "/hold", "", "X-Test: "+hold)) }()
			testkit.Eventually(t, testkit.Timeout, func() bool { _, err := os.Stat(hold + ".in"); return err == nil }, "the request runs")
			if err := w.Signal(signal); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return strings.Contains(w.door.seen(), "deregister js/1 secret") }, "deregistering")
			if err := os.WriteFile(hold+".out", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := testkit.Receive(t, testkit.Timeout, answer); got != "200 held\n" {
				t.Errorf("%v: %q", signal, got)
			}
			if code := w.Wait(t, testkit.Timeout); code != 0 {
				t.Errorf("%v: exit code %d", signal, code)
			}
			if name == "asgi" {
				w.Stdout.WaitFor(t, testkit.Timeout, "lifespan: shut down")
			}
		}
	})
}

// ripd knows a file that a request has loaded before it is answered.
func TestLanguagesTellFiles(t *testing.T) {
	for _, app := range checkedApps {
		t.Run(app.name, func(t *testing.T) {
			entry := filepath.Join(testkit.Root(t), "internal/adapter/testdata", app.entry)
			w := startJS(t, app.engine, entry, "RIP_RELOAD=process")
			if got := strings.Join(w.files(), " "); got != app.files {
				t.Errorf("at the start: %s", got)
			}
			if got := w.get("/lazy"); got != "200 lazy" {
				t.Error(got)
			}
			if got := strings.Join(w.files(), " "); !strings.Contains(got, "lazy") {
				t.Errorf("after the request: %s", got)
			}
			w = startJS(t, app.engine, entry, "RIP_RELOAD=none")
			if got := w.files(); len(got) != 0 {
				t.Errorf("without reloading: %s", got)
			}
		})
	}
}
