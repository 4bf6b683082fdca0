package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// A client that resets a stream has left: its request leaves the queue; one that runs
// keeps its worker until that has answered.
func TestStreamsThatAreReset(t *testing.T) {
	r := newSecureRig(t, nil)
	free := r.stuck()
	f := r.frames()
	running := f.ask("GET", "/running", false) // alone: streams that come together take the worker in any order
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.inFlight() == 1 })
	waiting, last := f.ask("GET", "/waiting", false), f.ask("GET", "/last", false)
	counts := func() (waits int, left uint64) {
		snap := r.server.Pool().Snapshot(r.server.Now())
		return snap.QueueLength, snap.Counts.Left
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { n, _ := counts(); return n == 2 })
	for _, id := range []uint32{running, waiting} {
		if err := f.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { n, left := counts(); return n == 1 && left == 1 })
	if r.inFlight() != 1 {
		t.Error("the worker was taken from a request that runs")
	}
	free()
	f.status(last, "200")
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Streams == 0 })
}

// More open streams than limits.streams are refused, and more than limits.connections, on
// all connections together, are answered 503.
func TestStreamBounds(t *testing.T) {
	s := newStreamSiege(t, func(o *proxy.Options) { o.Config.Limits.Streams, o.Config.Limits.Connections = 3, 4 })
	free := s.stuck()
	f, g := s.frames(), s.frames()
	var ids []uint32
	for range 3 {
		ids = append(ids, f.ask("GET", "/", false))
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.server.Stats().Streams == 3 })
	f.reset(f.ask("GET", "/", false), http2.ErrCodeRefusedStream)
	s.told("limits.streams", 1)
	ids = append(ids, g.ask("GET", "/", false))
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.server.Stats().Streams == 4 })
	g.status(g.ask("GET", "/", false), "503")
	s.told("limits.connections", 1)
	free()
	for _, id := range ids[:3] {
		f.status(id, "200")
	}
	g.status(ids[3], "200")
}

// Whoever is slow is cut off by the same time-outs as in HTTP/1.
func TestStreamTimeouts(t *testing.T) {
	const short = 300 * time.Millisecond
	with := func(change func(*config.Timeouts)) *siege {
		return newStreamSiege(t, func(o *proxy.Options) { change(&o.Config.Timeouts) })
	}
	t.Run("no first words", func(t *testing.T) {
		s := with(func(c *config.Timeouts) { c.ClientHeader = short })
		if b, err := io.ReadAll(s.silent()); err != nil {
			t.Errorf("%q, %v", b, err)
		}
		s.told("timeouts.client_header", 1)
	})
	t.Run("half a head", func(t *testing.T) {
		s := with(func(c *config.Timeouts) { c.ClientHeader = short })
		f := s.frames()
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block("GET", "/")}); err != nil {
			t.Fatal(err)
		}
		f.closed()
		s.told("timeouts.client_header", 1)
	})
	t.Run("half a frame", func(t *testing.T) {
		s := with(func(c *config.Timeouts) { c.ClientHeader = short })
		f := s.frames()
		if _, err := f.conn.Write([]byte{0, 0, 99, byte(http2.FrameHeaders), 0}); err != nil {
			t.Fatal(err)
		}
		f.closed()
		s.told("timeouts.client_header", 1)
	})
	t.Run("idle", func(t *testing.T) {
		s := with(func(c *config.Timeouts) { c.ClientIdle = short })
		s.worker(handler(echo))
		f := s.frames()
		f.status(f.ask("GET", "/", false), "200")
		if got := f.goAway(http2.ErrCodeNo); got.last != 1<<31-1 {
			t.Errorf("the first word names stream %d", got.last)
		}
		// What crosses it is served.
		f.status(f.ask("GET", "/", false), "200")
		if got := f.goAway(http2.ErrCodeNo); got.last != 3 {
			t.Errorf("the last word names stream %d", got.last)
		}
		f.closed()
	})
	for _, buffering := range []bool{true, false} {
		t.Run(fmt.Sprintf("half a body, buffering=%v", buffering), func(t *testing.T) {
			s := newStreamSiege(t, func(o *proxy.Options) {
				o.Config.Timeouts.ClientBody, o.Config.Proxy.RequestBuffering = short, buffering
			})
			s.worker(handler(echo))
			f := s.frames()
			id := f.ask("POST", "/", true)
			if err := f.WriteData(id, false, []byte("half")); err != nil {
				t.Fatal(err)
			}
			f.status(id, "408")
			s.told("timeouts.client_body", 1)
			f.status(f.ask("GET", "/", false), "200")
		})
	}
	t.Run("takes nothing", func(t *testing.T) {
		s := with(func(c *config.Timeouts) { c.ClientWrite = short })
		s.worker(handler(func(*http.Request) string { return ok(strings.Repeat("x", 1<<20)) }))
		f := s.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		id := f.ask("GET", "/", false)
		f.status(id, "200")
		f.reset(id, http2.ErrCodeInternal)
		s.told("timeouts.client_write", 1)
	})
}

