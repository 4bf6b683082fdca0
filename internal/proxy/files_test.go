package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// big is the content of a file that does not fit into a socket's buffers at once.
var big = bytes.Repeat([]byte("0123456789abcdef"), 1<<18)

// site writes files, and returns their folder.
func site(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.txt": "hello", "empty.txt": "", "index.html": "<p>home", "sub/index.html": "<p>sub", "b.css": "plain", "b.css.gz": "gzipped", "assets/x-1.js": "js",
		".env": "SECRET", "mid.txt": string(big[:100<<10]), "big.bin": string(big),
	} {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// hugeSize is more than sockets' buffers take.
const hugeSize = 64 << 20

// huge makes a file with a hole instead of content.
func huge(t testing.TB, root string) (name string) {
	t.Helper()
	name = filepath.Join(root, "huge.bin")
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, hugeSize); err != nil {
		t.Fatal(err)
	}
	return name
}

// files has a rig serve the folder.
func files(t testing.TB, root string, change func(*config.Config)) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Config.Static = config.Static{Root: root, Index: "index.html", Precompressed: true, CacheControl: "no-cache", Immutable: []string{"/assets/"}}
		if change != nil {
			change(o.Config)
		}
		var err error
		if o.Files, err = proxy.OpenFiles(o.Config); err != nil {
			t.Fatal(err)
		}
	}
}

// fetch sends a request with fields and reads its answer.
func (c *client) fetch(method, path string, fields ...string) (*http.Response, string) {
	c.t.Helper()
	c.write(method + " " + path + " HTTP/1.1\r\nHost: test\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n")
	return c.read(method)
}

// Files are served while there is no worker, and everything else waits for one or goes
// to the app; over TLS it is the same.
func TestFiles(t *testing.T) {
	for name, start := range map[string]func(testing.TB, func(*proxy.Options)) *rig{"plain": newRig, "tls": newSecureRig} {
		t.Run(name, func(t *testing.T) {
			r := start(t, files(t, site(t), func(c *config.Config) { c.TLS.HSTS = "max-age=5" }))
			c := r.dial()
			for path, want := range map[string]string{
				"/a.txt": "hello", "/a.txt?v=1": "hello", "/empty.txt": "", "/": "<p>home", "/sub/": "<p>sub", "/mid.txt": string(big[:100<<10]), "/big.bin": string(big), "http://test/a.txt": "hello",
			} {
				res, body := c.fetch("GET", path)
				if res.StatusCode != 200 || body != want || res.ContentLength != int64(len(want)) {
					t.Fatalf("GET %s: %d, %d bytes of %d", path, res.StatusCode, len(body), res.ContentLength)
				}
				for _, field := range []string{"Etag", "Last-Modified", "Date", "X-Request-Id", "Content-Type"} {
					if res.Header.Get(field) == "" {
						t.Errorf("GET %s: no %s", path, field)
					}
				}
				if res.Header.Get("Accept-Ranges") != "bytes" || res.Header.Get("Cache-Control") != "no-cache" || (res.Header.Get("Strict-Transport-Security") != "") != (name == "tls") {
					t.Errorf("GET %s: %v", path, res.Header)
				}
				res, body = c.fetch("HEAD", path)
				if res.StatusCode != 200 || body != "" || res.ContentLength != int64(len(want)) {
					t.Fatalf("HEAD %s: %d %q %d", path, res.StatusCode, body, res.ContentLength)
				}
			}
			r.worker(handler(func(req *http.Request) string { return ok("app " + req.Method + " " + req.RequestURI) }))
			for _, request := range []string{"GET /none.txt", "GET /sub", "GET /.env", "GET /%2eenv", "POST /a.txt", "OPTIONS /a.txt", "GET /a.txt/", "GET //a.txt", "GET /sub/../a.txt", "GET /sub%2f..%2fa.txt"} {
				method, path, _ := strings.Cut(request, " ")
				if _, body := c.fetch(method, path); body != "app "+request {
					t.Errorf("%s: %q, want the app's answer", request, body)
				}
			}
		})
	}
}

