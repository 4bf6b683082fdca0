package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// unbuffered turns request buffering off.
func unbuffered(o *proxy.Options) { o.Config.Proxy.RequestBuffering = false }

// The worker gets each piece before the client sends the next.
func TestBodyPassesAsItComes(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked=%v", chunked), func(t *testing.T) {
			r := newRig(t, unbuffered)
			came := make(chan string)
			r.worker(func(c net.Conn) {
				br := bufio.NewReader(c)
				for {
					req, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					if (req.ContentLength < 0) != (req.URL.Path == "/chunked") {
						t.Errorf("the worker's head has length %d", req.ContentLength)
					}
					four := make([]byte, 4)
					for {
						if _, err := io.ReadFull(req.Body, four); err != nil {
							break
						}
						came <- string(four)
					}
					io.WriteString(c, ok("done"))
				}
			})
			c := r.dial()
			for range 3 {
				if chunked {
					c.write("POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
				} else {
					c.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n")
				}
				for n := range 3 {
					piece := fmt.Sprintf("p%03d", n)
					if chunked {
						c.write("4\r\n" + piece + "\r\n")
					} else {
						c.write(piece)
					}
					if got := testkit.Receive(t, testkit.Timeout, came); got != piece {
						t.Fatal(got)
					}
				}
				if chunked {
					c.write("0\r\n\r\n")
				}
				// The client has sent everything, so the connection stays.
				if res, body := c.read("POST"); res.Close || body != "done" {
					t.Fatal(res, body)
				}
			}
			c.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
			if res, _ := c.read("POST"); res.StatusCode != 100 {
				t.Fatal(res)
			}
			c.Close()
		})
	}
}

// A client that leaves the queue is noticed, though its body is not read yet.
func TestClientLeavesTheQueueWithABody(t *testing.T) {
	r := newRig(t, unbuffered)
	c := r.dial()
	c.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
	waiting := func(n int) func() bool {
		return func() bool { return r.server.Pool().Snapshot(r.server.Now()).QueueLength == n }
	}
	testkit.Eventually(t, testkit.Timeout, waiting(1))
	c.Close()
	testkit.Eventually(t, 5*time.Second, waiting(0))
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 })
}

// A client that leaves in the middle never lets the worker take a part for the
// whole, and the worker stays.
func TestClientLeavesWithinTheBody(t *testing.T) {
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabcde",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n800001\r\n",
	} {
		r := newRig(t, unbuffered)
		got := make(chan error, 1)
		begun := make(chan struct{}, 1)
		r.worker(handler(func(req *http.Request) string {
			if req.URL.Path == "/" {
				if _, err := io.ReadFull(req.Body, make([]byte, 5)); err == nil {
					begun <- struct{}{}
				}
				_, err := io.ReadAll(req.Body)
				got <- err
			}
			return ok("fine")
		}))
		c := r.dial()
		c.write(request)
		testkit.Receive(t, testkit.Timeout, begun)
		switch {
		case strings.HasSuffix(request, "zz\r\n"):
			c.refusedWith(400)
		case strings.HasSuffix(request, "800001\r\n"):
			go io.Copy(c, strings.NewReader(strings.Repeat("x", 8<<20+1))) // ends with the connection
			if res, err := http.ReadResponse(c.br, nil); err != nil || res.StatusCode != 413 {
				t.Fatal(res, err)
			}
		default:
			c.Close()
		}
		if err := testkit.Receive(t, testkit.Timeout, got); err == nil {
			t.Fatal("the worker took a part for the whole")
		}
		r.dial().get("/next", 200, "fine")
		if d := r.dropped(); len(d) > 0 {
			t.Fatalf("dropped: %v", d)
		}
	}
}

// What follows an early answer is a body, and never a request.
func TestEarlyAnswerToBodyThatComes(t *testing.T) {
	r := newRig(t, unbuffered)
	served := make(chan string, 10)
	r.worker(func(c net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		served <- req.RequestURI
		io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	})
	c := r.dial()
	c.write("POST /first HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
	if res, body := c.read("POST"); res.StatusCode != 403 || body != "no" || !res.Close {
		t.Fatal(res, body)
	}
	io.WriteString(c, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n") // the connection may have ended
	c.Close()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 })
	if len(served) != 1 {
		t.Fatalf("%d requests were served", len(served))
	}
}

// A stream that answers a body that was passed on is not hanging while it goes on.
func TestLongAnswerToBodyThatCame(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		unbuffered(o)
		o.Config.Timeouts.Read = 500 * time.Millisecond
	})
	r.worker(func(c net.Conn) {
		if _, err := readRequest(bufio.NewReader(c)); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range 30 {
			<-tick.C
			if _, err := io.WriteString(c, "1\r\nx\r\n"); err != nil {
				return
			}
		}
		io.WriteString(c, "0\r\n\r\n")
	})
	c := r.dial()
	c.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.inFlight() == 1 })
	c.write("bc")
	if _, body := c.read("POST"); body != strings.Repeat("x", 30) {
		t.Fatal(body)
	}
	if d := r.dropped(); len(d) > 0 {
		t.Fatalf("dropped: %v", d)
	}
}