// A slow reader holds no worker, and its answer is in a file meanwhile.
func TestStreamsOfSlowReaders(t *testing.T) {
	s := newStreamSiege(t, nil)
	body := strings.Repeat("0123456789abcdef", 1<<16)
	s.worker(handler(func(*http.Request) string { return ok(body) }))
	f := s.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	var ids []uint32
	for range 8 {
		ids = append(ids, f.ask("GET", "/", false))
	}
	for _, id := range ids {
		f.status(id, "200")
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.inFlight() == 0 })
	if files, err := os.ReadDir(s.spool); err != nil || len(files) != 0 {
		t.Errorf("files with names: %v, %v", files, err)
	}
	got := map[uint32]*strings.Builder{}
	for _, id := range ids {
		got[id] = &strings.Builder{}
		if err := f.WriteWindowUpdate(id, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.WriteWindowUpdate(0, 8<<20); err != nil {
		t.Fatal(err)
	}
	for ended := 0; ended < len(ids); {
		fr := f.await(func(fr answerFrame) bool { return fr.Type == http2.FrameData })
		got[fr.StreamID].WriteString(fr.data)
		if fr.Flags.Has(http2.FlagDataEndStream) {
			ended++
		}
	}
	for id, b := range got {
		if b.String() != body {
			t.Errorf("stream %d got %d bytes", id, b.Len())
		}
	}
}

// An answer that breaks off must not look whole.
func TestStreamsThatBreakOff(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
	})
	f := r.frames()
	id := f.ask("GET", "/", false)
	f.status(id, "200")
	f.reset(id, http2.ErrCodeInternal)
}

// Bodies that are too long or too short.
func TestStreamBodiesOfOtherLengths(t *testing.T) {
	s := newStreamSiege(t, func(o *proxy.Options) { o.Config.Limits.Body = 1000 })
	s.worker(handler(echo))
	f := s.frames()
	f.status(f.ask("POST", "/", true, "content-length", "1001"), "413")
	id := f.ask("POST", "/", true)
	if err := f.WriteData(id, false, make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	f.status(id, "413")
	s.told("limits.body", 2)
	id = f.ask("POST", "/", true, "content-length", "10")
	if err := f.WriteData(id, true, []byte("short")); err != nil {
		t.Fatal(err)
	}
	f.status(id, "400")
	id = f.ask("POST", "/", true, "content-length", "3")
	if err := f.WriteData(id, true, []byte("long")); err != nil {
		t.Fatal(err)
	}
	f.reset(id, http2.ErrCodeProtocol)
	f.status(f.ask("GET", "/", false), "200")
}

// The access record names the protocol.
func TestAccessLineOfAStream(t *testing.T) {
	var lines lockedBuffer
	access := journal.NewAccessLog(journal.AccessOptions{Mode: "json", Out: &lines, App: "test"})
	r := newSecureRig(t, func(o *proxy.Options) { o.Access = access })
	r.worker(handler(echo))
	r.fetch(r.browser(), "POST", "/x?y", strings.NewReader("body"), 200, "body")
	r.stop(testkit.Timeout)
	if err := access.Close(); err != nil {
		t.Fatal(err)
	}
	got := lines.String()
	for _, part := range []string{`"proto":"HTTP/2.0","tls":"1.3"`, `"127.0.0.1"`, `"path":"/x?y"`} {
		if !strings.Contains(got, part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
}

// A stop drops no request: it tells the client, serves what is on its way, and ends.
func TestStopWithStreams(t *testing.T) {
	r := newSecureRig(t, nil)
	free := r.stuck()
	f := r.frames()
	running, waiting := f.ask("GET", "/running", false), f.ask("GET", "/waiting", false)
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Streams == 2 && r.inFlight() == 1 })
	stopped := make(chan proxy.StopReport, 1)
	go func() { stopped <- r.stop(testkit.Timeout) }()
	if got := f.goAway(http2.ErrCodeNo); got.last != 1<<31-1 {
		t.Errorf("the first word names stream %d", got.last)
	}
	crossing := f.ask("GET", "/crossing", false)
	if got := f.goAway(http2.ErrCodeNo); got.last != crossing {
		t.Errorf("the last word names stream %d", got.last)
	}
	free()
	for _, id := range []uint32{running, waiting, crossing} {
		f.status(id, "200")
	}
	f.closed()
	report := testkit.Receive(t, testkit.Timeout, stopped)
	if report.Answered != 3 || report.Cut != 0 || report.Refused != 0 {
		t.Errorf("%+v", report)
	}
}

// Under load from clients that keep to the rules, no request fails while one ripd leaves
// and another takes its place on the same listener.
func TestLeaveUnderStreams(t *testing.T) {
	r := newSecureRig(t, func(o *proxy.Options) { o.Config.Queue.Size = 64 })
	r.worker(handler(echo))
	ctx, cancel := context.WithCancel(context.Background())
	var asked, failed atomic.Int64
	var wg sync.WaitGroup
	c := r.browser()
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				res, err := c.Get("https://test.example/")
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
				if err != nil || res.StatusCode != 200 {
					// The listener is closed in the end: that is no failure of a request.
					if err != nil && strings.Contains(err.Error(), "connection refused") {
						return
					}
					failed.Add(1)
					t.Errorf("%v %v", err, res)
					return
				}
				asked.Add(1)
			}
		})
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return asked.Load() > 200 })
	report := r.stop(testkit.Timeout)
	cancel()
	wg.Wait()
	if report.Cut != 0 || report.Refused != 0 || failed.Load() != 0 {
		t.Errorf("%+v, %d failed of %d", report, failed.Load(), asked.Load())
	}
}
