package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// resting returns a rig with one worker whose lease waits on its connection, and counts the
// connections that the worker was given.
func resting(t *testing.T) (r *rig, c *client, opened *atomic.Int32) {
	r, opened = newRig(t, nil), new(atomic.Int32)
	serve := handler(echo)
	r.worker(func(c net.Conn) {
		opened.Add(1)
		serve(c)
	})
	c = r.dial()
	for range 3 {
		c.get("/", 200, "")
	}
	r.idleSlots(1)
	return r, c, opened
}

// A request that is given by another than its submitter reaches a lease that rests.
func TestRestingLeaseIsRoused(t *testing.T) {
	r, c, opened := resting(t)
	p, w := r.server.Pool(), r.workers[0]
	for range 3 {
		if err := p.Drain(w); err != nil {
			t.Fatal(err)
		}
		c.write("GET /drained HTTP/1.1\r\nHost: a\r\n\r\n")
		testkit.Eventually(t, testkit.Timeout, func() bool { return p.Snapshot(r.server.Now()).QueueLength == 1 }, "a request that waits")
		if err := p.Resume(w); err != nil {
			t.Fatal(err)
		}
		if res, body := c.read("GET"); res.StatusCode != 200 || !strings.Contains(body, "GET /drained") {
			t.Fatalf("%d %q", res.StatusCode, body)
		}
		c.get("/", 200, "")
		r.idleSlots(1)
	}
	if n := opened.Load(); n != 1 {
		t.Fatalf("%d connections, want 1", n)
	}
}

// A lease that has rested too long opens a new connection.
func TestRestEnds(t *testing.T) {
	r, c, opened := resting(t)
	since := r.server.Now()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Now()-since > 1100*time.Millisecond }, "a connection that is too old")
	c.get("/late", 200, "GET /late")
	if n := opened.Load(); n != 2 {
		t.Fatalf("%d connections, want 2", n)
	}
}

// What does not go into the worker's socket at once is written by the lease itself.
func TestRestingLeaseTakesLongRequests(t *testing.T) {
	_, c, opened := resting(t)
	for _, size := range []int{1 << 10, 60 << 10, 300 << 10, 3 << 20} {
		body := strings.Repeat("b", size)
		c.write(fmt.Sprintf("POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, body))
		if res, answer := c.read("POST"); res.StatusCode != 200 || answer != "POST /long "+body {
			t.Fatalf("%d bytes: %d, %d bytes back", size, res.StatusCode, len(answer))
		}
		c.get("/", 200, "")
	}
	if n := opened.Load(); n != 1 {
		t.Fatalf("%d connections, want 1", n)
	}
}

// What a look at the app's files takes counts into the age of the worker's connection.
func TestRestingLeaseIsAsOldAsItIs(t *testing.T) {
	var r *rig
	var slow atomic.Bool
	r = newRig(t, func(o *proxy.Options) {
		o.Fresh = func() *proxy.Page {
			if slow.Load() {
				since := r.server.Now()
				testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Now()-since > 1100*time.Millisecond }, "a look that takes long")
			}
			return nil
		}
	})
	var opened atomic.Int32
	serve := handler(echo)
	r.worker(func(c net.Conn) {
		opened.Add(1)
		serve(c)
	})
	c := r.dial()
	for range 3 {
		c.get("/", 200, "")
	}
	r.idleSlots(1)
	slow.Store(true)
	c.get("/late", 200, "GET /late")
	if n := opened.Load(); n != 2 {
		t.Fatalf("%d connections, want 2", n)
	}
}
