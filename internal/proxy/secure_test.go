package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// secureDial connects with the settings of a client.
func (r *rig) secureDial(settings *tls.Config) *tls.Conn {
	r.t.Helper()
	c, err := tls.Dial("tcp", r.addr, settings)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
	return c
}

func TestVersionsOfTLS(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(func(req *http.Request) string { return ok(req.Header.Get("X-Forwarded-Proto")) }))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		settings := r.cert.Client("test.example")
		settings.MaxVersion, settings.MinVersion = version, version
		settings.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for n := range 2 { // the second resumes the first's session
			c := r.secureDial(settings)
			(&client{t, c, bufio.NewReader(c)}).get("/", 200, "https")
			if got := c.ConnectionState(); got.Version != version || got.DidResume != (n == 1) {
				t.Errorf("%s: resumed %v", tls.VersionName(got.Version), got.DidResume)
			}
			c.Close()
		}
	}
	// The last one is counted after it was written.
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Answered == 4 }, "four answers")
}

// Connections end with the message that says so, which tells a whole answer
// without a length from one that was cut.
func TestEndsAreTold(t *testing.T) {
	for _, test := range []struct {
		name, request, answer, want string
		told                        bool
	}{
		{"the last answer", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", ok("x"), "Connection: close", true},
		{"an answer without a length", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nall of it", "all of it", true},
		{"a large one", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 8<<20) + "end", "xend", true},
		{"a part of an answer", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart", "part", false},
		{"a refusal", "GET / HTTP/1.1\r\n\r\n", "", "400 Bad Request", true},
		{"an idle connection", "", "", "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newSecureRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientIdle = 300 * time.Millisecond })
			r.worker(func(c net.Conn) {
				if _, err := readRequest(bufio.NewReader(c)); err == nil {
					io.WriteString(c, test.answer)
				}
			})
			plain, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer plain.Close()
			_ = plain.SetDeadline(time.Now().Add(testkit.Timeout))
			settings := r.cert.Client("test.example")
			settings.MaxVersion = tls.VersionTLS12 // in which the kinds of records can be seen
			tap := &recordTap{Conn: plain}
			c := tls.Client(tap, settings)
			if _, err := io.WriteString(c, test.request); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c)
			if test.told && err != nil || !strings.Contains(string(b), test.want) {
				t.Fatalf("%.200q %v", b, err)
			}
			const alert = 0x15
			if told := tap.last() == alert; told != test.told {
				t.Errorf("the end was told: %v", told)
			}
		})
	}
}

// recordTap keeps what a client has read.
type recordTap struct {
	net.Conn
	read []byte
}

func (t *recordTap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.read = append(t.read, b[:n]...)
	return n, err
}

// last gives the kind of the last record.
func (t *recordTap) last() (kind byte) {
	for b := t.read; len(b) >= 5; {
		kind = b[0]
		b = b[min(len(b), 5+int(b[3])<<8+int(b[4])):]
	}
	return kind
}

// A slow reader of a large answer holds no worker, and gets all of it.
func TestSlowReaderOverTLS(t *testing.T) {
	r := newSecureRig(t, nil)
	body := strings.Repeat("0123456789abcdef", 4<<20/16)
	r.worker(handler(func(req *http.Request) string {
		if req.URL.Path == "/large" {
			return ok(body)
		}
		return ok("small")
	}))
	slow := r.dial()
	slow.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Pool().Snapshot(r.server.Now()).Counts.Leases == 1 && r.inFlight() == 0 })
	r.dial().get("/", 200, "small")
	slow.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, got := slow.read("GET"); got != body {
		t.Fatalf("%d bytes", len(got))
	}
	if _, got := slow.read("GET"); got != "small" {
		t.Fatalf("%q", got)
	}
}

// Uploads and answers of all sizes around those of records and buffers.
func TestSizesOverTLS(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(echo))
	c := r.dial()
	for _, n := range []int{0, 1, 4000, 4096, 16<<10 - 1, 16 << 10, 16<<10 + 1, 64 << 10, 1 << 20} {
		body := strings.Repeat("x", n)
		c.write(fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", n, n, body))
		if _, got := c.read("POST"); got != fmt.Sprintf("POST /%d %s", n, body) {
			t.Fatalf("%d: %d bytes", n, len(got))
		}
	}
}

