package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// An idle connection gets both of its last words before it ends.
func TestStopTellsIdleStreams(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(echo))
	var idle []*framer
	for range 20 {
		f := r.frames()
		f.status(f.ask("GET", "/", false), "200")
		idle = append(idle, f)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Streams == 0 })
	go r.stop(testkit.Timeout)
	for _, f := range idle {
		if got := f.goAway(http2.ErrCodeNo); got.last != 1<<31-1 {
			t.Errorf("the first word names stream %d", got.last)
		}
		if got := f.goAway(http2.ErrCodeNo); got.last != 1 {
			t.Errorf("the last word names stream %d", got.last)
		}
		f.closed()
	}
}

// heldConn reads nothing until its gate is closed.
type heldConn struct {
	net.Conn
	gate chan struct{}
}

func (h *heldConn) Read(b []byte) (int, error) {
	<-h.gate
	return h.Conn.Read(b)
}

// A stop does not cut what a slow client has still to take of answers that are complete.
func TestStopWaitsForSlowStreams(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(func(req *http.Request) string {
		var n int
		_, _ = fmt.Sscanf(req.URL.Path, "/%d", &n)
		return ok(strings.Repeat("x", n))
	}))
	_ = r.dialUnix() // it makes the listener
	var slow []*framer
	gate := make(chan struct{})
	sizes := []int{100 << 10, 200 << 10, 250 << 10, 300 << 10, 350 << 10, 500 << 10}
	for _, n := range sizes {
		c, err := net.Dial("unix", r.dir+"/clients.sock")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		cfg := r.cert.Client("test.example")
		cfg.NextProtos = []string{"h2"}
		secure := tls.Client(c, cfg)
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		f := r.framesOver(&heldConn{secure, gate}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
		if err := f.WriteWindowUpdate(0, 1<<20); err != nil {
			t.Fatal(err)
		}
		f.ask("GET", fmt.Sprintf("/%d", n), false)
		slow = append(slow, f)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool {
		return r.server.Pool().Snapshot(r.server.Now()).Counts.Leases == uint64(len(sizes)) && r.inFlight() == 0
	})
	stopped := make(chan proxy.StopReport, 1)
	begun := time.Now()
	go func() { stopped <- r.stop(testkit.Timeout) }()
	// net/http gives a connection without streams up after a second and a half.
	testkit.Eventually(t, testkit.Timeout, func() bool { return time.Since(begun) > 2500*time.Millisecond })
	close(gate)
	for i, f := range slow {
		got, away := 0, false
		for fr := range f.read {
			got += len(fr.data)
			away = away || fr.Type == http2.FrameGoAway
		}
		if got != sizes[i] || !away {
			t.Errorf("%d bytes of %d came, GOAWAY %v", got, sizes[i], away)
		}
	}
	if report := testkit.Receive(t, testkit.Timeout, stopped); report.Cut != 0 {
		t.Errorf("%+v", report)
	}
}

// A worker that takes a body slowly is no fault of the client.
func TestStreamBodiesWaitForTheirWorker(t *testing.T) {
	const short = 300 * time.Millisecond
	s := newStreamSiege(t, func(o *proxy.Options) {
		o.Config.Proxy.RequestBuffering, o.Config.Timeouts.ClientBody = false, short
	})
	s.worker(func(c net.Conn) {
		br := bufio.NewReader(c)
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		begun := time.Now()
		testkit.Eventually(t, testkit.Timeout, func() bool { return time.Since(begun) > 4*short })
		n, err := io.Copy(io.Discard, req.Body)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, ok(fmt.Sprint(n)))
	})
	body := bytes.Repeat([]byte("x"), 3<<20)
	s.fetch(s.browser(), "PUT", "/", bytes.NewReader(body), 200, fmt.Sprint(len(body)))
}

// A field that the head tells of as a trailer, and has itself, comes where the worker
// sent it.
func TestStreamsKeepFieldsAndTrailersApart(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(func(req *http.Request) string {
		end := ""
		if req.URL.Path == "/both" {
			end = "X-Sum: end\r\n"
		}
		return "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nX-Sum: head\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n" + end + "\r\n"
	}))
	c := r.browser()
	for path, want := range map[string]string{"/head": "", "/both": "end"} {
		req, _ := http.NewRequest("GET", "https://test.example"+path, nil)
		req.Header.Set("TE", "trailers")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.Header.Get("X-Sum") != "head" || len(res.Header["X-Sum"]) != 1 || res.Trailer.Get("X-Sum") != want {
			t.Errorf("%s: head %v, trailer %v, %v", path, res.Header, res.Trailer, err)
		}
	}
}

// A stream that is reset while an interim answer goes out leaves nothing behind that two
// goroutines use.
func TestStreamsResetWithinInterimAnswers(t *testing.T) {
	r := newSecureRig(t, nil)
	var hint strings.Builder
	hint.WriteString("HTTP/1.1 103 Early Hints\r\n")
	for i := range 60 {
		fmt.Fprintf(&hint, "X-%d: %s\r\n", i, strings.Repeat("x", 100))
	}
	hint.WriteString("\r\n")
	r.workerSlots(4, func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			if _, err := io.WriteString(c, hint.String()+hint.String()+ok("done")); err != nil {
				return
			}
		}
	})
	f := r.frames()
	var ids []uint32
	for range 40 {
		ids = append(ids, f.ask("GET", "/", false))
	}
	for range ids {
		got := f.await(func(fr answerFrame) bool { return fr.status == "103" })
		if err := f.WriteRSTStream(got.StreamID, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		if got := r.server.Stats().Streams; got == 0 {
			break
		}
	}
	f.conn.Close()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Streams == 0 && r.inFlight() == 0 })
	r.fetch(r.browser(), "GET", "/", nil, 200, "done")
}
