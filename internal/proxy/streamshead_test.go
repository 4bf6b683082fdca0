package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"ripd/internal/proxy"
)

// What ripd answers in its workers' place has the site's pages, in the form that the client
// asks for, over HTTP/2 as over HTTP/1.
func TestErrorPagesOfStreams(t *testing.T) {
	all := map[string]string{"503.html": "<h1>{status} {reason}</h1>{request-id}", "4xx.html": "client {status}", "503.json": `{"s":{status}}`}
	own := newSecureRig(t, pages(t, all))
	plain := newSecureRig(t, pages(t, map[string]string{"404.html": "x"}))
	for _, q := range []struct {
		r            *rig
		method, path string
		accept       string
		body         io.Reader
		status       int
		kind         string
		want         string
	}{
		{own, "GET", "/", "", nil, 503, "text/html; charset=utf-8", "<h1>503 Service Unavailable</h1>ID"},
		{own, "GET", "/", "application/json", nil, 503, "application/json", `{"s":503}`},
		{own, "HEAD", "/", "", nil, 503, "text/html; charset=utf-8", ""},
		{own, "POST", "/", "", strings.NewReader(strings.Repeat("x", 9<<20)), 413, "text/html; charset=utf-8", "client 413"},
		{plain, "GET", "/", "", nil, 503, "text/plain; charset=utf-8", "503 Service Unavailable: "},
		{plain, "GET", "/", "application/json", nil, 503, "application/json", `"detail":"`},
	} {
		req, err := http.NewRequest(q.method, "https://test.example"+q.path, q.body)
		if err != nil {
			t.Fatal(err)
		}
		if q.accept != "" {
			req.Header.Set("Accept", q.accept)
		}
		res, err := q.r.browser().Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", q.method, q.accept, err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		want := strings.ReplaceAll(q.want, "ID", res.Header.Get("X-Request-Id"))
		if err != nil || res.ProtoMajor != 2 || res.StatusCode != q.status || res.Header.Get("Content-Type") != q.kind || !strings.Contains(string(text), want) || want == "" && len(text) > 0 {
			t.Errorf("%s %q: %s %d %q %v, %v", q.method, q.accept, res.Proto, res.StatusCode, text, res.Header, err)
		}
	}
}

// Redirects and proofs are free of limits.rate, over HTTP/2 as over HTTP/1.
func TestRateOfStreams(t *testing.T) {
	r := newSecureRig(t, func(o *proxy.Options) {
		slowly(o)
		loopback(o)
		o.Config.TLS.RedirectHTTP = true
		o.Proofs = func(_, path string) []byte {
			if strings.HasSuffix(path, "/token") {
				return []byte("proof")
			}
			return nil
		}
	})
	r.worker(handler(echo))
	c := r.browser()
	ask := func(path, proto string) int {
		req, _ := http.NewRequest("GET", "https://test.example"+path, nil)
		req.Header.Set("X-Forwarded-Proto", proto)
		res, err := c.Transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	var got []string
	for range 4 {
		got = append(got, fmt.Sprint(ask("/", "http"), ask("/.well-known/acme-challenge/token", "http")))
	}
	for range 4 {
		got = append(got, fmt.Sprint(ask("/", "https")))
	}
	if text := strings.Join(got, ","); text != "308 200,308 200,308 200,308 200,200,200,200,429" {
		t.Error(text)
	}
}

// Cookies that come as several fields are one for the worker (RFC 9113 section 8.2.3).
func TestStreamsOfCrumbs(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(func(req *http.Request) string {
		return ok(fmt.Sprintf("%d %s", len(req.Header["Cookie"]), req.Header.Get("Cookie")))
	}))
	f := r.frames()
	id := f.ask("GET", "/", false, "cookie", "a=1", "cookie", "b=2", "cookie", "c=3")
	if got := f.await(func(fr answerFrame) bool { return fr.StreamID == id && fr.data != "" }); got.data != "1 a=1; b=2; c=3" {
		t.Errorf("the worker got %q", got.data)
	}
}
