package proxy_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// released has the worker's event streams leave their slots.
const released = "Rip-Release: early\r\n"

// streaming allows streams without a slot.
func streaming(o *proxy.Options) {
	o.Config.Workers.Streams, o.Config.Timeouts.UpgradeDrain, o.Config.Timeouts.UpgradeIdle = 4, 0, 0
}

// streamOf opens an event stream and reads its first event. next makes the worker send one.
func streamOf(t *testing.T, r *rig, numbers chan<- int, fields string) (*client, *http.Response) {
	t.Helper()
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")
	res, err := http.ReadResponse(c.br, nil) // before there is an event
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Rip-Release") != "" {
		t.Fatal(res.Header)
	}
	numbers <- 1
	c.br = bufio.NewReader(decoder(t, res.Header.Get("Content-Encoding"), res.Body))
	c.event(1)
	return c, res
}

func (c *client) event(n int) {
	c.t.Helper()
	if line, err := c.br.ReadString('\n'); line != fmt.Sprintf("data: %d\n", n) {
		c.t.Fatal(line, err)
	}
}

// endsProperly wants the end of a body.
func (c *client) endsProperly() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); err != nil || len(b) > 0 {
		c.t.Fatalf("%q, %v", b, err)
	}
}

// isCut wants a body to break off.
func (c *client) isCut() {
	c.t.Helper()
	if b, err := io.ReadAll(c.br); err == nil {
		c.t.Fatalf("a proper end, behind %q", b)
	}
}

func (r *rig) streams(n int) {
	r.t.Helper()
	testkit.Eventually(r.t, testkit.Timeout, func() bool {
		total := 0
		for _, w := range r.server.Pool().Snapshot(r.server.Now()).Workers {
			total += w.Streams
		}
		return total == n && r.server.Stats().Released == n
	})
}

// events returns the channel of a worker, which is closed at the test's end.
func events(t *testing.T) (numbers chan int, stop func()) {
	numbers = make(chan int)
	return numbers, sync.OnceFunc(func() { close(numbers) })
}

func TestStreamLeavesItsSlot(t *testing.T) {
	for _, coding := range []string{"", "Accept-Encoding: gzip\r\n"} {
		bothWays(t, func(o *proxy.Options) { streaming(o); compressing(o) }, func(t *testing.T, r *rig) {
			numbers, stop := events(t)
			defer stop()
			w := r.worker(eventsWorker(numbers, released)) // one slot
			s, _ := streamOf(t, r, numbers, coding)
			c := r.dial()
			for n := range 3 {
				c.get(fmt.Sprintf("/%d", n), 200, fmt.Sprintf("plain /%d", n))
				numbers <- n
				s.event(n)
			}
			r.streams(1)
			if i := r.server.Pool().Info(w, r.server.Now()); i.InFlight != 0 || i.Handled != 4 {
				t.Fatalf("%+v", i)
			}
			stop()
			s.endsProperly()
			r.streams(0)
			if d := r.dropped(); len(d) > 0 {
				t.Fatal(d)
			}
		})
	}
}

// Beyond the bound, and without the field, a stream holds its slot.
func TestStreamsAreBounded(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { streaming(o); o.Config.Workers.Streams = 1 })
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	one, _ := streamOf(t, r, numbers, "")
	two := r.dial()
	two.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	res, err := http.ReadResponse(two.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	two.br = bufio.NewReader(res.Body)
	r.streams(1)
	if n := r.inFlight(); n != 1 {
		t.Fatalf("%d in flight", n)
	}
	stop()
	one.endsProperly()
	two.endsProperly()
	r.dial().get("/after", 200, "/after")
}

// With the setting no field is needed, where nobody knows how long the body becomes.
func TestReleaseAsASetting(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { streaming(o); o.Config.Workers.Release = config.ReleaseEarly })
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, ""))
	s, _ := streamOf(t, r, numbers, "")
	r.streams(1)
	r.dial().get("/plain", 200, "/plain")
	stop()
	s.endsProperly()
}