// A record and a request may be cut anywhere.
func TestByteByByteOverTLS(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(echo))
	plain, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	c := tls.Client(slowWriter{plain}, r.cert.Client("test.example"))
	cl := &client{t, c, bufio.NewReader(c)}
	for _, part := range []string{"GET /a HT", "TP/1.1\r\nHost: a\r\n", "\r\nPOST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12", "345GET /c HTTP/1.1\r\nHost: a\r\n\r\n"} {
		cl.write(part)
	}
	for _, want := range []string{"GET /a ", "POST /b 12345", "GET /c "} {
		if _, got := cl.read("GET"); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

// slowWriter sends one byte at a time.
type slowWriter struct{ net.Conn }

func (w slowWriter) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := w.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// Handshakes that come to nothing end, and are told once.
func TestHandshakesThatFail(t *testing.T) {
	var lines lockedBuffer
	r := newSecureRig(t, func(o *proxy.Options) {
		o.Config.Timeouts.ClientHeader = 300 * time.Millisecond
		o.Log = slog.New(slog.NewTextHandler(&lines, nil))
	})
	r.worker(handler(echo))
	for _, test := range []struct{ name, send, want string }{
		{"plain HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 Bad Request"},
		{"no TLS at all", "SSH-2.0-x\r\n", ""},
		{"an old version", "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01" + strings.Repeat("\x00", 32) + "\x00\x00\x02\x00\x2f\x01\x00", "\x15\x03"},
		{"nothing", "", ""},
		{"half a record", "\x16\x03\x01", ""},
	} {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		if _, err := io.WriteString(c, test.send); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(got), test.want) || test.want == "" && len(got) > 0 {
			t.Errorf("%s: %q %v", test.name, got, err)
		}
		c.Close()
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 })
	if n := strings.Count(lines.String(), "a TLS handshake failed"); n != 1 {
		t.Errorf("%d lines:\n%s", n, lines.String())
	}
	r.dial().get("/", 200, "GET /")
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A stop does not wait for handshakes that stand still.
func TestStopEndsHandshakes(t *testing.T) {
	r := newSecureRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientHeader = time.Hour })
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 1 })
	if report := r.stop(testkit.Timeout); report.Cut != 0 {
		t.Errorf("%+v", report)
	}
}

// What the app does not say of HTTPS alone, ripd does.
func TestStrictTransportSecurity(t *testing.T) {
	for _, secure := range []bool{true, false} {
		start := newRig
		if secure {
			start = newSecureRig
		}
		r := start(t, func(o *proxy.Options) { o.Config.TLS.HSTS = "max-age=5" })
		r.worker(handler(echo))
		c := r.dial()
		for _, path := range []string{"/", "/status"} {
			c.write("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
			res, _ := c.read("GET")
			if got := res.Header.Get("Strict-Transport-Security"); (got == "max-age=5") != secure {
				t.Errorf("%s, secure %v: %q", path, secure, got)
			}
		}
	}
}

func TestRedirectToHTTPS(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.TLS.RedirectHTTP = true })
	r.worker(handler(echo))
	cert := testkit.NewCertificate(t, t.TempDir(), "test", "test.example")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.server.ServeTLS(l, &tls.Config{Certificates: []tls.Certificate{cert.Pair}}) }()
	defer func() { r.stop(testkit.Timeout); <-served }()
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	c := r.dial()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		c.write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n")
		_, body := c.read("GET")
		return strings.Contains(body, `"https":`+port)
	})
	for _, test := range []struct{ request, location string }{
		{"GET /a%20b?c=d&e HTTP/1.1\r\nHost: shop.example\r\n", "https://shop.example:" + port + "/a%20b?c=d&e"},
		{"HEAD / HTTP/1.1\r\nHost: shop.example:80\r\n", "https://shop.example:" + port + "/"},
		{"GET http://shop.example/x HTTP/1.1\r\nHost: other\r\n", "https://shop.example:" + port + "/x"},
		{"GET / HTTP/1.1\r\nHost: [::1]:3080\r\n", "https://[::1]:" + port + "/"},
		{"GET / HTTP/1.1\r\nHost: [::1]\r\n", "https://[::1]:" + port + "/"},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n", "https://a:" + port + "/"},
		{"GET /.well-known/acme-challenge/x HTTP/1.1\r\nHost: a\r\n", ""},
		{"GET /status HTTP/1.1\r\nHost: a\r\n", ""},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", ""}, // who names no host cannot be sent to one
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n", "https://a:" + port + "/"},
	} {
		c.write(test.request + "\r\n")
		res, _ := c.read(strings.Fields(test.request)[0])
		if got := res.Header.Get("Location"); got != test.location || (res.StatusCode == 308) != (test.location != "") {
			t.Errorf("%q: %d %q", test.request, res.StatusCode, got)
		}
	}
	c.ends() // the body of the last one was not waited for
}

