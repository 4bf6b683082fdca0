package proxy

import (
	"io"
	"net"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// hurriable is a connection without a goroutine, and its client. The server has no janitor.
func hurriable(t *testing.T) (*conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	s := &Server{clock: newClock(time.Now)}
	s.config.Store(&config.Config{Timeouts: config.Timeouts{ClientHeader: time.Hour, ClientIdle: time.Hour}})
	return newConn(s, nc, nil), client
}

// later moves the server's clock.
func (c *conn) later(by time.Duration) { c.srv.clock.start = c.srv.clock.start.Add(-by) }

// A head whose connection was to make room, and was not since it went on, has no more time
// than any other.
func TestHurriedHeadHasItsTimeOnly(t *testing.T) {
	c, client := hurriable(t)
	if _, err := io.WriteString(client, "GET / HT"); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, testkit.Timeout, c.pending)
	c.beginHead(c.srv.clock.now())
	due := c.deadline.Load()
	for range 3 {
		c.later(10 * time.Minute)
		if !c.hurry(time.Duration(due)) {
			t.Fatal("it is not hurried")
		}
		if c.lookAround(); c.deadline.Load() != due || c.phase.Load() != phaseHead {
			t.Fatalf("phase %d until %s, not %s", c.phase.Load(), time.Duration(c.deadline.Load()), time.Duration(due))
		}
	}
}

// A client that takes nothing of its last answer while its connection is to make room keeps
// its place for the time that it has without progress, and no longer. One that goes on has more.
func TestHurriedAnswerNeedsProgress(t *testing.T) {
	for _, takes := range []bool{false, true} {
		c, client := hurriable(t)
		_ = client.(*net.TCPConn).SetReadBuffer(64 << 10)
		if rest := c.out.trySend(make([]byte, 8<<20)); len(rest) == 0 {
			t.Fatal("the kernel takes everything")
		}
		due := c.deadline.Load()
		if !c.hurry(time.Duration(due)) {
			t.Fatal("it is not hurried")
		}
		if c.lookAround(); c.gone || c.phase.Load() != phaseClosing {
			t.Fatal("it ends at once")
		}
		if takes {
			left := unsent(c.raw)
			if _, err := io.CopyN(io.Discard, client, 1<<20); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return unsent(c.raw) < left })
		}
		c.later(lingerTime)
		if c.lookAround(); c.gone == takes {
			t.Errorf("takes %v: gone %v", takes, c.gone)
		}
	}
}
