package proxy_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/proxy"
)

// An answer that net/http has not decided about is what it would have decided:
// conditions that say nothing ask for the whole file, too.
func TestWholeFileIsWhatNetHTTPSays(t *testing.T) {
	root := site(t)
	if err := os.Chtimes(filepath.Join(root, "sub/index.html"), time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	for name, start := range map[string]func(testing.TB, func(*proxy.Options)) *rig{"plain": newRig, "tls": newSecureRig} {
		t.Run(name, func(t *testing.T) {
			c := start(t, files(t, root, func(c *config.Config) { c.TLS.HSTS = "max-age=5" })).dial()
			for _, path := range []string{"/a.txt", "/empty.txt", "/sub/", "/b.css", "/assets/x-1.js", "/mid.txt", "/big.bin"} {
				for _, method := range []string{"GET", "HEAD"} {
					for _, condition := range []string{"If-None-Match: \"x\"", "iF-Modified-Since: never", "iF-Unmodified-Since: never"} {
						const accept = "Accept-Encoding: gzip"
						want, wantBody := c.fetch(method, path, accept, condition)
						got, body := c.fetch(method, path, accept)
						for _, h := range []map[string][]string{want.Header, got.Header} {
							delete(h, "Date")
							delete(h, "X-Request-Id")
						}
						same := maps.EqualFunc(want.Header, got.Header, func(a, b []string) bool { return len(a) == 1 && len(b) == 1 && a[0] == b[0] })
						if !same || body != wantBody || got.StatusCode != want.StatusCode || got.ContentLength != want.ContentLength {
							t.Errorf("%s %s: %d %v, %d bytes; with %q %d %v, %d bytes", method, path, got.StatusCode, got.Header, len(body), condition, want.StatusCode, want.Header, len(wantBody))
						}
					}
				}
			}
		})
	}
}

// What conditions and ranges of a file end in has the pages of other errors.
func TestErrorPagesOfFiles(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "4xx.html"), []byte("{status} {reason}"), 0o644); err != nil {
			t.Fatal(err)
		}
		files(t, site(t), func(c *config.Config) { c.Proxy.ErrorPages = dir })(o)
	})
	c := r.dial()
	for _, q := range []struct {
		accept, kind, body string
	}{
		{"text/html", "text/html; charset=utf-8", "416 Range Not Satisfiable"},
		{"application/json", "application/json", `{"detail":"","reason":"Range Not Satisfiable","requestId":"ID","status":416}` + "\n"},
	} {
		res, body := c.fetch("GET", "/a.txt", "Range: bytes=9-", "Accept: "+q.accept)
		want := strings.ReplaceAll(q.body, "ID", res.Header.Get("X-Request-Id"))
		if res.StatusCode != 416 || res.Header.Get("Content-Type") != q.kind || body != want || res.Header.Get("Content-Range") != "bytes */5" {
			t.Errorf("%s: %d %v %q, not %q", q.accept, res.StatusCode, res.Header, body, want)
		}
	}
	if res, body := c.fetch("GET", "/a.txt", "If-Match: \"x\""); res.StatusCode != 412 || body != "412 Precondition Failed" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}