// What an authority asks for is answered before redirects and without a worker; all
// else below that path is the app's.
func TestProofs(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		o.Config.TLS.RedirectHTTP = true
		o.Proofs = func(host, path string) []byte {
			if host == "shop.example:80" && path == "/.well-known/acme-challenge/token" {
				return []byte("token.key")
			}
			return nil
		}
	})
	r.worker(handler(echo))
	defer r.stop(testkit.Timeout)
	c := r.dial()
	for _, test := range []struct {
		request string
		proof   bool
	}{
		{"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: shop.example:80\r\n", true},
		{"GET /.well-known/acme-challenge/token?a=b HTTP/1.1\r\nHost: shop.example:80\r\n", true},
		{"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: other.example:80\r\n", false},
		{"GET /.well-known/acme-challenge/other HTTP/1.1\r\nHost: shop.example:80\r\n", false},
		{"POST /.well-known/acme-challenge/token HTTP/1.1\r\nHost: shop.example:80\r\nContent-Length: 0\r\n", false},
		{"GET /.well-known/acme-challenge/token HTTP/1.0\r\nConnection: keep-alive\r\n", false},
		{"GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: shop.example:80\r\nContent-Length: 1\r\n", true}, // with its body left out: the connection ends
	} {
		c.write(test.request + "\r\n")
		res, body := c.read("GET")
		if res.StatusCode != 200 || (body == "token.key") != test.proof || test.proof && res.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%q: %d %q", test.request, res.StatusCode, body)
		}
	}
	c.ends()
}

// An authority that has found its proof in the handshake is done: nothing is served.
func TestProofInTheHandshake(t *testing.T) {
	cert := testkit.NewCertificate(t, t.TempDir(), "test", "test.example")
	r := newRig(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- r.server.ServeTLS(l, &tls.Config{Certificates: []tls.Certificate{cert.Pair}, NextProtos: []string{"acme-tls/1"}})
	}()
	defer func() { r.stop(testkit.Timeout); <-served }()
	settings := cert.Client("test.example")
	settings.NextProtos = []string{"acme-tls/1"}
	c, err := tls.Dial("tcp", l.Addr().String(), settings)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// The version of TLS is in the access log.
func TestAccessLineOverTLS(t *testing.T) {
	var lines lockedBuffer
	access := journal.NewAccessLog(journal.AccessOptions{Mode: "json", Out: &lines, App: "test"})
	r := newSecureRig(t, func(o *proxy.Options) { o.Access = access })
	r.worker(handler(echo))
	r.dial().get("/", 200, "GET /")
	r.stop(testkit.Timeout)
	if err := access.Close(); err != nil {
		t.Fatal(err)
	}
	if got := lines.String(); !strings.Contains(got, `"proto":"HTTP/1.1","tls":"1.3"`) {
		t.Error(got)
	}
}

// The common way of a request over TLS allocates what crypto/tls does for its reads,
// at both ends, and nothing else.
func TestSecureExchangeAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so that the buffers are allocated anew")
	}
	r := newSecureRig(t, nil)
	r.worker(plainWorker)
	p := newPinger(t, r.dial())
	const requests = 5000
	var before, after runtime.MemStats
	for _, count := range []int{100, requests} {
		runtime.ReadMemStats(&before)
		for range count {
			p.ping(t)
		}
		runtime.ReadMemStats(&after)
	}
	const ofReads = 4 // two an end, of 24 bytes
	if n := after.Mallocs - before.Mallocs; n > ofReads*requests+requests/10 {
		t.Errorf("%d allocations in %d requests", n, requests)
	}
}

// BenchmarkSecureExchange is one client with one worker, over TLS 1.3.
func BenchmarkSecureExchange(b *testing.B) {
	r := newSecureRig(b, nil)
	r.worker(plainWorker)
	p := newPinger(b, r.dial())
	b.ReportAllocs()
	for b.Loop() {
		p.ping(b)
	}
}
