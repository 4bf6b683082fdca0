package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

func TestKeepAlive(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(echo))
	c := r.dial()
	for i := range 20 {
		c.get(fmt.Sprintf("/%d", i), 200, fmt.Sprintf("GET /%d ", i))
	}
}

func TestPipelining(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(echo))
	r.worker(handler(echo))
	c := r.dial()
	var b strings.Builder
	for i := range 50 {
		fmt.Fprintf(&b, "POST /%d HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc", i)
	}
	c.write(b.String())
	for i := range 50 {
		if _, body := c.read("POST"); body != fmt.Sprintf("POST /%d abc", i) {
			t.Fatalf("answer %d: %q", i, body)
		}
	}
}

func TestBodies(t *testing.T) {
	for _, size := range []int{0, 1, 4000, 4096, 60_000, 70_000, 300_000} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d chunked=%v", size, chunked), func(t *testing.T) {
				r := newRig(t, nil)
				r.worker(handler(echo))
				c := r.dial()
				for range 3 {
					body := strings.Repeat("x", size)
					head, payload := fmt.Sprintf("Content-Length: %d", size), body
					if chunked {
						head = "Transfer-Encoding: chunked"
						payload = chunk(body, 10_000)
					}
					go io.WriteString(c, "PUT /a HTTP/1.1\r\nHost: test\r\n"+head+"\r\n\r\n"+payload)
					if _, got := c.read("PUT"); got != "PUT /a "+body {
						t.Fatalf("got %d bytes", len(got))
					}
				}
			})
		}
	}
}

