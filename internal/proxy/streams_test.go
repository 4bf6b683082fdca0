package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// browser is a client of HTTP/2 that keeps to its rules: that of net/http.
func (r *rig) browser() *http.Client {
	r.t.Helper()
	only := new(http.Protocols)
	only.SetHTTP2(true)
	tr := &http.Transport{
		Protocols: only, TLSClientConfig: r.cert.Client("test.example"),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", r.addr)
		},
	}
	r.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// fetch sends a request and wants the status and a body with part in it.
func (r *rig) fetch(c *http.Client, method, path string, body io.Reader, status int, part string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequest(method, "https://test.example"+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := c.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v after %d bytes", method, path, err, len(b))
	}
	if res.ProtoMajor != 2 || res.StatusCode != status || !strings.Contains(string(b), part) {
		r.t.Fatalf("%s %s: got %s %d %q, want %d with %q", method, path, res.Proto, res.StatusCode, b[:min(len(b), 200)], status, part)
	}
	return res
}

func TestStreams(t *testing.T) {
	r := newSecureRig(t, nil)
	var heads sync.Map
	r.worker(handler(func(req *http.Request) string {
		heads.Store(req.URL.Path, req.Header.Clone())
		if req.Method == "HEAD" {
			return "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
		}
		return echo(req)
	}))
	c := r.browser()
	res := r.fetch(c, "GET", "/first?x=1", nil, 200, "GET /first?x=1")
	if res.Header.Get("X-Request-Id") == "" || res.Header.Get("Date") == "" || res.Header.Get("Connection") != "" || res.ContentLength < 0 {
		t.Errorf("the answer has %v", res.Header)
	}
	r.fetch(c, "POST", "/short", strings.NewReader("hello"), 200, "POST /short hello")
	r.fetch(c, "POST", "/unknown", io.MultiReader(strings.NewReader("length")), 200, "POST /unknown length")
	if res := r.fetch(c, "HEAD", "/head", nil, 200, ""); res.ContentLength != 7 {
		t.Errorf("the answer to HEAD says %d bytes", res.ContentLength)
	}
	r.fetch(c, "GET", "/status", nil, 200, `"healthy"`)
	v, _ := heads.Load("/first")
	if h := v.(http.Header); h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-For") != "127.0.0.1" || h.Get("X-Forwarded-Host") != "test.example" {
		t.Errorf("the worker got %v", h)
	}
	st := r.server.Stats()
	if st.Connections != 1 || st.HTTP2 != 1 {
		t.Errorf("%+v", st)
	}
}

// Bodies that are larger than every window and buffer arrive whole, both ways.
func TestStreamsCarryLargeBodies(t *testing.T) {
	for _, buffering := range []bool{true, false} {
		t.Run(fmt.Sprintf("buffering=%v", buffering), func(t *testing.T) {
			r := newSecureRig(t, func(o *proxy.Options) { o.Config.Proxy.RequestBuffering = buffering })
			r.worker(handler(echo))
			r.worker(handler(echo))
			body := make([]byte, 3<<20)
			_, _ = rand.Read(body)
			c := r.browser()
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					var in io.Reader = bytes.NewReader(body)
					if i%2 == 1 {
						in = io.MultiReader(in)
					}
					req, _ := http.NewRequest("PUT", "https://test.example/large", in)
					res, err := c.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					defer res.Body.Close()
					b, err := io.ReadAll(res.Body)
					if err != nil || !bytes.Equal(b, append([]byte("PUT /large "), body...)) {
						t.Errorf("%d bytes came back, %v", len(b), err)
					}
				}()
			}
			wg.Wait()
		})
	}
}

// What a worker sends piece by piece comes piece by piece, and its trailers at the end.
func TestStreamsPassPiecesAndTrailersOn(t *testing.T) {
	r := newSecureRig(t, nil)
	next := make(chan string)
	r.worker(func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		_ = req.Body.Close()
		fmt.Fprint(c, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
		for s := range next {
			fmt.Fprintf(c, "%x\r\n%s\r\n", len(s), s)
		}
		fmt.Fprint(c, "0\r\nX-Sum: 42\r\n\r\n")
	})
	req, _ := http.NewRequest("GET", "https://test.example/events", nil)
	req.Header.Set("TE", "trailers")
	res, err := r.browser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b := make([]byte, 100)
	for _, s := range []string{"one", "two", "three"} {
		next <- s
		if n, err := io.ReadFull(res.Body, b[:len(s)]); err != nil || string(b[:n]) != s {
			t.Fatalf("got %q, %v", b[:n], err)
		}
	}
	close(next)
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Fatalf("at the end %q, %v", rest, err)
	}
	if got := res.Trailer.Get("X-Sum"); got != "42" {
		t.Errorf("trailers %v", res.Trailer)
	}
}

// tls.http2 = false takes it back for new connections.
func TestStreamsAreASetting(t *testing.T) {
	r := newSecureRig(t, func(o *proxy.Options) { o.Config.TLS.HTTP2 = false })
	offers := func() string {
		cfg := r.cert.Client("test.example")
		cfg.NextProtos = []string{"h2", "http/1.1"}
		c, err := tls.Dial("tcp", r.addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().NegotiatedProtocol
	}
	if p := offers(); p != "http/1.1" {
		t.Errorf("without the setting: %s", p)
	}
	on := settings()
	r.server.Configure(on)
	if p := offers(); p != "h2" {
		t.Errorf("with it: %s", p)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 })
}

// Files that ripd sends by itself, and answers that it compresses, go to streams, too.
func TestStreamsOfFilesAndCompressedAnswers(t *testing.T) {
	dir := t.TempDir()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(filepath.Join(dir, "large.txt"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newSecureRig(t, func(o *proxy.Options) {
		files(t, dir, nil)(o)
		o.Config.Compression = config.Compression{Codings: []string{"gzip"}, Level: 4, MinSize: 100, Types: []string{"text/*"}, Streams: 8}
	})
	r.worker(handler(func(*http.Request) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(large), large)
	}))
	c := r.browser() // which asks for gzip, and decodes it
	for _, path := range []string{"/large.txt", "/of-a-worker"} {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				res, err := c.Get("https://test.example" + path)
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				b, err := io.ReadAll(res.Body)
				if err != nil || !bytes.Equal(b, large) {
					t.Errorf("%s: %d bytes, %v", path, len(b), err)
				}
				if path == "/of-a-worker" && !res.Uncompressed {
					t.Error("the answer was not compressed")
				}
			})
		}
		wg.Wait()
	}
	if leases := r.server.Pool().Snapshot(r.server.Now()).Counts.Leases; leases != 4 {
		t.Errorf("%d leases", leases)
	}
}