// A worker that retires ends its streams when their time is over: event streams
// properly, so that clients come again, others not.
func TestStreamOfRetiringWorkerIsEnded(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "application/x-ndjson"} {
		for _, fields := range []string{"", "Accept-Encoding: zstd\r\n"} {
			bothWays(t, func(o *proxy.Options) { streaming(o); compressing(o) }, func(t *testing.T, r *rig) {
				gone := make(chan struct{})
				w := r.worker(func(c net.Conn) {
					defer close(gone)
					br := bufio.NewReader(c)
					if _, err := readRequest(br); err != nil {
						return
					}
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: "+kind+"\r\nTransfer-Encoding: chunked\r\n"+released+"\r\n8\r\ndata: 1\n\r\n")
					_, _ = br.ReadByte() // until ripd has gone
				})
				c := r.dial()
				c.write("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")
				res, err := http.ReadResponse(c.br, nil)
				if err != nil {
					t.Fatal(err)
				}
				c.br = bufio.NewReader(decoder(t, res.Header.Get("Content-Encoding"), res.Body))
				c.event(1)
				r.streams(1)
				if err := r.server.Pool().Retire(w); err != nil {
					t.Fatal(err)
				}
				if kind == "text/event-stream" {
					c.endsProperly()
				} else {
					c.isCut()
				}
				testkit.Closed(t, testkit.Timeout, gone)
				testkit.Eventually(t, testkit.Timeout, func() bool { return len(r.idle()) == 1 })
			})
		}
	}
}

// Patience is kept, and a resumed worker keeps its streams.
func TestStreamOfDrainedWorkerWaits(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		streaming(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	})
	numbers, stop := events(t)
	defer stop()
	w := r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	if err := r.server.Pool().Drain(w); err != nil {
		t.Fatal(err)
	}
	if testkit.Within(600*time.Millisecond, func() bool { return r.server.Stats().Released != 1 }) {
		t.Fatal("the stream has gone")
	}
	numbers <- 2
	s.event(2)
}

// Code that has been replaced keeps no stream.
func TestStreamOfOldCodeIsEnded(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		streaming(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	})
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	r.server.Pool().Require(2)
	s.endsProperly()
}

func TestStreamIdleLimit(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { streaming(o); o.Config.Timeouts.UpgradeIdle = 300 * time.Millisecond })
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	s.endsProperly()
	if d := r.dropped(); len(d) > 0 {
		t.Fatal(d)
	}
}

// A silent stream is not a worker that hangs; with the slot it is.
func TestSilentStreamIsNoHang(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { streaming(o); o.Config.Timeouts.Read = 300 * time.Millisecond })
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	if testkit.Within(time.Second, func() bool { return r.server.Stats().Released != 1 }) {
		t.Fatal("the stream has gone")
	}
	numbers <- 2
	s.event(2)
}

// A worker that dies leaves a stream without a proper end, and others their worker.
func TestStreamOfWorkerThatBreaksOff(t *testing.T) {
	bothWays(t, streaming, func(t *testing.T, r *rig) {
		numbers, stop := events(t)
		defer stop()
		r.worker(eventsWorker(numbers, released))
		s, _ := streamOf(t, r, numbers, "")
		numbers <- -1
		s.isCut()
		r.streams(0)
		r.dial().get("/next", 200, "/next")
		if d := r.dropped(); len(d) > 0 {
			t.Fatal(d)
		}
	})
}

// The worker of a stream whose client leaves is told, be it silent or not, with its slot or
// without.
func TestClientLeavesAStream(t *testing.T) {
	for _, fields := range []string{released, ""} {
		bothWays(t, streaming, func(t *testing.T, r *rig) {
			told := make(chan struct{})
			r.worker(func(c net.Conn) {
				defer close(told)
				br := bufio.NewReader(c)
				if _, err := readRequest(br); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"+fields+"\r\n8\r\ndata: 1\n\r\n")
				_, _ = br.ReadByte() // says nothing more
			})
			c := r.dial()
			c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			res, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.br = bufio.NewReader(res.Body)
			c.event(1)
			c.Close()
			testkit.Closed(t, testkit.Timeout, told)
			testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == 0 && r.inFlight() == 0 })
			r.streams(0)
			if d := r.dropped(); len(d) > 0 {
				t.Fatal(d)
			}
		})
	}
}

// A stop ends streams at once; leaving to another process waits for them.
func TestStopEndsStreams(t *testing.T) {
	bothWays(t, func(o *proxy.Options) {
		streaming(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	}, func(t *testing.T, r *rig) {
		numbers, stop := events(t)
		defer stop()
		r.worker(eventsWorker(numbers, released))
		s, _ := streamOf(t, r, numbers, "")
		stopped := make(chan proxy.StopReport, 1)
		go func() { stopped <- r.stop(testkit.Timeout) }()
		s.endsProperly()
		s.Close()
		if report := testkit.Receive(t, testkit.Timeout, stopped); report.Cut != 0 {
			t.Fatalf("%+v", report)
		}
	})
}

func TestLeavingKeepsStreams(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		streaming(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	})
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	left := make(chan proxy.StopReport, 1)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	go func() { left <- r.server.Leave(ctx) }()
	if testkit.Within(600*time.Millisecond, func() bool { return r.server.Stats().Released != 1 }) {
		t.Fatal("the stream has gone")
	}
	numbers <- 2
	s.event(2)
	stop()
	s.endsProperly()
	s.Close()
	if report := testkit.Receive(t, testkit.Timeout, left); report.Cut != 0 {
		t.Fatalf("%+v", report)
	}
}