func TestFileFields(t *testing.T) {
	root := site(t)
	r := newRig(t, files(t, root, nil))
	c := r.dial()
	res, body := c.fetch("GET", "/b.css", "Accept-Encoding: gzip")
	if body != "gzipped" || res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Vary") != "Accept-Encoding" || res.Header.Get("Content-Type") != "text/css; charset=utf-8" || res.ContentLength != 7 {
		t.Errorf("%q %v", body, res.Header)
	}
	if res, body = c.fetch("GET", "/b.css"); body != "plain" || res.Header.Get("Vary") != "Accept-Encoding" || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("%q %v", body, res.Header)
	}
	if res, body = c.fetch("HEAD", "/b.css", "Accept-Encoding: gzip"); res.ContentLength != 7 {
		t.Errorf("%q %v", body, res.Header)
	}
	if res, _ = c.fetch("GET", "/assets/x-1.js"); res.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%v", res.Header)
	}
	// Who works on the files always gets what is there.
	r = newRig(t, files(t, root, func(c *config.Config) { c.Reload.Mode = config.ModeProcess }))
	if res, _ = r.dial().fetch("GET", "/assets/x-1.js"); res.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%v", res.Header)
	}
}

// RFC 9110 sections 13 and 14.
func TestFileConditionsAndRanges(t *testing.T) {
	root := site(t)
	c := newRig(t, files(t, root, nil)).dial()
	res, _ := c.fetch("GET", "/a.txt")
	tag, modified := res.Header.Get("Etag"), res.Header.Get("Last-Modified")
	for _, q := range []struct {
		path, fields string
		status       int
		body, ranged string
	}{
		{"/a.txt", "If-None-Match: " + tag, 304, "", ""},
		{"/a.txt", "If-None-Match: \"x\", " + tag, 304, "", ""},
		{"/a.txt", "If-None-Match: \"x\"\r\nIf-None-Match: " + tag, 304, "", ""},
		{"/a.txt", "If-None-Match: W/" + tag, 304, "", ""},
		{"/a.txt", "If-None-Match: *", 304, "", ""},
		{"/a.txt", "If-None-Match: \"x\"", 200, "hello", ""},
		{"/a.txt", "If-Modified-Since: " + modified, 304, "", ""},
		{"/a.txt", "If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT", 200, "hello", ""},
		{"/a.txt", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT", 412, "412 Precondition Failed\n", ""},
		{"/a.txt", "If-Match: \"x\"", 412, "412 Precondition Failed\n", ""},
		{"/a.txt", "If-Match: " + tag, 200, "hello", ""},
		{"/a.txt", "Range: bytes=1-3", 206, "ell", "bytes 1-3/5"},
		{"/a.txt", "Range: bytes=-2", 206, "lo", "bytes 3-4/5"},
		{"/a.txt", "Range: bytes=3-99", 206, "lo", "bytes 3-4/5"},
		{"/a.txt", "Range: bytes=9-", 416, "416 Range Not Satisfiable\n", "bytes */5"},
		{"/a.txt", "Range: bytes=x", 416, "416 Range Not Satisfiable\n", ""},
		{"/a.txt", "Range: BYTES=1-3", 206, "ell", "bytes 1-3/5"},
		{"/a.txt", "Range: lines=1", 200, "hello", ""},
		{"/a.txt", "Range: ", 200, "hello", ""},
		{"/a.txt", "Range: bytes=1-3\r\nIf-Range: \"x\"", 200, "hello", ""},
		{"/a.txt", "Range: bytes=1-3\r\nIf-Range: " + tag, 206, "ell", "bytes 1-3/5"},
		{"/a.txt", "Range: bytes=0-4,0-4", 200, "hello", ""},
		{"/a.txt", "Range: bytes=" + strings.Repeat("0-0,", 64) + "1-1", 200, "hello", ""},
		{"/empty.txt", "Range: bytes=0-", 200, "", ""},
		{"/big.bin", fmt.Sprintf("Range: bytes=%d-", len(big)-5), 206, "bcdef", fmt.Sprintf("bytes %d-%d/%d", len(big)-5, len(big)-1, len(big))},
		{"/big.bin", "Range: bytes=16-", 206, string(big[16:]), fmt.Sprintf("bytes 16-%d/%d", len(big)-1, len(big))},
		{"/big.bin", "If-None-Match: *", 304, "", ""},
	} {
		res, body := c.fetch("GET", q.path, strings.Split(q.fields, "\r\n")...)
		if res.StatusCode != q.status || body != q.body || res.Header.Get("Content-Range") != q.ranged {
			t.Errorf("%s %s: %d, %d bytes, %q", q.path, q.fields, res.StatusCode, len(body), res.Header.Get("Content-Range"))
		}
		if q.status == 304 && (res.Header.Get("Etag") == "" || res.Header.Get("Content-Length") != "" || res.Header.Get("Cache-Control") != "no-cache") {
			t.Errorf("%s %s: %v", q.path, q.fields, res.Header)
		}
	}
	for _, ranges := range []string{"bytes=1-3", "bytes=9-", "bytes=x"} { // they are for GET alone
		if res, _ := c.fetch("HEAD", "/a.txt", "Range: "+ranges); res.StatusCode != 200 || res.ContentLength != 5 || res.Header.Get("Content-Range") != "" {
			t.Errorf("HEAD with %s: %d %v", ranges, res.StatusCode, res.Header)
		}
	}
}

func TestFileParts(t *testing.T) {
	for name, start := range map[string]func(testing.TB, func(*proxy.Options)) *rig{"plain": newRig, "tls": newSecureRig} {
		t.Run(name, func(t *testing.T) {
			c := start(t, files(t, site(t), nil)).dial()
			for path, parts := range map[string][]string{"/a.txt": {"he", "o"}, "/big.bin": {string(big[:2]), string(big[4 : 1<<20])}} {
				ranges := "bytes=0-1,4-4"
				if path == "/big.bin" {
					ranges = fmt.Sprintf("bytes=0-1,4-%d", 1<<20-1)
				}
				res, body := c.fetch("GET", path, "Range: "+ranges)
				kind, about, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
				if res.StatusCode != 206 || err != nil || kind != "multipart/byteranges" {
					t.Fatalf("%s: %d %v %v", path, res.StatusCode, res.Header, err)
				}
				m := multipart.NewReader(strings.NewReader(body), about["boundary"])
				for _, want := range parts {
					p, err := m.NextPart()
					if err != nil {
						t.Fatal(err)
					}
					if got, err := io.ReadAll(p); err != nil || string(got) != want {
						t.Errorf("%s: a part of %d bytes, %v; want %d", path, len(got), err, len(want))
					}
				}
			}
			c.get("/a.txt", 200, "hello")
		})
	}
}

// Requests that were sent at once are answered in their order, with files and without;
// a body that nobody wants does not become the next request.
func TestFilesArePipelined(t *testing.T) {
	r := newRig(t, files(t, site(t), nil))
	r.worker(handler(echo))
	c := r.dial()
	c.write("GET /a.txt HTTP/1.1\r\nHost: test\r\n\r\nGET /mid.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nGET /" +
		"GET /app HTTP/1.1\r\nHost: test\r\n\r\nGET /sub/ HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /big.bin HTTP/1.1\r\nHost: test\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	for _, want := range []string{"hello", string(big[:100<<10]), "GET /app ", "<p>sub", string(big)} {
		if _, body := c.read("GET"); body != want {
			t.Fatalf("%d bytes, want %d", len(body), len(want))
		}
	}
	if res, _ := c.read("HEAD"); !res.Close {
		t.Error("the last answer does not close")
	}
	c.ends()
	// A body that is passed on as it comes is not waited for.
	r = newRig(t, files(t, site(t), func(c *config.Config) { c.Proxy.RequestBuffering = false }))
	c = r.dial()
	c.write("GET /a.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nGET / HTTP/1.1\r\n")
	if res, body := c.read("GET"); body != "hello" || !res.Close {
		t.Errorf("%q, closes: %v", body, res.Close)
	}
	c.ends()
}

func TestFilesInHTTP10(t *testing.T) {
	r := newRig(t, files(t, site(t), nil))
	c := r.dial()
	c.write("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if res, body := c.read("GET"); body != "hello" || res.Header.Get("Connection") != "keep-alive" {
		t.Errorf("%q %v", body, res.Header)
	}
	c.write("GET /big.bin HTTP/1.0\r\n\r\n")
	if res, body := c.read("GET"); body != string(big) || !res.Close {
		t.Errorf("%d bytes %v", len(body), res.Header)
	}
	c.ends()
}

// A client that reads slowly holds nobody else up; one that reads nothing is cut off.
func TestFileForSlowReader(t *testing.T) {
	for name, start := range map[string]func(testing.TB, func(*proxy.Options)) *rig{"plain": newRig, "tls": newSecureRig} {
		t.Run(name, func(t *testing.T) {
			root := site(t)
			huge(t, root)
			r := start(t, files(t, root, func(c *config.Config) { c.Timeouts.ClientWrite = time.Second }))
			slow := r.dial()
			slow.write("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n")
			for range 20 {
				r.dial().get("/a.txt", 200, "hello")
			}
			if _, body := slow.read("GET"); body != string(big) {
				t.Fatalf("%d bytes", len(body))
			}
			slow.write("GET /huge.bin HTTP/1.1\r\nHost: test\r\n\r\n")
			testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 20 }, "the connection of a client that takes nothing is still open")
		})
	}
}

