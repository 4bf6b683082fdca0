package proxy_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// slowly bounds each network to a burst of 3, and then one request an hour.
func slowly(o *proxy.Options) {
	o.Config.Limits.Rate, o.Config.Limits.RateBurst = config.Rate{Requests: 1, Per: time.Hour}, 3
}

// One request more than may come is answered 429, counted and told; the connection goes on.
func TestRate(t *testing.T) {
	var lines, log lockedBuffer
	m := metrics.New(metrics.Options{App: "test"})
	access := journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: &lines, App: "test"})
	r := newRig(t, func(o *proxy.Options) {
		slowly(o)
		o.Metrics, o.Access, o.Log = m, access, slog.New(slog.NewTextHandler(&log, nil))
	})
	r.worker(handler(echo))
	c := r.dial()
	for range 3 {
		c.get("/", 200, "GET / ")
	}
	for _, method := range []string{"GET", "HEAD", "GET"} {
		c.write(method + " / HTTP/1.1\r\nHost: test\r\n\r\n")
		res, body := c.read(method)
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err != nil || seconds < 3500 || seconds > 3600 || res.StatusCode != 429 || res.Close {
			t.Errorf("%d %v, %v", res.StatusCode, res.Header, err)
		}
		if (body == "") != (method == "HEAD") || body != "" && !strings.Contains(body, "too many requests") {
			t.Errorf("%s: %q", method, body)
		}
	}
	c.get("/status", 200, "healthy") // which is free
	other := r.dial()
	other.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n") // another connection is no way out
	if res, _ := other.read("GET"); res.StatusCode != 429 {
		t.Errorf("status %d", res.StatusCode)
	}
	if text := scrape(t, m); !strings.Contains(text, `ripd_limit_hits_total{app="test",limit="limits.rate"} 4`) {
		t.Error("not counted")
	}
	if n := strings.Count(log.String(), "limits.rate"); n != 1 || !strings.Contains(log.String(), "network=127.0.0.1/32") {
		t.Errorf("the log: %s", log.String())
	}
	r.stop(testkit.Timeout)
	if err := access.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(lines.String(), `"cause":"rate-limited"`); n != 4 {
		t.Errorf("access lines: %s", lines.String())
	}
}

// What goes to the app counts: the status page's path with another method does. So it is
// sent on to HTTPS, too.
func TestStatusPathOfTheApp(t *testing.T) {
	r := newRig(t, slowly)
	r.worker(handler(echo))
	c := r.dial()
	for range 3 {
		c.write("OPTIONS /status HTTP/1.1\r\nHost: test\r\n\r\n")
		if res, body := c.read("OPTIONS"); res.StatusCode != 200 || !strings.HasPrefix(body, "OPTIONS /status") {
			t.Errorf("%d %q", res.StatusCode, body)
		}
	}
	if res, _ := c.fetch("OPTIONS", "/status"); res.StatusCode != 429 {
		t.Errorf("status %d", res.StatusCode)
	}
	c.get("/status", 200, "healthy")
	r = newRig(t, func(o *proxy.Options) { o.Config.TLS.RedirectHTTP = true })
	c = r.dial()
	if res, _ := c.fetch("OPTIONS", "/status"); res.StatusCode != 308 {
		t.Errorf("status %d", res.StatusCode)
	}
	c.get("/status", 503, "degraded")
}

// A body is not waited for: the connection ends with the answer.
func TestRateWithBodies(t *testing.T) {
	r := newRig(t, slowly)
	r.worker(handler(echo))
	for range 3 {
		r.dial().get("/", 200, "GET / ")
	}
	for _, framing := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked", "Content-Length: 2\r\nExpect: 100-continue"} {
		c := r.dial()
		c.write("POST / HTTP/1.1\r\nHost: test\r\n" + framing + "\r\n\r\n")
		if res, _ := c.read("POST"); res.StatusCode != 429 || !res.Close {
			t.Errorf("%s: %d, %v", framing, res.StatusCode, res.Close)
		}
		c.ends()
	}
}

// Requests in one piece are answered in their order, those beyond the rate too.
func TestRateAndPipelining(t *testing.T) {
	r := newRig(t, slowly)
	r.worker(handler(echo))
	c := r.dial()
	c.write(strings.Repeat("GET / HTTP/1.1\r\nHost: test\r\n\r\n", 6))
	for n, want := range []int{200, 200, 200, 429, 429, 429} {
		if res, _ := c.read("GET"); res.StatusCode != want {
			t.Errorf("request %d: %d", n, res.StatusCode)
		}
	}
}

// Behind a trusted proxy each client has a bound of its own, and the proxy none of
// theirs; a client on a unix socket has none that could be told apart.
func TestRateBehindAProxy(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		loopback(o)
		slowly(o)
	})
	r.worker(handler(echo))
	status := func(c *client, from string) int {
		t.Helper()
		field := ""
		if from != "" {
			field = "X-Forwarded-For: " + from + "\r\n"
		}
		c.write("GET / HTTP/1.1\r\nHost: test\r\n" + field + "\r\n")
		res, _ := c.read("GET")
		return res.StatusCode
	}
	c := r.dial()
	for client := range 5 {
		for n := range 5 {
			if got, want := status(c, fmt.Sprintf("198.51.100.7, 192.0.2.%d", client)), map[bool]int{true: 200, false: 429}[n < 3]; got != want {
				t.Errorf("client %d, request %d: %d", client, n, got)
			}
		}
	}
	for n, from := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3:1", "2001:db8::4", "2001:db8:0:1::1"} {
		if got, want := status(c, from), map[bool]int{true: 200, false: 429}[n != 3]; got != want {
			t.Errorf("%s: %d", from, got)
		}
	}
	u := r.dialUnix()
	for range 5 {
		if got := status(u, ""); got != http.StatusOK {
			t.Errorf("on a unix socket: %d", got)
		}
	}
	if got := status(u, "192.0.2.1"); got != 429 {
		t.Errorf("a known client on a unix socket: %d", got)
	}
}

// A reload changes the rate at once, and turning it off forgets all.
func TestRateChanges(t *testing.T) {
	r := newRig(t, slowly)
	r.worker(handler(echo))
	c := r.dial()
	ask := func(want ...int) {
		t.Helper()
		for n, status := range want {
			c.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
			if res, _ := c.read("GET"); res.StatusCode != status {
				t.Errorf("request %d: %d, want %d", n, res.StatusCode, status)
			}
		}
	}
	ask(200, 200, 200, 429)
	r.server.Configure(settings())
	ask(200, 200)
	o := proxy.Options{Config: settings()}
	slowly(&o)
	r.server.Configure(o.Config)
	ask(200, 200, 200, 429)
}

// Requests over HTTP/2 count as those over HTTP/1 do.
func TestRateOverHTTP2(t *testing.T) {
	r := newSecureRig(t, slowly)
	r.worker(handler(echo))
	c := r.browser()
	for range 3 {
		r.fetch(c, "GET", "/", nil, 200, "GET / ")
	}
	res := r.fetch(c, "GET", "/", nil, 429, "too many requests")
	if res.ProtoMajor != 2 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v", res.Proto, res.Header)
	}
	r.fetch(c, "GET", "/status", nil, 200, "healthy")
}
