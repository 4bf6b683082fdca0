package proxy_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// TestNewcomersMakeRoom has many more clients connect than may, of which none sends a
// request. They make room for each other, and for one that asks; those that have had a
// request, or have one in progress, keep their places.
func TestNewcomersMakeRoom(t *testing.T) {
	hello := "\x16\x03\x01\x02\x00\x01\x00" // the beginning of a handshake
	for _, c := range []struct {
		name, text, state string
		secure            bool
	}{
		{"silent", "", "silent", false},
		{"half a head", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "begun", false},
		{"silent over TLS", "", "silent", true},
		{"half a handshake", hello, "begun", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			counts := metrics.New(metrics.Options{App: "test"})
			start := newRig
			if c.secure {
				start = newSecureRig
			}
			r := start(t, func(o *proxy.Options) { o.Metrics, o.Config.Limits.Connections = counts, 32 })
			release := make(chan struct{})
			r.workerSlots(2, handler(func(req *http.Request) string {
				if req.URL.Path == "/wait" {
					<-release
				}
				return echo(req)
			}))
			busy := r.dial()
			busy.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
			testkit.Eventually(t, testkit.Timeout, func() bool { return r.inFlight() == 1 })
			var kept []*client
			for range 10 {
				kept = append(kept, r.dial())
				kept[len(kept)-1].get("/kept", 200, "GET /kept")
			}
			const crowd = 300
			for range crowd {
				quiet, err := net.Dial("tcp", r.addr)
				if err != nil {
					continue // it had to go at once
				}
				defer quiet.Close()
				_, _ = io.WriteString(quiet, c.text) // likewise
			}
			r.dial().get("/probe", 200, "GET /probe")
			if n := r.server.Stats().Connections; n > 32 {
				t.Errorf("%d connections", n)
			}
			for _, k := range kept {
				k.get("/again", 200, "GET /again")
			}
			close(release)
			if res, body := busy.read("GET"); res.StatusCode != 200 {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			evicted := func(state string) int {
				return metricOf(t, counts, fmt.Sprintf(`ripd_evicted_total{app="test",state="%s"}`, state))
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return evicted("silent")+evicted(c.state) >= crowd-32 })
			if n := evicted("idle"); n > 0 {
				t.Errorf("%d connections that have had a request made room for a crowd without one", n)
			}
		})
	}
}

// Connections that have had a request do not keep all places, either.
func TestIdleConnectionsLeavePlaces(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		o.Config.Limits.Connections, o.Config.Timeouts.ClientIdle = 16, time.Hour
	})
	r.worker(plainWorker)
	for range 100 {
		r.dial().get("/", 200, "pong") // and stays
	}
	if n := r.server.Stats().Connections; n > 16 {
		t.Errorf("%d connections", n)
	}
}

// One whose next head began long ago makes room like an idle one.
func TestHalfAHeadAfterARequestMakesRoom(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		o.Config.Limits.Connections, o.Config.Timeouts.ClientHeader = 4, time.Hour
	})
	r.worker(plainWorker)
	for range 4 {
		c := r.dial()
		c.get("/", 200, "pong")
		c.write("GET / HTTP/1.1\r\nHo")
	}
	r.dial().get("/", 200, "pong")
}

// One whose next head began long ago still gets all of its last answer when it makes room.
func TestHalfAHeadMakesRoomWithoutLoss(t *testing.T) {
	counts := metrics.New(metrics.Options{App: "test"})
	r := newRig(t, func(o *proxy.Options) {
		o.Metrics, o.Config.Limits.Connections, o.Config.Timeouts.ClientHeader = counts, 1, time.Hour
	})
	const size = 2 << 20
	r.worker(handler(func(*http.Request) string { return ok(strings.Repeat("b", size)) }))
	slow := r.slowReader()
	_, _ = io.WriteString(slow, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // the answer tells
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Answered == 1 })
	_, _ = io.WriteString(slow, "GET / HTTP/1.1\r\nHo") // likewise
	r.dial()
	testkit.Eventually(t, testkit.Timeout, func() bool { return metricOf(t, counts, `ripd_evicted_total{app="test",state="idle"}`) == 1 })
	since := r.server.Now()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Now()-since > 300*time.Millisecond }, "the end of the connection")
	res, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// Connections of HTTP/2 without a request go at once, as others do, and not after the time
// that one with requests has for its end.
func TestNewcomersOfHTTP2MakeRoom(t *testing.T) {
	for _, begins := range []bool{false, true} {
		t.Run(fmt.Sprintf("preface %v", begins), func(t *testing.T) {
			counts := metrics.New(metrics.Options{App: "test"})
			r := newSecureRig(t, func(o *proxy.Options) { o.Metrics, o.Config.Limits.Connections = counts, 16 })
			r.worker(handler(echo))
			var kept []*client
			for range 5 {
				kept = append(kept, r.dial())
				kept[len(kept)-1].get("/kept", 200, "GET /kept")
			}
			for range 60 {
				cfg := r.cert.Client("test.example")
				cfg.NextProtos = []string{"h2"}
				quiet, err := tls.Dial("tcp", r.addr, cfg)
				if err != nil {
					continue // it had to go at once
				}
				defer quiet.Close()
				if begins {
					_, _ = io.WriteString(quiet, http2.ClientPreface) // likewise
					_ = http2.NewFramer(quiet, nil).WriteSettings()
				}
			}
			for _, k := range kept {
				k.get("/again", 200, "GET /again")
			}
			if n := metricOf(t, counts, `ripd_evicted_total{app="test",state="idle"}`); n > 0 {
				t.Errorf("%d connections that have had a request made room", n)
			}
		})
	}
}
