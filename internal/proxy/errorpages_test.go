package proxy_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// pages has a rig answer errors with these pages.
func pages(t testing.TB, all map[string]string) func(*proxy.Options) {
	return func(o *proxy.Options) {
		dir := t.TempDir()
		for name, text := range all {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		o.Config.Proxy.ErrorPages = dir
		o.Config.Queue.Size = 0
		var err error
		if o.Files, err = proxy.OpenFiles(o.Config); err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrorPages(t *testing.T) {
	r := newRig(t, pages(t, map[string]string{
		"503.html": "<h1>{status} {reason}</h1>{request-id}", "4xx.html": "client {status}", "error.html": "any", "maintenance.html": "later", "503.json": `{"s":{status},"r":"{reason}"}`, "logo.png": "x",
	}))
	for _, q := range []struct {
		request string
		status  int
		kind    string
		body    string
	}{
		{"GET / HTTP/1.1\r\nHost: test\r\n\r\n", 503, "text/html; charset=utf-8", "<h1>503 Service Unavailable</h1>ID"},
		{"GET / HTTP/1.1\r\nHost: test\r\nAccept: application/json\r\n\r\n", 503, "application/json", `{"s":503,"r":"Service Unavailable"}`},
		{"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n", 503, "text/html; charset=utf-8", ""},
		{"GET / HTTP/1.1\r\nBad Field: x\r\n\r\n", 400, "text/html; charset=utf-8", "client 400"},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501, "text/html; charset=utf-8", "any"},
		{"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 999999999\r\n\r\n", 413, "text/html; charset=utf-8", "client 413"},
	} {
		c := r.dial()
		c.write(q.request)
		method, _, _ := strings.Cut(q.request, " ")
		res, body := c.read(method)
		want := strings.ReplaceAll(q.body, "ID", res.Header.Get("X-Request-Id"))
		if res.StatusCode != q.status || res.Header.Get("Content-Type") != q.kind || body != want || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d %q %v", q.request, res.StatusCode, body, res.Header)
		}
		if q.status == 503 && res.Header.Get("Retry-After") == "" {
			t.Errorf("%q: no Retry-After", q.request)
		}
	}
	// What a worker answers is the worker's, and the status page is no error's.
	r.worker(handler(func(*http.Request) string {
		return "HTTP/1.1 503 Later\r\nContent-Length: 4\r\n\r\nmine"
	}))
	testkit.Eventually(t, testkit.Timeout, func() bool { // nothing can wait until its slot does
		res, body := r.dial().fetch("GET", "/")
		return res.StatusCode == 503 && body == "mine"
	}, "the worker's own 503")
	r.dial().get("/status", 200, "healthy")
	// Without pages of its own JSON says the same in ripd's words.
	r = newRig(t, pages(t, map[string]string{"4xx.html": "x"}))
	if res, body := r.dial().fetch("GET", "/", "Accept: application/json"); res.StatusCode != 503 || !strings.Contains(body, `"detail":"the server is busy`) && !strings.Contains(body, `"detail":"the application is not running"`) {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	r.dial().get("/", 503, "503 Service Unavailable: ")
}

func TestErrorPagesThatAreWrong(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"50x.html": "the name of a page is", "200.html": "the name of a page is", "503.html": "more than 64 KB", "5xx.json": "not a regular file"} {
		full := filepath.Join(dir, name)
		var err error
		if name == "5xx.json" {
			err = os.Mkdir(full, 0o755)
		} else {
			err = os.WriteFile(full, make([]byte, 64<<10+1), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		c := &config.Config{}
		c.Proxy.ErrorPages = dir
		if _, err := proxy.OpenFiles(c); err == nil || !strings.Contains(err.Error(), full) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.RemoveAll(full); err != nil {
			t.Fatal(err)
		}
	}
	c := &config.Config{}
	c.Proxy.ErrorPages = dir + "/none"
	if _, err := proxy.OpenFiles(c); err == nil {
		t.Error("a folder that is not there was read")
	}
}

// In maintenance nobody waits: those who did get the page, those who come get it at
// once. The status page and files are served.
func TestMaintenance(t *testing.T) {
	with := pages(t, map[string]string{"maintenance.html": "later {status}"})
	r := newRig(t, func(o *proxy.Options) {
		o.Config.Static.Root = site(t)
		with(o)
		o.Config.Queue.Size = 8
	})
	w := r.worker(handler(echo))
	if err := r.server.Pool().Drain(w); err != nil {
		t.Fatal(err)
	}
	waiting := r.dial()
	waiting.write("GET /waits HTTP/1.1\r\nHost: test\r\n\r\n")
	testkit.Eventually(t, testkit.Timeout, func() bool { return queued(r.server.Pool(), r) == 1 })
	r.server.Maintain(true)
	if res, body := waiting.read("GET"); res.StatusCode != 503 || body != "later 503" || res.Header.Get("Retry-After") != "60" {
		t.Errorf("%d %q %v", res.StatusCode, body, res.Header)
	}
	c := r.dial()
	c.get("/", 503, "later 503")
	c.get("/status", 200, "healthy")
	c.get("/a.txt", 200, "hello")
	if !r.server.Maintained() {
		t.Error("it is not maintained")
	}
	r.server.Maintain(false)
	if err := r.server.Pool().Resume(w); err != nil {
		t.Fatal(err)
	}
	c.get("/app", 200, "GET /app")
	// Without a page of its own it says so in a line.
	r = newRig(t, nil)
	r.server.Maintain(true)
	r.dial().get("/", 503, "the application is being worked on")
}

func queued(p *pool.Pool, r *rig) int { return p.Snapshot(r.server.Now()).QueueLength }
