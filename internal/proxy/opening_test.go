package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// heldLine is a client's connection that holds back what is to be sent, once it is told to.
type heldLine struct {
	net.Conn
	mu   sync.Mutex
	hold bool
	held []byte
}

func (p *heldLine) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.hold {
		return p.Conn.Write(b)
	}
	p.held = append(p.held, b...)
	return len(b), nil
}

// next sends n of the bytes that are held back; -1: all, and those that follow at once.
func (p *heldLine) next(t *testing.T, n int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n < 0 {
		n, p.hold = len(p.held), false
	}
	n = min(n, len(p.held))
	if _, err := p.Conn.Write(p.held[:n]); err != nil {
		t.Error(err)
	}
	p.held = p.held[n:]
}

func (p *heldLine) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

func (r *rig) dialHeld() *heldLine {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
	return &heldLine{Conn: c}
}

// The time of an idle connection ends neither in the middle of the record with the next
// request nor, when such a record brought none, later than it should.
func TestRecordsOfRequestsAreAwaited(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			r := newSecureRig(t, func(o *proxy.Options) { o.Config.Timeouts.ClientIdle = 300 * time.Millisecond })
			r.worker(handler(echo))
			settings := r.cert.Client("test.example")
			settings.MaxVersion = version
			line := r.dialHeld()
			c := &client{t, tls.Client(line, settings), nil}
			c.br = bufio.NewReader(c.Conn)
			c.get("/first", 200, "/first")
			line.hold = true
			c.write("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
			line.next(t, line.count()/2)
			idle := r.secureDial(r.cert.Client("test.example")) // its time ends later
			if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("an idle connection: %v", err)
			}
			line.next(t, -1)
			if _, body := c.read("GET"); body != "GET /second " {
				t.Errorf("%q", body)
			}
			c.ends()
		})
	}
}

// A stop leaves a client that is late with its handshake, and goes on with it, the time
// for it and for its request.
func TestStopAwaitsHandshakes(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(echo))
	still, line := r.dialHeld(), r.dialHeld()
	line.hold = true
	c := &client{t, tls.Client(line, r.cert.Client("test.example")), nil}
	c.br = bufio.NewReader(c.Conn)
	shaken := make(chan error, 1)
	go func() { shaken <- c.Conn.(*tls.Conn).Handshake() }()
	testkit.Eventually(t, testkit.Timeout, func() bool { return line.count() > 0 }, "a client's first words")
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 2 }, "two connections")
	stopped := make(chan proxy.StopReport, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
		defer cancel()
		stopped <- r.server.Stop(ctx)
	}()
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		_, _ = still.Read(make([]byte, 1)) // whatever the end is
	}()
	for over := false; !over && line.count() > 1; {
		line.next(t, 1)
		select {
		case <-cut:
			over = true
		case <-time.After(20 * time.Millisecond): // a slow line
		}
	}
	line.next(t, -1)
	if err := testkit.Receive(t, testkit.Timeout, shaken); err != nil {
		t.Fatal(err)
	}
	c.get("/late", 200, "/late")
	c.ends()
	c.Close()
	if report := testkit.Receive(t, testkit.Timeout, stopped); report.Cut > 0 {
		t.Errorf("%+v", report)
	}
}