// chunk encodes the body in chunks of at most n bytes.
func chunk(body string, n int) string {
	var b strings.Builder
	for len(body) > 0 {
		k := min(n, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", k, body[:k])
		body = body[k:]
	}
	return b.String() + "0\r\n\r\n"
}

func TestQueueBoundAndOrder(t *testing.T) {
	r := newRig(t, nil)
	release := make(chan struct{})
	var mu sync.Mutex
	var served []string
	r.worker(handler(func(req *http.Request) string {
		mu.Lock()
		served = append(served, req.RequestURI)
		mu.Unlock()
		<-release
		return ok("done")
	}))
	var waiting []*client
	for i := range 9 { // one runs, eight wait
		c := r.dial()
		c.write(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: test\r\n\r\n", i))
		testkit.Eventually(t, 5*time.Second, func() bool {
			s := r.server.Pool().Snapshot(r.server.Now())
			return s.QueueLength == i && s.Workers[0].InFlight == 1
		})
		waiting = append(waiting, c)
	}
	c := r.dial()
	c.write("GET /late HTTP/1.1\r\nHost: test\r\n\r\n")
	res, body := c.read("GET")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "queue is full") {
		t.Fatalf("got %d %v %q", res.StatusCode, res.Header, body)
	}
	close(release)
	for _, c := range waiting {
		if res, _ := c.read("GET"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
	}
	for i, path := range served {
		if path != fmt.Sprintf("/%d", i) {
			t.Fatalf("served in the order %v", served)
		}
	}
}

func TestClientLeavesTheQueue(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.0"} {
		t.Run(proto, func(t *testing.T) {
			r := newRig(t, nil)
			release := make(chan struct{})
			r.worker(handler(func(*http.Request) string { <-release; return ok("") }))
			first := r.dial()
			first.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
			testkit.Eventually(t, 5*time.Second, func() bool { return r.server.Pool().Snapshot(r.server.Now()).Workers[0].InFlight == 1 })
			second := r.dial()
			second.write("GET /left " + proto + "\r\nHost: test\r\n\r\n")
			length := func(n int) func() bool {
				return func() bool { return r.server.Pool().Snapshot(r.server.Now()).QueueLength == n }
			}
			testkit.Eventually(t, 5*time.Second, length(1))
			second.Close()
			testkit.Eventually(t, 5*time.Second, length(0))
			close(release)
			first.read("GET")
		})
	}
}

func TestHalfClosedClientIsServed(t *testing.T) {
	r := newRig(t, nil)
	release := make(chan struct{})
	r.worker(handler(func(req *http.Request) string { <-release; return ok(req.RequestURI) }))
	first, second := r.dial(), r.dial()
	for i, c := range []*client{first, second} {
		c.write(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: test\r\n\r\n", i))
		testkit.Eventually(t, 5*time.Second, func() bool {
			s := r.server.Pool().Snapshot(r.server.Now())
			return s.QueueLength == i && s.Workers[0].InFlight == 1
		})
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	if _, body := first.read("GET"); body != "/0" {
		t.Fatal(body)
	}
	first.ends()
	res, body := second.read("GET")
	if res.StatusCode == 100 { // what told that it is still there
		res, body = second.read("GET")
	}
	if res.StatusCode != 200 || body != "/1" {
		t.Fatal(res.StatusCode, body)
	}
	second.ends()
}

func TestWorkerThatClosesWithoutSayingSo(t *testing.T) {
	r := newRig(t, nil)
	once := func(c net.Conn) {
		buf := make([]byte, 4096)
		if _, err := c.Read(buf); err != nil {
			return
		}
		io.WriteString(c, ok("once"))
	}
	r.worker(once)
	c := r.dial()
	for range 10 {
		c.get("/", 200, "once")
	}
	if d := r.dropped(); len(d) > 0 {
		t.Fatalf("dropped: %v", d)
	}
}

func TestBrokenWorkers(t *testing.T) {
	tests := []struct {
		name, answer string
		status       int
		dropped      bool
	}{
		{"nothing", "", 502, true},
		{"garbage", "hello\r\n\r\n", 502, false},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-", 502, true},
		{"both lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, false},
		{"bad first chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 502, false},
		{"switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 502, false},
		{"too many interim", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 20) + ok(""), 502, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.worker(func(c net.Conn) {
				buf := make([]byte, 4096)
				if _, err := c.Read(buf); err != nil {
					return
				}
				io.WriteString(c, tt.answer)
			})
			c := r.dial()
			c.write("GET / HTTP/1.0\r\n\r\n")
			res, _ := c.read("GET")
			if res.StatusCode != tt.status {
				t.Fatalf("got %d, want %d", res.StatusCode, tt.status)
			}
			if got := len(r.dropped()) > 0; got != tt.dropped {
				t.Fatalf("dropped: %v", r.dropped())
			}
		})
	}
}

func TestRetryWhenConnectingFails(t *testing.T) {
	r := newRig(t, nil)
	dead := r.server.Pool().Add(pool.WorkerSpec{ID: 99, Generation: 2, Socket: r.dir + "/none.sock", Slots: 1})
	if err := r.server.Pool().Ready(dead, ""); err != nil {
		t.Fatal(err)
	}
	r.workers = append(r.workers, dead)
	testkit.Eventually(t, 5*time.Second, func() bool { return r.server.Pool().Snapshot(r.server.Now()).Idle == 1 })
	r.worker(handler(echo))
	r.dial().get("/again", 200, "GET /again")
	if d := r.dropped(); len(d) != 1 || d[0] != pool.CauseConnect {
		t.Fatalf("dropped: %v", d)
	}
}

func TestSlowReaderHoldsNoWorker(t *testing.T) {
	r := newRig(t, nil)
	big := strings.Repeat("0123456789abcdef", 1<<18) // 4 MB
	r.worker(handler(func(req *http.Request) string {
		if req.RequestURI == "/big" {
			return ok(big)
		}
		return ok("small")
	}))
	slow := r.dial()
	slow.write("GET /big HTTP/1.1\r\nHost: test\r\n\r\n")
	r.dial().get("/", 200, "small") // while nobody reads the big one
	if _, body := slow.read("GET"); body != big {
		t.Fatalf("got %d bytes", len(body))
	}
}

func TestStopDropsNothing(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Queue.Size = 1024 })
	for range 3 {
		r.worker(handler(echo))
	}
	stop := make(chan struct{})
	var once sync.Once
	var clients sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	for i := range 16 {
		c := r.dial()
		clients.Add(1)
		go func() {
			defer clients.Done()
			for n := 0; ; n++ {
				if _, err := fmt.Fprintf(c, "GET /%d/%d HTTP/1.1\r\nHost: test\r\n\r\n", i, n); err != nil {
					t.Errorf("client %d request %d: %v", i, n, err)
					return
				}
				res, err := http.ReadResponse(c.br, nil)
				if err != nil {
					t.Errorf("client %d request %d: %v", i, n, err)
					return
				}
				body, err := io.ReadAll(res.Body)
				if want := fmt.Sprintf("GET /%d/%d ", i, n); err != nil || res.StatusCode != 200 || string(body) != want {
					t.Errorf("client %d: %v %d %q", i, err, res.StatusCode, body)
				}
				mu.Lock()
				answered++
				mu.Unlock()
				if res.Close {
					return
				}
				if n == 200 {
					once.Do(func() { close(stop) })
				}
			}
		}()
	}
	<-stop
	report := r.stop(10 * time.Second)
	clients.Wait()
	if report.Cut > 0 || report.Refused > 0 {
		t.Errorf("%+v", report)
	}
}
