package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/config"
	"ripd/internal/metrics"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// settings returns settings with short but unhurried bounds.
func settings() *config.Config {
	c := &config.Config{Name: "test"}
	c.Queue.Size, c.Queue.Timeout = 8, 10*time.Second
	c.Timeouts = config.Timeouts{
		Connect: time.Second, Read: 10 * time.Second, ClientHeader: 10 * time.Second, ClientBody: 10 * time.Second,
		ClientIdle: 10 * time.Second, ClientWrite: 10 * time.Second,
	}
	c.Limits = config.Limits{Header: 32 << 10, Body: 8 << 20, Buffer: 64 << 10, ResponseSpool: 64 << 20, Connections: 1024, Streams: 100}
	c.TLS.HTTP2 = true
	c.Proxy.RequestBuffering, c.Proxy.StatusPath = true, "/status"
	return c
}

// rig is a server with workers that live in the test.
type rig struct {
	t      testing.TB
	server *proxy.Server
	addr   string
	dir    string

	mu      sync.Mutex
	events  []pool.Event
	workers []*pool.Worker
	stopped bool
	onDrop  func()               // called for each worker that was dropped; nil: nothing
	unix    sync.Once            // the unix listener of dialUnix
	cert    *testkit.Certificate // clients speak TLS; nil: they do not
}

// newRig starts a server. configure may change its settings; nil leaves them.
func newRig(t testing.TB, configure func(*proxy.Options)) *rig {
	t.Helper()
	return startRig(t, nil, configure)
}

// newSecureRig is newRig for clients that speak TLS.
func newSecureRig(t testing.TB, configure func(*proxy.Options)) *rig {
	t.Helper()
	return startRig(t, testkit.NewCertificate(t, t.TempDir(), "test", "test.example"), configure)
}

func startRig(t testing.TB, cert *testkit.Certificate, configure func(*proxy.Options)) *rig {
	t.Helper()
	r := &rig{t: t, dir: testkit.TempSocketDir(t), cert: cert}
	o := proxy.Options{Config: settings(), Metrics: metrics.New(metrics.Options{App: "test"}), Log: slog.New(slog.DiscardHandler), SpoolDir: t.TempDir()}
	if configure != nil {
		configure(&o)
	}
	r.server = proxy.New(o, func(e pool.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
		if e.Kind == pool.Dropped && r.onDrop != nil {
			r.onDrop()
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- r.serve(l) }()
	t.Cleanup(func() {
		r.stop(2 * time.Second)
		if err := <-served; err != proxy.ErrClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
	return r
}

// serve serves a listener as the rig's clients expect.
func (r *rig) serve(l net.Listener) error {
	if r.cert == nil {
		return r.server.Serve(l)
	}
	return r.server.ServeTLS(l, &tls.Config{
		Certificates: []tls.Certificate{r.cert.Pair}, DynamicRecordSizingDisabled: true, NextProtos: []string{"h2", "http/1.1"},
	})
}

// stop ends the server and then the slots of its workers.
func (r *rig) stop(limit time.Duration) (report proxy.StopReport) {
	r.mu.Lock()
	stopped := r.stopped
	r.stopped = true
	workers := r.workers
	r.mu.Unlock()
	if stopped {
		return report
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	report = r.server.Stop(ctx)
	for _, w := range workers {
		_ = r.server.Pool().Remove(w) // it may be gone already
	}
	r.server.Pool().Wait()
	return report
}

// dropped returns the causes of all drops so far.
func (r *rig) dropped() (causes []pool.Cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == pool.Dropped {
			causes = append(causes, e.Cause)
		}
	}
	return causes
}

// worker adds a worker whose connections are served by serve, one goroutine each.
func (r *rig) worker(serve func(net.Conn)) *pool.Worker { return r.workerSlots(1, serve) }

func (r *rig) workerSlots(slots int, serve func(net.Conn)) *pool.Worker {
	r.t.Helper()
	r.mu.Lock()
	id := len(r.workers) + 1
	r.mu.Unlock()
	path := filepath.Join(r.dir, fmt.Sprintf("w%d.sock", id))
	l, err := net.Listen("unix", path)
	if err != nil {
		r.t.Fatal(err)
	}
	var conns sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	conns.Add(1)
	go func() {
		defer conns.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			conns.Add(1)
			go func() {
				defer conns.Done()
				defer c.Close()
				serve(c)
			}()
		}
	}()
	r.t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return r.workerAt(id, path, slots)
}

// workerAt adds a worker that listens already.
func (r *rig) workerAt(id int, path string, slots int) *pool.Worker {
	r.t.Helper()
	w := r.server.Pool().Add(pool.WorkerSpec{ID: id, Generation: 1, Socket: path, Slots: slots, Upgrades: r.server.Upgrades(), Streams: r.server.MostStreams()})
	if err := r.server.Pool().Ready(w, ""); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.workers = append(r.workers, w)
	return w
}

// handler serves a connection with net/http's parser, one request after another.
func handler(h func(*http.Request) string) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			answer := h(req)
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				return
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

// ok is a complete answer with a body.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// echo answers with the method, the target and the body.
func echo(req *http.Request) string {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return ""
	}
	return ok(req.Method + " " + req.RequestURI + " " + string(body))
}

// client is a raw connection to the server.
type client struct {
	t testing.TB
	net.Conn
	br *bufio.Reader
}

func (r *rig) dial() *client {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	c = r.secure(c)
	return &client{r.t, c, bufio.NewReader(c)}
}

// secure makes a client's connection what the server expects.
func (r *rig) secure(c net.Conn) net.Conn {
	if r.cert == nil {
		return c
	}
	s := tls.Client(c, r.cert.Client("test.example"))
	if err := s.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (c *client) write(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// read reads one answer with its body.
func (c *client) read(method string) (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("read a body: %v (got %q)", err, body)
	}
	return res, string(body)
}

// get sends one request and wants the status and a body that contains part.
func (c *client) get(path string, status int, part string) {
	c.t.Helper()
	c.write("GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n")
	res, body := c.read("GET")
	if res.StatusCode != status || !strings.Contains(body, part) {
		c.t.Fatalf("GET %s: got %d %q, want %d with %q", path, res.StatusCode, body, status, part)
	}
}

// ends wants the connection to end.
func (c *client) ends() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); err != nil || len(b) > 0 {
		c.t.Fatalf("want the connection's end, got %q and %v", b, err)
	}
}
