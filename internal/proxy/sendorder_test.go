package proxy_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// orders has a rig send files of the folder that workers name.
func orders(t testing.TB, root string, lines *testkit.Output) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Config.Static = config.Static{Sendfile: []string{root}, Accel: config.Accel{"/p/": root}}
		if lines != nil {
			o.Log = slog.New(slog.NewTextHandler(lines, nil))
			o.Access = journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: lines, App: "test"})
			t.Cleanup(func() { _ = o.Access.Close() })
		}
		var err error
		if o.Files, err = proxy.OpenFiles(o.Config); err != nil {
			t.Fatal(err)
		}
	}
}

// naming is a worker whose answers have the fields of the request's X-Answer.
func naming(root string) func(net.Conn) {
	return handler(func(req *http.Request) string {
		head := strings.ReplaceAll(strings.ReplaceAll(req.Header.Get("X-Answer"), "ROOT", root), "|", "\r\n")
		if head == "" {
			return ok(fmt.Sprint(req.Header["X-Sendfile-Type"], req.Header["X-Accel-Mapping"]))
		}
		status, fields, _ := strings.Cut(head, "\r\n")
		return "HTTP/1.1 " + status + "\r\n" + fields + "\r\n\r\n"
	})
}

func TestSendfile(t *testing.T) {
	for name, start := range map[string]func(testing.TB, func(*proxy.Options)) *rig{"plain": newRig, "tls": newSecureRig} {
		t.Run(name, func(t *testing.T) {
			root, lines := site(t), &testkit.Output{}
			r := start(t, orders(t, root, lines))
			r.worker(naming(root))
			c := r.dial()
			for _, q := range []struct {
				method, answer, fields string
				status                 int
				body                   string
			}{
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0", "", 200, "hello"},
				{"POST", "200 OK|x-sendfile: ROOT/a.txt|Content-Length: 0", "Range: bytes=0-1", 200, "hello"},
				{"HEAD", "200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0", "", 200, ""},
				{"GET", "200 OK|X-Accel-Redirect: /p/a.txt|Content-Length: 0", "", 200, "hello"},
				{"GET", "200 OK|X-Sendfile: ROOT/big.bin|Content-Length: 0", "", 200, string(big)},
				{"GET", "200 OK|X-Sendfile: ROOT/.env|Content-Length: 0", "Range: bytes=1-2", 206, "EC"},
				{"GET", "206 Partial|X-Sendfile: ROOT/a.txt|Content-Length: 0", "Range: bytes=1-2", 206, "el"},
				{"GET", "404 Not Found|X-Sendfile: ROOT/a.txt|Content-Length: 0", "Range: bytes=1-2", 404, "hello"},
				{"GET", "500 Oops|X-Sendfile: ROOT/mid.txt|Content-Length: 0", "", 500, string(big[:100<<10])},
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0", "If-None-Match: *", 304, ""},
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|ETag: \"mine\"|Content-Length: 0", "If-None-Match: \"mine\"", 304, ""},
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 3|\r\nabc", "", 200, "hello"},
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 5", "", 200, "hello"}, // and no body
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|Transfer-Encoding: chunked", "", 200, "hello"},
				{"GET", "200 OK|X-Sendfile: ROOT/a.txt|Connection: close", "", 200, "hello"},
				{"GET", "200 OK|X-Sendfile: ROOT/none|Content-Length: 0", "", 404, "404 Not Found: there is no such file\n"},
				{"GET", "200 OK|X-Sendfile: /etc/passwd|Content-Length: 0", "", 502, "502 Bad Gateway: the application named a file that is not to be sent\n"},
				{"GET", "200 OK|X-Accel-Redirect: /etc/passwd|Content-Length: 0", "", 502, "502 Bad Gateway: the application named a file that is not to be sent\n"},
				{"GET", "304 Not Modified|X-Sendfile: ROOT/a.txt", "", 304, ""},
			} {
				res, body := c.fetch(q.method, "/app", "X-Answer: "+strings.ReplaceAll(q.answer, "\r\n", "|"), q.fields)
				if res.StatusCode != q.status || body != q.body {
					t.Fatalf("%s %s %s: %d, %d bytes", q.method, q.answer, q.fields, res.StatusCode, len(body))
				}
				for field := range res.Header {
					if strings.HasPrefix(field, "X-") && field != "X-Request-Id" {
						t.Errorf("%s: the client got %s", q.answer, field)
					}
				}
			}
			for _, line := range []string{`"cause":"sendfile"`, `"cause":"file-refused"`, `"cause":"file-missing"`, "file=/etc/passwd", "setting=static.sendfile"} {
				lines.WaitFor(t, testkit.Timeout, line)
			}
		})
	}
}

