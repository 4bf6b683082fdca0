package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// dialUnix connects over a unix socket, whose buffers are small.
func (r *rig) dialUnix() *client {
	r.t.Helper()
	path := filepath.Join(r.dir, "clients.sock")
	r.unix.Do(func() {
		l, err := net.Listen("unix", path)
		if err != nil {
			r.t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- r.serve(l) }()
		r.t.Cleanup(func() {
			r.stop(2 * time.Second)
			<-served
		})
	})
	c, err := net.Dial("unix", path)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
	c = r.secure(c)
	return &client{r.t, c, bufio.NewReader(c)}
}

func (r *rig) inFlight() int {
	n := 0
	for _, w := range r.server.Pool().Snapshot(r.server.Now()).Workers {
		n += w.InFlight
	}
	return n
}

// Each event arrives at the client before the next is sent.
func TestEventsPassAsTheyCome(t *testing.T) {
	forms := []struct{ name, head, event, end string }{
		{"chunked", "Transfer-Encoding: chunked\r\n", "8\r\ndata: %d\n\r\n", "0\r\n\r\n"},
		{"until the end", "", "data: %d\n", ""},
	}
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) {
			r := newRig(t, nil)
			more := make(chan int)
			r.worker(func(c net.Conn) {
				if _, err := readRequest(bufio.NewReader(c)); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"+form.head+"\r\n")
				for n := range more {
					fmt.Fprintf(c, form.event, n)
				}
				io.WriteString(c, form.end)
			})
			c := r.dial()
			c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			for n := range 5 {
				more <- n
				if n == 0 {
					res, err := http.ReadResponse(c.br, nil)
					if err != nil {
						t.Fatal(err)
					}
					c.br = bufio.NewReader(res.Body)
				}
				if line, err := c.br.ReadString('\n'); line != fmt.Sprintf("data: %d\n", n) {
					t.Fatal(line, err)
				}
			}
			close(more)
			c.ends()
		})
	}
}

func TestEndlessStreamEndsWithItsClient(t *testing.T) {
	r := newRig(t, nil)
	over := make(chan struct{})
	r.worker(func(c net.Conn) {
		defer close(over)
		if _, err := readRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := io.WriteString(c, "1\r\nx\r\n"); err != nil {
				return
			}
		}
	})
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	c.br.ReadByte()
	c.Close()
	testkit.Closed(t, 10*time.Second, over)
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 && r.inFlight() == 0 })
	if d := r.dropped(); len(d) > 0 {
		t.Fatalf("dropped: %v", d)
	}
}

// pieces serves answers of n pieces, and counts what the worker could write.
func pieces(form string, piece string, n int, written *atomic.Int64) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := readRequest(br)
			if err != nil {
				return
			}
			if req.URL.Path != "/big" {
				io.WriteString(c, ok("small"))
				continue
			}
			switch form {
			case "length":
				fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n*len(piece))
			case "chunked":
				io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			default:
				io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			}
			for range n {
				if form == "chunked" {
					_, err = fmt.Fprintf(c, "%x\r\n%s\r\n", len(piece), piece)
				} else {
					_, err = io.WriteString(c, piece)
				}
				if err != nil {
					return
				}
				written.Add(int64(len(piece)))
			}
			switch form {
			case "chunked":
				io.WriteString(c, "0\r\n\r\n")
			case "close":
				return
			}
		}
	}
}

var piece = strings.Repeat("0123456789abcdef", 1<<10) // 16 KB

// A slow reader holds no worker while its answer fits the spool.
func TestSpoolTakesTheAnswer(t *testing.T) {
	for _, form := range []string{"length", "chunked", "close"} {
		t.Run(form, func(t *testing.T) {
			r := newRig(t, func(o *proxy.Options) { o.Config.Limits.Buffer = 4 << 10 })
			var written atomic.Int64
			r.worker(pieces(form, piece, 100, &written))
			slow := r.dialUnix()
			slow.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
			r.dial().get("/", 200, "small")
			if res, body := slow.read("GET"); res.StatusCode != 200 || body != strings.Repeat(piece, 100) {
				t.Fatalf("%s with %d bytes", res.Status, len(body))
			}
			slow.get("/", 200, "small")
		})
	}
}

// Beyond the spool's bound the worker waits for the client, and that is not held
// against it.
func TestSpoolReachesItsBound(t *testing.T) {
	for _, form := range []string{"length", "chunked", "close"} {
		t.Run(form, func(t *testing.T) {
			r := newRig(t, func(o *proxy.Options) {
				o.Config.Limits.Buffer, o.Config.Limits.ResponseSpool = 4<<10, 64<<10
				o.Config.Timeouts.Read = 300 * time.Millisecond
			})
			var written atomic.Int64
			r.worker(pieces(form, piece, 100, &written))
			slow := r.dialUnix()
			slow.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
			begin, last := time.Now(), int64(-1)
			testkit.Eventually(t, testkit.Timeout, func() bool { // until it has stood still beyond the read timeout
				if n := written.Load(); n != last {
					begin, last = time.Now(), n
				}
				return time.Since(begin) > 700*time.Millisecond && last > 0
			})
			if last >= int64(100*len(piece)) || r.inFlight() != 1 {
				t.Fatalf("%d bytes written, %d in flight", last, r.inFlight())
			}
			if res, body := slow.read("GET"); res.StatusCode != 200 || body != strings.Repeat(piece, 100) {
				t.Fatalf("%s with %d bytes", res.Status, len(body))
			}
			slow.get("/", 200, "small")
			if d := r.dropped(); len(d) > 0 {
				t.Fatalf("dropped: %v", d)
			}
		})
	}
}

func TestClientThatTakesNothingIsCut(t *testing.T) {
	for _, spool := range []int64{64 << 10, 64 << 20} {
		t.Run(fmt.Sprintf("spool of %d", spool), func(t *testing.T) {
			r := newRig(t, func(o *proxy.Options) {
				o.Config.Limits.Buffer, o.Config.Limits.ResponseSpool = 4<<10, spool
				o.Config.Timeouts.ClientWrite = 200 * time.Millisecond
			})
			var written atomic.Int64
			r.worker(pieces("chunked", piece, 100, &written))
			slow := r.dialUnix()
			slow.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
			testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Answered == 1 && r.server.Stats().Connections == 0 })
			if _, err := http.ReadResponse(slow.br, nil); err == nil {
				if b, err := io.ReadAll(slow.br); err == nil && strings.HasSuffix(string(b), "\r\n0\r\n\r\n") {
					t.Fatalf("the whole answer came: %d bytes", len(b))
				}
			}
			r.dial().get("/", 200, "small")
		})
	}
}

// A client that leaves in the middle of a large answer costs the worker nothing.
func TestClientLeavesWithinTheAnswer(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		o.Config.Limits.Buffer, o.Config.Limits.ResponseSpool = 4<<10, 64<<10
	})
	var written atomic.Int64
	r.worker(pieces("length", piece, 100, &written))
	for range 5 {
		c := r.dialUnix()
		c.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
		c.br.ReadByte()
		c.Close()
		r.dial().get("/", 200, "small")
	}
	if d := r.dropped(); len(d) > 0 {
		t.Fatalf("dropped: %v", d)
	}
}
