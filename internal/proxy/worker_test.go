package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// readRequest reads one request, with its body, from a worker's connection.
func readRequest(br *bufio.Reader) (*http.Request, error) {
	req, err := http.ReadRequest(br)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, req.Body)
	return req, err
}

// idleSlots waits until n slots stand idle.
func (r *rig) idleSlots(n int) {
	r.t.Helper()
	testkit.Eventually(r.t, testkit.Timeout, func() bool { return r.server.Pool().Snapshot(r.server.Now()).Idle == n }, "%d idle slots", n)
}

// deadWorker adds a worker whose socket does not exist.
func (r *rig) deadWorker(id int) {
	r.t.Helper()
	w := r.server.Pool().Add(pool.WorkerSpec{ID: id, Generation: 1, Socket: r.dir + "/none.sock", Slots: 1})
	if err := r.server.Pool().Ready(w, ""); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.workers = append(r.workers, w)
	r.mu.Unlock()
}

// lastConn serves like handler, and tells which connection was served last.
func lastConn(last *atomic.Pointer[net.UnixConn], h func(*http.Request) string) func(net.Conn) {
	serve := handler(h)
	return func(c net.Conn) {
		last.Store(c.(*net.UnixConn))
		serve(c)
	}
}

func TestKeptConnectionTakesNoByte(t *testing.T) {
	r := newRig(t, nil)
	var served atomic.Int32
	var last atomic.Pointer[net.UnixConn]
	r.worker(func(c net.Conn) {
		lastConn(&last, func(*http.Request) string { served.Add(1); return ok("done") })(c)
		io.Copy(io.Discard, c) // until the connection is closed
	})
	c := r.dial()
	for range 3 {
		c.get("/", 200, "done")
	}
	r.idleSlots(1)
	// What is written from here on fails, but nothing shows before.
	if err := last.Load().CloseRead(); err != nil {
		t.Fatal(err)
	}
	c.get("/again", 200, "done")
	if served.Load() != 4 || len(r.dropped()) > 0 {
		t.Fatalf("served %d, dropped %v", served.Load(), r.dropped())
	}
}

func TestNeverRetriedTwice(t *testing.T) {
	r := newRig(t, nil)
	r.deadWorker(98)
	r.idleSlots(1)
	r.deadWorker(99)
	r.idleSlots(2)
	var served atomic.Int32
	r.worker(handler(func(*http.Request) string { served.Add(1); return ok("") }))
	r.idleSlots(3)
	r.dial().get("/", 502, "could not be reached")
	if d := r.dropped(); served.Load() != 0 || len(d) != 2 {
		t.Fatalf("served %d, dropped %v", served.Load(), d)
	}
}

func TestIdleConnectionClosedOrWritten(t *testing.T) {
	for _, extra := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"} {
		t.Run(fmt.Sprintf("%d bytes", len(extra)), func(t *testing.T) {
			r := newRig(t, nil)
			var last atomic.Pointer[net.UnixConn]
			r.worker(lastConn(&last, func(*http.Request) string { return ok("done") }))
			c := r.dial()
			for range 3 {
				c.get("/", 200, "done")
			}
			r.idleSlots(1)
			if extra == "" {
				last.Load().Close()
			} else if _, err := io.WriteString(last.Load(), extra); err != nil {
				t.Fatal(err)
			}
			c.get("/after", 200, "done")
			if d := r.dropped(); len(d) > 0 {
				t.Fatalf("dropped: %v", d)
			}
		})
	}
}

func TestAnswerBreaksOff(t *testing.T) {
	tests := []struct{ name, proto, answer string }{
		{"length", "HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart"},
		{"chunk", "HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\npart"},
		{"between chunks", "HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"},
		{"bad second chunk", "HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nxx\r\n"},
		{"chunks for HTTP/1.0", "HTTP/1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			cut := make(chan struct{})
			end := sync.OnceFunc(func() { close(cut) })
			defer end()
			r.worker(func(c net.Conn) {
				if _, err := readRequest(bufio.NewReader(c)); err != nil {
					return
				}
				head, rest, _ := strings.Cut(tt.answer, "\r\n\r\n")
				io.WriteString(c, head+"\r\n\r\n")
				io.WriteString(c, rest)
				<-cut
			})
			c := r.dial()
			c.write("GET / " + tt.proto + "\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(c.br, nil)
			if err != nil || res.StatusCode != 200 {
				// Head and fault may have come as one: then the answer is 502.
				if err == nil && res.StatusCode == 502 && tt.name == "bad second chunk" {
					return
				}
				t.Fatal(res, err)
			}
			part := make([]byte, 4)
			if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != "part" {
				if err == io.ErrUnexpectedEOF && tt.name == "bad second chunk" {
					return // the part and the fault came as one
				}
				t.Fatalf("%q %v", part, err)
			}
			end()
			if rest, err := io.ReadAll(res.Body); err == nil {
				t.Fatalf("a part looks like the whole: %q follows", rest)
			}
		})
	}
}

