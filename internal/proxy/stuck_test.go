package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// talker is a worker that agrees to a WebSocket and then sends a message each 20 ms.
// It reads as slowly as read says: bytes each time; 0 is nothing.
func talker(read int) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReaderSize(c, 16) // it takes nothing ahead
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		if _, err := io.WriteString(c, switching(req.Header.Get("Sec-WebSocket-Key"))); err != nil {
			return
		}
		message := frame{fin: true, op: opText, data: []byte("still here")}.append(nil)
		for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
			if _, err := c.Write(message); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, br, int64(read)); err != nil {
				return
			}
		}
	}
}

// fill sends until nothing is taken any more, or the end, while it reads. It gives
// the code of the close frame, and how much was sent.
func (s *socket) fill(most int) (code string, sent int) {
	s.t.Helper()
	done := make(chan int, 1)
	go func() {
		n := 0
		for piece := (frame{fin: true, op: opBinary, masked: true, data: bytes.Repeat([]byte("x"), 32<<10)}).append(nil); n < most; n += len(piece) {
			if _, err := s.Write(piece); err != nil {
				break
			}
		}
		done <- n
	}()
	for {
		f, err := readFrame(s.br)
		if err != nil {
			s.t.Fatalf("it ended without a close frame: %v", err)
		}
		if f.op == opClose {
			s.Conn.Close()
			return string(f.data), testkit.Receive(s.t, testkit.Timeout, done)
		}
	}
}

// A worker that sends and never reads: its client, who sends, is not kept for ever.
func TestWorkerDoesNotReadItsTunnel(t *testing.T) {
	var m *metrics.Metrics
	bothWays(t, func(o *proxy.Options) {
		o.Config.Timeouts.UpgradeIdle = 300 * time.Millisecond
		m = o.Metrics
	}, func(t *testing.T, r *rig) {
		r.worker(talker(0))
		code, sent := r.socket().fill(1 << 30)
		if code != "\x03\xe9" || sent > 64<<20 {
			t.Errorf("closed with %q after %d bytes", code, sent)
		}
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(w.Body.String(), `ripd_limit_hits_total{app="test",limit="timeouts.upgrade_idle"} 1`) {
			t.Error("it is not among the metrics")
		}
		testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Upgraded == 0 })
	})
}

// One that reads slowly is not stuck, though a piece may take longer than the bound.
func TestWorkerReadsItsTunnelSlowly(t *testing.T) {
	bothWays(t, func(o *proxy.Options) { o.Config.Timeouts.UpgradeIdle = 1500 * time.Millisecond }, func(t *testing.T, r *rig) {
		r.worker(talker(2 << 10)) // 100 KB a second
		s := r.socket()
		go func() {
			piece := frame{fin: true, op: opBinary, masked: true, data: bytes.Repeat([]byte("x"), 32<<10)}.append(nil)
			for range 64 { // some seconds of it are beyond what the sockets hold
				if _, err := s.Write(piece); err != nil {
					return
				}
			}
		}()
		for range 150 { // three seconds
			s.want(true, opText, []byte("still here"))
		}
	})
}