// The worker's word goes before what ripd knows of the file.
func TestSendfileKeepsFields(t *testing.T) {
	root := site(t)
	r := newRig(t, orders(t, root, nil))
	r.worker(naming(root))
	c := r.dial()
	res, _ := c.fetch("GET", "/", "X-Answer: 200 OK|X-Sendfile: ROOT/a.txt|Content-Type: application/pdf|Content-Disposition: attachment|Cache-Control: private|Cache-Control: max-age=5|"+
		"Set-Cookie: a=1|Set-Cookie: b=2|Last-Modified: Mon, 01 Jan 2001 00:00:00 GMT|ETag: W/\"x\"|X-Gone: 1|Connection: X-Gone|Accept-Ranges: none|Content-Length: 0")
	for field, want := range map[string]string{
		"Content-Type": "[application/pdf]", "Content-Disposition": "[attachment]", "Cache-Control": "[private, max-age=5]", "Set-Cookie": "[a=1 b=2]",
		"Last-Modified": "[Mon, 01 Jan 2001 00:00:00 GMT]", "Etag": `[W/"x"]`, "X-Gone": "[]", "Accept-Ranges": "[bytes]", "Content-Length": "[5]",
	} {
		if got := fmt.Sprint(res.Header[field]); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	res, _ = c.fetch("GET", "/", "X-Answer: 200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0")
	if res.Header.Get("Content-Type") != "text/plain; charset=utf-8" || res.Header.Get("Etag") == "" || res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v", res.Header)
	}
}

// Workers are told how they may name files, by ripd alone; without folders nothing is
// sent, and nothing given away, unless a trusted proxy in front does it.
func TestSendfileIsTold(t *testing.T) {
	root := site(t)
	forged := []string{"X-Sendfile-Type: forged", "X_Sendfile_Type: forged", "X-Accel-Mapping: forged"}
	r := newRig(t, orders(t, root, nil))
	r.worker(naming(root))
	if _, body := r.dial().fetch("GET", "/", forged...); body != "[X-Sendfile] ["+root+"/=/p/]" {
		t.Errorf("got %q", body)
	}
	r = newRig(t, nil)
	r.worker(naming(root))
	c := r.dial()
	if _, body := c.fetch("GET", "/", forged...); body != "[] []" {
		t.Errorf("got %q", body)
	}
	if res, body := c.fetch("GET", "/", "X-Answer: 200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0"); res.StatusCode != 502 || strings.Contains(body, root) || res.Header.Get("X-Sendfile") != "" {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
	r = newRig(t, func(o *proxy.Options) {
		o.Config.Proxy.Trusted.Networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	r.worker(naming(root))
	if res, _ := r.dial().fetch("GET", "/", "X-Answer: 200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0"); res.StatusCode != 200 || res.Header.Get("X-Sendfile") != root+"/a.txt" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// The lease ends before the file is sent: a slow client holds no worker.
func TestSendfileForSlowReader(t *testing.T) {
	root := site(t)
	huge(t, root)
	r := newRig(t, orders(t, root, nil))
	r.worker(naming(root))
	for range 5 {
		r.dial().write("GET / HTTP/1.1\r\nHost: test\r\nX-Answer: 200 OK|X-Sendfile: ROOT/huge.bin|Content-Length: 0\r\n\r\n")
	}
	for range 20 {
		if _, body := r.dial().fetch("GET", "/", "X-Answer: 200 OK|X-Sendfile: ROOT/a.txt|Content-Length: 0"); body != "hello" {
			t.Fatalf("%q", body)
		}
	}
	if got := r.server.Stats().Connections; got != 25 {
		t.Errorf("%d connections", got)
	}
	if err := os.Remove(filepath.Join(root, "huge.bin")); err != nil {
		t.Fatal(err)
	}
}