func TestHangingWorker(t *testing.T) {
	tests := []struct {
		name, request string
		serve         func(net.Conn)
	}{
		{"no answer", "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n", func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"half a head", "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n", func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200")
			io.Copy(io.Discard, c)
		}},
		{"body not read", "POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000), func(c net.Conn) {
			raw, err := c.(*net.UnixConn).SyscallConn()
			if err == nil { // the end shows without reading what was written
				testkit.Within(testkit.Timeout, func() bool { return closedByPeer(raw) })
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(o *proxy.Options) { o.Config.Timeouts.Read = 100 * time.Millisecond })
			r.worker(tt.serve)
			c := r.dial()
			c.write(tt.request)
			if res, body := c.read("GET"); res.StatusCode != 504 || !strings.Contains(body, "in time") {
				t.Fatal(res.Status, body)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, e := range r.events {
				if e.Kind == pool.Dropped {
					if e.Cause != pool.CauseTimeout || !strings.Contains(e.Detail, " /hang ") {
						t.Fatalf("%+v", e)
					}
					return
				}
			}
			t.Fatalf("not dropped: %+v", r.events)
		})
	}
}

// closedByPeer tells whether writing would fail.
func closedByPeer(raw syscall.RawConn) (closed bool) {
	err := raw.Write(func(fd uintptr) bool {
		p := []unix.PollFd{{Fd: int32(fd)}}
		_, _ = unix.Poll(p, 0)
		closed = p[0].Revents&unix.POLLHUP != 0
		return true
	})
	return closed || err != nil
}

const busy = "HTTP/1.1 503 Service Unavailable\r\nRip-Worker-Busy: 1\r\nContent-Length: 4\r\n\r\nbusy"

func TestBusyWorker(t *testing.T) {
	for _, cut := range []int{len(busy), len(busy) - 4, len(busy) - 2, 10} {
		t.Run(fmt.Sprintf("cut at %d", cut), func(t *testing.T) {
			r := newRig(t, nil)
			r.worker(func(c net.Conn) {
				br := bufio.NewReader(c)
				for {
					if _, err := readRequest(br); err != nil {
						return
					}
					io.WriteString(c, busy[:cut])
					taken(c)
					io.WriteString(c, busy[cut:])
				}
			})
			r.idleSlots(1)
			r.worker(handler(echo))
			r.idleSlots(2)
			c := r.dial()
			c.write("GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
			if res, body := c.read("GET"); res.StatusCode != 200 || !strings.Contains(body, "/again") {
				t.Fatal(res.Status, body)
			}
			if d := r.dropped(); len(d) > 0 {
				t.Fatalf("dropped: %v", d)
			}
		})
	}
}

// taken waits until the peer has read all that was written.
func taken(c net.Conn) {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return
	}
	testkit.Within(testkit.Timeout, func() bool {
		left := 0
		err := raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
		return err != nil || left == 0
	})
}

func TestBusyEverywhere(t *testing.T) {
	r := newRig(t, nil)
	var asked atomic.Int32
	for range 3 {
		r.worker(handler(func(*http.Request) string { asked.Add(1); return busy }))
	}
	r.idleSlots(3)
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, body := c.read("GET")
	if res.StatusCode != 503 || body != "busy" || res.Header.Get("Rip-Worker-Busy") != "" || asked.Load() != 2 {
		t.Fatal(res, body, asked.Load())
	}
	c.get("/", 503, "busy")
}

func TestSlots(t *testing.T) {
	r := newRig(t, nil)
	const slots = 3
	arrived, release := make(chan struct{}, slots), make(chan struct{})
	r.workerSlots(slots, handler(func(req *http.Request) string {
		arrived <- struct{}{}
		<-release
		return ok(req.RequestURI)
	}))
	var clients []*client
	for i := range slots + 1 {
		c := r.dial()
		c.write(fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
		clients = append(clients, c)
	}
	for range slots {
		<-arrived
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Pool().Snapshot(r.server.Now()).QueueLength == 1 })
	close(release)
	for i, c := range clients {
		if _, body := c.read("GET"); body != fmt.Sprintf("/%d", i) {
			t.Fatal(body)
		}
	}
}

func TestEarlyAnswer(t *testing.T) {
	r := newRig(t, nil)
	r.worker(func(c net.Conn) {
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if req.ContentLength > 0 {
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
			io.ReadFull(br, make([]byte, 10_000)) // ripd is writing meanwhile, and stops
			return
		}
		io.WriteString(c, ok("small"))
	})
	c := r.dial()
	for range 3 {
		body := strings.Repeat("x", 2_000_000)
		go fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if res, got := c.read("POST"); res.StatusCode != 413 || got != "big" {
			t.Fatal(res.Status, got)
		}
		c.get("/", 200, "small")
	}
	if d := r.dropped(); len(d) > 0 {
		t.Fatalf("dropped: %v", d)
	}
}
