package proxy_test

import (
	"bufio"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

const (
	plainRequest = "GET /ping?x=1 HTTP/1.1\r\nHost: test.example\r\nUser-Agent: test/1.0\r\nAccept: */*\r\nCookie: a=1; b=2\r\n\r\n"
	plainAnswer  = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\npong"
)

// plainWorker answers each request, which comes in one piece, without allocating.
func plainWorker(c net.Conn) {
	buf := make([]byte, 4096)
	answer := []byte(plainAnswer)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// pinger sends plain requests without allocating. All answers have one length.
type pinger struct {
	conn    net.Conn
	request []byte
	answer  []byte
}

func newPinger(tb testing.TB, c *client) *pinger {
	c.write(plainRequest)
	if _, err := c.br.Peek(1); err != nil {
		tb.Fatal(err)
	}
	n := c.br.Buffered()
	if b, err := c.br.Peek(n); err != nil || !strings.HasSuffix(string(b), "pong") {
		tb.Fatalf("%q %v", b, err)
	}
	return &pinger{c.Conn, []byte(plainRequest), make([]byte, n)}
}

func (p *pinger) ping(tb testing.TB) {
	if _, err := p.conn.Write(p.request); err != nil {
		tb.Fatal(err)
	}
	if _, err := io.ReadFull(p.conn, p.answer); err != nil {
		tb.Fatal(err)
	}
}

// The common way of a request allocates nothing.
func TestExchangeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so that the buffers are allocated anew")
	}
	r := newRig(t, nil)
	r.worker(plainWorker)
	p := newPinger(t, r.dial())
	for range 100 {
		p.ping(t)
	}
	const requests = 10_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		p.ping(t)
	}
	runtime.ReadMemStats(&after)
	// A reconnection after a second without processor time, the Date of each
	// second, and buffers that a collection took are all that may allocate.
	if n := after.Mallocs - before.Mallocs; n > requests/10 {
		t.Errorf("%d allocations in %d requests", n, requests)
	}
}

// idleCost bounds what an idle connection that has served a request costs, in
// bytes of heap and stacks, of both ends: the test holds the client's in this
// process, too.
const idleCost = 10 << 10

func TestIdleConnectionsCostLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory counts")
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(10_000, int(limit.Cur)/2-200) // two descriptors each
	r := newRig(t, func(o *proxy.Options) {
		o.Config.Limits.Connections, o.Config.Timeouts.ClientIdle = n+10, time.Hour
	})
	r.worker(plainWorker)
	first := newPinger(t, r.dialUnix())
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools give their memory back after the second
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := used()
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	p := *first
	for range n {
		c, err := net.Dial("unix", r.dir+"/clients.sock")
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		p.conn = c
		p.ping(t)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Idle >= n })
	each := (int64(used()) - int64(before)) / int64(n)
	t.Logf("%d connections, %d bytes each", n, each)
	if each > idleCost {
		t.Errorf("an idle connection costs %d bytes", each)
	}
}

// BenchmarkExchange is one client with one worker, Unix likewise without TCP;
// Parallel has 64 clients and 4 workers.
func BenchmarkExchange(b *testing.B) {
	r := newBenchRig(b)
	r.worker(plainWorker)
	p := newPinger(b, r.dial())
	b.ReportAllocs()
	for b.Loop() {
		p.ping(b)
	}
}

func BenchmarkExchangeUnix(b *testing.B) {
	r := newBenchRig(b)
	r.worker(plainWorker)
	c := r.dialUnix()
	p := newPinger(b, c)
	b.ReportAllocs()
	for b.Loop() {
		p.ping(b)
	}
}

func BenchmarkExchangeParallel(b *testing.B) {
	r := newBenchRig(b)
	for range 4 {
		r.worker(plainWorker)
	}
	b.ReportAllocs()
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		p := newPinger(b, &client{b, c, bufio.NewReader(c)})
		for pb.Next() {
			p.ping(b)
		}
	})
}

func newBenchRig(b *testing.B) *rig {
	return newRig(b, func(o *proxy.Options) { o.Config.Queue.Size = 1024 })
}
