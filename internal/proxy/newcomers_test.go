package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

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