// A client that goes in the middle is no error of anybody's.
func TestFileForClientThatLeaves(t *testing.T) {
	r := newRig(t, files(t, site(t), nil))
	for range 20 {
		c := r.dial()
		c.write("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n")
		if _, err := io.ReadFull(c.br, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 }, "connections are left")
	// One that ends its side alone gets what it has asked for.
	c := r.dial()
	c.write("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n")
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, body := c.read("GET"); body != string(big) {
		t.Errorf("%d bytes", len(body))
	}
	c.ends()
}

// A file that becomes shorter while it is sent must not look whole.
func TestFileIsCut(t *testing.T) {
	root := site(t)
	r := newRig(t, files(t, root, nil))
	c := r.dial()
	name := huge(t, root)
	c.write("GET /huge.bin HTTP/1.1\r\nHost: test\r\n\r\n")
	if _, err := c.br.Peek(1); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 1000); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err != io.ErrUnexpectedEOF || n == hugeSize {
		t.Errorf("%d bytes of %d, and %v", n, res.ContentLength, err)
	}
}

// With a stop, files that are being sent are sent to their end.
func TestFilesInAStop(t *testing.T) {
	r := newRig(t, files(t, site(t), nil))
	c := r.dial()
	c.write("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n")
	if _, err := c.br.Peek(1); err != nil {
		t.Fatal(err)
	}
	report := make(chan proxy.StopReport, 1)
	go func() { report <- r.stop(10 * time.Second) }()
	if _, body := c.read("GET"); body != string(big) {
		t.Errorf("%d bytes", len(body))
	}
	if got := testkit.Receive(t, testkit.Timeout, report); got.Cut != 0 {
		t.Errorf("%+v", got)
	}
}

