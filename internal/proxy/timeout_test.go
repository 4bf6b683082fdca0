package proxy_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// soon is a time-out that a test waits for.
const soon = 100 * time.Millisecond

// refusedWith wants an answer of ripd's own and the connection's end.
func (c *client) refusedWith(status int) {
	c.t.Helper()
	if res, body := c.read("GET"); res.StatusCode != status || !res.Close {
		c.t.Fatal(res, body)
	}
	c.ends()
}

func TestSlowHead(t *testing.T) {
	for _, part := range []string{"G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n"} {
		r := newRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientHeader = soon })
		c := r.dial()
		c.write(part)
		c.refusedWith(408)
	}
}

// A head that trickles gets no more time than one that stands still.
func TestTricklingHead(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientHeader = soon })
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\nX: ")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.Write([]byte("x"))
			case <-stop:
				return
			}
		}
	}()
	res, err := http.ReadResponse(c.br, nil)
	// The end may come as a reset, because the client goes on writing.
	if err == nil && res.StatusCode != 408 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(res, err)
	}
	close(stop)
	<-stopped
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 })
}

func TestSlowBody(t *testing.T) {
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	} {
		for _, buffering := range []bool{true, false} {
			r := newRig(t, func(o *proxy.Options) {
				o.Config.Timeouts.ClientBody, o.Config.Proxy.RequestBuffering = soon, buffering
			})
			served := make(chan string, 1)
			r.worker(handler(func(req *http.Request) string {
				if b, err := io.ReadAll(req.Body); err == nil {
					served <- string(b)
				}
				return ok("")
			}))
			c := r.dial()
			c.write(request)
			c.refusedWith(408)
			if d := r.dropped(); len(served) > 0 || len(d) > 0 {
				t.Fatal("a part of a body was served", d)
			}
		}
	}
}

func TestIdleConnectionEnds(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientIdle = soon })
	r.worker(handler(echo))
	fresh, used := r.dial(), r.dial()
	used.get("/", 200, "GET /")
	used.ends()
	fresh.ends()
}

func TestQueueTimeout(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Queue.Timeout = soon })
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if res, body := c.read("GET"); res.StatusCode != 504 || res.Close || !strings.Contains(body, "waited too long") {
		t.Fatal(res, body)
	}
	r.worker(handler(echo))
	c.get("/later", 200, "GET /later")
}

func TestStatusPage(t *testing.T) {
	r := newRig(t, nil)
	read := func(want int) (page struct {
		Status, App string
		Workers     int
		Ports       map[string]int
	}) {
		t.Helper()
		c := r.dial()
		c.write("GET /status HTTP/1.1\r\nHost: a\r\n\r\n")
		res, body := c.read("GET")
		if res.StatusCode != want || res.Header.Get("Content-Type") != "application/json" {
			t.Fatal(res, body)
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		return page
	}
	if p := read(503); p.Status != "degraded" || p.App != "test" || p.Workers != 0 {
		t.Fatalf("%+v", p)
	}
	r.worker(handler(echo))
	_, port, _ := net.SplitHostPort(r.addr)
	if p := read(200); p.Status != "healthy" || p.Workers != 1 || port == "" || p.Ports["http"] == 0 {
		t.Fatalf("%+v", p)
	}
	r.dial().get("/statusx", 200, "GET /statusx")
}

// A client that ends its side in the same packet as its request is noticed.
func TestEndTogetherWithTheRequest(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(echo))
	for range 20 {
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		res, _ := c.read("GET")
		if res.StatusCode == http.StatusContinue { // the request waited, and ripd asked whether the client is there
			res, _ = c.read("GET")
		}
		if res.StatusCode != http.StatusOK {
			t.Fatal(res)
		}
		begin := time.Now()
		if c.ends(); time.Since(begin) > 5*time.Second {
			t.Fatal("the connection stayed open")
		}
	}
}

// So is one that ends its side in the same packet as a part of a head.
func TestEndTogetherWithAPartOfAHead(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientHeader = time.Hour })
	for range 50 {
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHo")
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.ends()
	}
}

// At the bound idle connections make room for new ones, also those that become
// idle after the new ones came.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Limits.Connections = 4 })
	release := make(chan struct{})
	r.workerSlots(8, handler(func(req *http.Request) string {
		if req.URL.Path == "/wait" {
			<-release
		}
		return ok("done")
	}))
	for range 8 {
		r.dial().get("/", 200, "done")
	}
	var running []*client
	testkit.Eventually(t, testkit.Timeout, func() bool { // all places are taken by running requests
		c := r.dial()
		c.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
		running = append(running, c)
		return testkit.Within(time.Second, func() bool { return r.inFlight() == len(running) }) && len(running) == 4
	})
	late := r.dial()
	late.write("GET /late HTTP/1.1\r\nHost: a\r\n\r\n")
	close(release)
	for _, c := range append(running, late) {
		c.read("GET")
	}
	if s := r.server.Stats(); s.Connections > 4 {
		t.Fatalf("%+v", s)
	}
}

// acceptChild is set in the process of TestAcceptRecovers that runs out of
// descriptors.
const acceptChild = "RIPD_TEST_ACCEPT_CHILD"

// The server goes on when descriptors are there again.
func TestAcceptRecovers(t *testing.T) {
	if os.Getenv(acceptChild) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAcceptRecovers$", "-test.v")
		cmd.Env = append(os.Environ(), acceptChild+"=1")
		child := testkit.Start(t, cmd)
		if code := child.Wait(t, testkit.Timeout); code != 0 {
			t.Fatalf("the child ended with %d", code)
		}
		return
	}
	r := newRig(t, nil)
	r.worker(handler(echo))
	r.dial().get("/", 200, "GET /")
	c := r.dial()
	c.get("/", 200, "GET /")
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	var hold []*os.File
	low := syscall.Rlimit{Cur: 64, Max: before.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		hold = append(hold, f)
	}
	hold[len(hold)-1].Close() // one, for the client's side
	other := r.dial()
	other.write("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
	c.get("/status", 200, "healthy")
	for _, f := range hold {
		f.Close()
	}
	if _, body := other.read("GET"); body != "GET /other " {
		t.Fatal(body)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
}

func TestConnectFails(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Queue.Timeout = soon })
	r.deadWorker(9)
	r.idleSlots(1)
	r.dial().get("/", 504, "") // it is retried, and no other worker comes
	if d := r.dropped(); len(d) != 1 || d[0] != pool.CauseConnect {
		t.Fatal(d)
	}
}
