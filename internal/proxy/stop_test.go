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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/metrics"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// unixWorker serves echo on a socket until the test ends, and returns its path.
func unixWorker(t *testing.T) string {
	t.Helper()
	path := testkit.TempSocket(t, "w.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Add(1)
	go func() {
		defer serving.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Add(1)
			go func() {
				defer serving.Done()
				defer c.Close()
				handler(echo)(c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return path
}

// oneLife runs a server on a copy of the listening socket until end is closed.
func oneLife(t *testing.T, held *net.TCPListener, socket string, cert *testkit.Certificate, end <-chan struct{}) proxy.StopReport {
	t.Helper()
	f, err := held.File()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	c := settings()
	c.Queue.Size = 1024
	s := proxy.New(proxy.Options{Config: c, Metrics: metrics.New(metrics.Options{App: "test"}), Log: slog.New(slog.DiscardHandler), SpoolDir: t.TempDir()}, nil)
	w := s.Pool().Add(pool.WorkerSpec{ID: 1, Generation: 1, Socket: socket, Slots: 2})
	if err := s.Pool().Ready(w, ""); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	r := &rig{server: s, cert: cert}
	go func() { served <- r.serve(l) }()
	<-end
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	report := s.Stop(ctx)
	if err := <-served; err != proxy.ErrClosed {
		t.Errorf("Serve returned %v", err)
	}
	if err := s.Pool().Retire(w); err != nil {
		t.Error(err)
	}
	s.Pool().Wait()
	return report
}

// account counts what clients saw. Every failed request is one too many.
type account struct {
	done   atomic.Int64
	failed atomic.Int64
	t      *testing.T
	cert   *testkit.Certificate // the clients speak TLS; nil: they do not
}

func (a *account) fail(format string, args ...any) {
	if a.failed.Add(1) <= 5 {
		a.t.Errorf(format, args...)
	}
}

// client sends one request after another; with keep it stays on its connection
// for as long as the server wants it.
func (a *account) client(id int, addr string, keep bool, quit <-chan struct{}) {
	var c net.Conn
	var br *bufio.Reader
	for n := 0; ; n++ {
		select {
		case <-quit:
			if c != nil {
				c.Close()
			}
			return
		default:
		}
		if c == nil {
			var err error
			if c, err = net.Dial("tcp", addr); err != nil {
				a.fail("client %d: %v", id, err)
				return
			}
			_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
			if a.cert != nil {
				c = tls.Client(c, a.cert.Client("test.example"))
			}
			br = bufio.NewReader(c)
		}
		if _, err := fmt.Fprintf(c, "GET /%d/%d HTTP/1.1\r\nHost: a\r\n\r\n", id, n); err != nil {
			a.fail("client %d request %d: %v", id, n, err)
			return
		}
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			a.fail("client %d request %d: %v", id, n, err)
			return
		}
		body, err := io.ReadAll(res.Body)
		if want := fmt.Sprintf("GET /%d/%d ", id, n); err != nil || string(body) != want {
			a.fail("client %d request %d: %d %q %v", id, n, res.StatusCode, body, err)
		}
		a.done.Add(1)
		if res.Close || !keep {
			c.Close()
			c = nil
		}
	}
}

func TestRestartsDropNothing(t *testing.T) {
	t.Run("plain", func(t *testing.T) { restarts(t, nil) })
	t.Run("tls", func(t *testing.T) { restarts(t, testkit.NewCertificate(t, t.TempDir(), "test", "test.example")) })
}

func restarts(t *testing.T, cert *testkit.Certificate) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held := l.(*net.TCPListener)
	defer held.Close()
	socket := unixWorker(t)
	a := &account{t: t, cert: cert}
	quit := make(chan struct{})
	var clients sync.WaitGroup
	for id := range 8 {
		clients.Add(1)
		go func() {
			defer clients.Done()
			a.client(id, held.Addr().String(), id%2 == 0, quit)
		}()
	}
	for range 8 {
		end := make(chan struct{})
		before := a.done.Load()
		go func() {
			defer close(end)
			testkit.Within(testkit.Timeout, func() bool { return a.done.Load() >= before+50 || a.failed.Load() > 0 })
		}()
		if report := oneLife(t, held, socket, cert, end); report.Cut > 0 || report.Refused > 0 {
			t.Errorf("%+v", report)
		}
	}
	end := make(chan struct{})
	go func() { // the clients' last requests are answered, too
		close(quit)
		clients.Wait()
		close(end)
	}()
	oneLife(t, held, socket, cert, end)
	t.Logf("%d requests", a.done.Load())
}

// When time has run out, what waits is told so, and what runs is cut.
func TestStopRunsOutOfTime(t *testing.T) {
	r := newRig(t, nil)
	arrived, over := make(chan struct{}), make(chan struct{})
	r.worker(func(c net.Conn) {
		if _, err := readRequest(bufio.NewReader(c)); err == nil {
			close(arrived)
			io.Copy(io.Discard, c)
			close(over)
		}
	})
	running, waiting, idle := r.dial(), r.dial(), r.dial()
	running.write("GET /running HTTP/1.1\r\nHost: a\r\n\r\n")
	<-arrived
	waiting.write("GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n")
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Pool().Snapshot(r.server.Now()).QueueLength == 1 })
	report := r.stop(soon)
	if report.Refused != 1 || report.Cut < 1 || report.Took > 5*time.Second {
		t.Errorf("%+v", report)
	}
	res, body := waiting.read("GET")
	if res.StatusCode != 503 || !res.Close {
		t.Error(res, body)
	}
	waiting.ends()
	testkit.Closed(t, testkit.Timeout, over)
	idle.ends()
	if _, err := http.ReadResponse(running.br, nil); err == nil {
		// ripd may get its 502 out before the cut; never a 200.
		t.Log("the running request was answered")
	}
}

// Stop lets what runs and what waits finish, and tells each client to go.
func TestStopServesTheQueue(t *testing.T) {
	r := newRig(t, nil)
	release := make(chan struct{})
	r.worker(handler(func(req *http.Request) string { <-release; return ok(req.RequestURI) }))
	var clients []*client
	for i := range 4 {
		c := r.dial()
		c.write(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
		testkit.Eventually(t, testkit.Timeout, func() bool {
			s := r.server.Pool().Snapshot(r.server.Now())
			return s.QueueLength == i && s.Workers[0].InFlight == 1
		})
		clients = append(clients, c)
	}
	stopped := make(chan proxy.StopReport, 1)
	go func() { stopped <- r.stop(testkit.Timeout) }()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	close(release)
	for i, c := range clients {
		if res, body := c.read("GET"); res.StatusCode != 200 || !res.Close || body != fmt.Sprintf("/%d", i) {
			t.Fatal(res, body)
		}
		c.ends()
	}
	if report := testkit.Receive(t, testkit.Timeout, stopped); report.Answered != 4 || report.Cut > 0 || report.Refused > 0 {
		t.Fatalf("%+v", report)
	}
}