// Files that come, change and go are so for the next request.
func TestFilesAreFresh(t *testing.T) {
	root := site(t)
	r := newRig(t, files(t, root, nil))
	r.worker(handler(echo))
	c := r.dial()
	name := filepath.Join(root, "new.txt")
	for i := range 50 {
		c.get("/new.txt", 200, "GET /new.txt")
		for _, text := range []string{"one", "two"} {
			text = fmt.Sprint(text, i)
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			c.get("/new.txt", 200, text)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// Another folder is in force for the next request; a line tells of a file that it was
// no worker's.
func TestUseFiles(t *testing.T) {
	lines := testkit.Output{}
	var o proxy.Options
	r := newRig(t, func(in *proxy.Options) {
		in.Access = journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: &lines, App: "test"})
		o = *in
	})
	t.Cleanup(func() { _ = o.Access.Close() })
	r.worker(handler(echo))
	c := r.dial()
	c.get("/a.txt", 200, "GET /a.txt")
	files(t, site(t), nil)(&o)
	r.server.UseFiles(o.Files)
	c.get("/a.txt", 200, "hello")
	lines.WaitFor(t, testkit.Timeout, `"bytes_out":5,"worker":0,"generation":0`)
	lines.WaitFor(t, testkit.Timeout, `"cause":"static"`)
	root := o.Config.Static.Root
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "out.txt")); err != nil {
		t.Fatal(err)
	}
	c.get("/out.txt", 200, "GET /out.txt")
}