// A stop that has no time cuts them.
func TestStreamIsCutByAStopWithoutTime(t *testing.T) {
	r := newRig(t, streaming)
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	go r.stop(0)
	_, _ = io.ReadAll(s.br) // the proper end, or none
	r.streams(0)
}

// The record is written when the stream ends, with the bytes of all events.
func TestStreamIsRecorded(t *testing.T) {
	lines := make(chan string, 4)
	access := journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: lineWriter(lines), App: "test"})
	r := newRig(t, func(o *proxy.Options) { streaming(o); o.Access = access })
	t.Cleanup(func() { access.Close() })
	numbers, stop := events(t)
	defer stop()
	r.worker(eventsWorker(numbers, released))
	s, _ := streamOf(t, r, numbers, "")
	r.streams(1)
	numbers <- 2
	s.event(2)
	if len(lines) > 0 {
		t.Fatal("recorded too early")
	}
	stop()
	s.endsProperly()
	var rec map[string]any
	if err := json.Unmarshal([]byte(testkit.Receive(t, testkit.Timeout, lines)), &rec); err != nil {
		t.Fatal(err)
	}
	if rec["status"] != 200.0 || rec["bytes_out"] != 16.0 || rec["worker"] != 1.0 || rec["cause"] != nil {
		t.Fatal(rec)
	}
}

// An answer that comes whole, or is busy, or belongs to no body, gains nothing by the field.
func TestReleaseOfOtherAnswers(t *testing.T) {
	r := newRig(t, streaming)
	r.worker(handler(func(req *http.Request) string {
		switch req.URL.Path {
		case "/204":
			return "HTTP/1.1 204 No Content\r\n" + released + "\r\n"
		case "/late":
			return "HTTP/1.1 200 OK\r\nRip-Release: later\r\nContent-Length: 2\r\n\r\nok"
		}
		return "HTTP/1.1 200 OK\r\n" + released + "Content-Length: 2\r\n\r\nok"
	}))
	c := r.dial()
	for _, path := range []string{"/", "/204", "/late", "/"} {
		c.write("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
		if res, _ := c.read("GET"); res.Header.Get("Rip-Release") != "" || res.StatusCode/100 != 2 {
			t.Fatal(res)
		}
	}
	r.streams(0)
}

// Streams come and go while workers are replaced and other requests run: nothing is left.
func TestStreamsComeAndGo(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { streaming(o); o.Config.Workers.Streams = 8 })
	serve := func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := readRequest(br)
			if err != nil {
				return
			}
			if req.URL.Path == "/plain" {
				_, _ = io.WriteString(c, ok("fine"))
				continue
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"+released+"\r\n")
			for range 5 {
				if _, err := io.WriteString(c, "2\r\nx\n\r\n"); err != nil {
					return
				}
			}
			_, _ = io.WriteString(c, "0\r\n\r\n")
		}
	}
	r.workerSlots(2, serve)
	var workers []*pool.Worker
	for range 3 {
		workers = append(workers, r.workerSlots(2, serve))
	}
	var wait sync.WaitGroup
	var whole atomic.Int64
	for i := range 6 {
		wait.Go(func() {
			for n := range 20 {
				c := r.dial()
				if (i+n)%3 == 0 {
					c.write("GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
				} else {
					c.write("GET /s HTTP/1.1\r\nHost: a\r\n\r\n")
				}
				if (i+n)%4 != 0 {
					if res, err := http.ReadResponse(c.br, nil); err == nil {
						if b, err := io.ReadAll(res.Body); err == nil && (string(b) == "fine" || strings.Count(string(b), "x") == 5) {
							whole.Add(1)
						}
					}
				}
				c.Close()
			}
		})
	}
	for _, w := range workers {
		_ = r.server.Pool().Retire(w)
	}
	wait.Wait()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.inFlight() == 0 && len(r.idle()) == 3 })
	r.streams(0)
	if whole.Load() == 0 {
		t.Fatal("no answer came whole")
	}
}
