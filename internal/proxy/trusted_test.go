package proxy_test

import (
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// loopback trusts the test's own clients, and whoever is on unix sockets.
func loopback(o *proxy.Options) {
	o.Config.Proxy.Trusted = config.Peers{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}, Unix: true}
}

// told answers with what a worker is told of the client.
func told(req *http.Request) string {
	var b strings.Builder
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "X-Forwarded-Port", "X-Forwarded-Ssl"} {
		b.WriteString(strings.Join(req.Header.Values(name), "+") + "|")
	}
	return ok(b.String())
}

func TestTrustedProxies(t *testing.T) {
	const forged = "X-Forwarded-For: 198.51.100.7, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n" +
		"X-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6;proto=http\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Ssl: off\r\n"
	const believed = `https|shop.example|192.0.2.1|for=192.0.2.1;host="shop.example";proto=https`
	for _, test := range []struct {
		name         string
		trust, unix  bool
		fields, body string
		want         string
	}{
		{name: "nobody is trusted", fields: forged, want: "127.0.0.1|http|test|||||"},
		{name: "nobody is trusted on a unix socket", unix: true, fields: forged, want: "|http|test|||||"},
		{name: "a proxy", trust: true, fields: forged, want: "192.0.2.1, 127.0.0.1|" + believed + ", for=127.0.0.1|8443||"},
		{name: "a proxy on a unix socket", trust: true, unix: true, fields: forged, want: "192.0.2.1|" + believed + "|8443||"},
		{name: "a proxy that tells nothing", trust: true, want: "127.0.0.1|http|test|||||"},
		{name: "Forwarded only", trust: true, fields: "Forwarded: for=\"[2001:db8::1]\";proto=https;host=a, for=10.0.0.1\r\n",
			want: `2001:db8::1, 10.0.0.1, 127.0.0.1|https|a||for="[2001:db8::1]";host="a";proto=https, for=10.0.0.1, for=127.0.0.1|||`},
		{name: "with a body that comes later", trust: true, fields: forged + "Content-Length: 100000\r\n", body: strings.Repeat("x", 100000),
			want: "192.0.2.1, 127.0.0.1|" + believed + ", for=127.0.0.1|8443||"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var lines lockedBuffer
			access := journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: &lines, App: "test"})
			r := newRig(t, func(o *proxy.Options) {
				if o.Access = access; test.trust {
					loopback(o)
				}
			})
			r.worker(handler(told))
			c := r.dial()
			if test.unix {
				c = r.dialUnix()
			}
			for range 2 { // the second reuses what the first has made
				c.write("GET / HTTP/1.1\r\nHost: test\r\n" + test.fields + "\r\n" + test.body)
				if _, body := c.read("GET"); body != test.want {
					t.Errorf("got  %s\nwant %s", body, test.want)
				}
			}
			r.stop(testkit.Timeout)
			if err := access.Close(); err != nil {
				t.Fatal(err)
			}
			client, _, _ := strings.Cut(test.want, "|")
			client, _, _ = strings.Cut(client, ",")
			if n := strings.Count(lines.String(), `"client":"`+client+`"`); n != 2 {
				t.Errorf("not the client in the log: %s", lines.String())
			}
		})
	}
}

// What a client can have made unreadable is not guessed at.
func TestForwardedThatNobodyCanRead(t *testing.T) {
	r := newRig(t, loopback)
	r.worker(handler(told))
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: test\r\nForwarded: for=\"_x, for=192.0.2.1\r\n\r\n")
	if res, body := c.read("GET"); res.StatusCode != 400 || !strings.Contains(body, "Forwarded") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	c.ends()
}

// A reload changes who is believed, on open connections too.
func TestTrustChanges(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(told))
	c := r.dial()
	ask := func(want string) {
		t.Helper()
		c.write("GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
		if _, body := c.read("GET"); !strings.HasPrefix(body, want+"|") {
			t.Errorf("got %s, want %s", body, want)
		}
	}
	ask("127.0.0.1")
	o := proxy.Options{Config: settings()}
	loopback(&o)
	r.server.Configure(o.Config)
	ask("192.0.2.1, 127.0.0.1")
	r.server.Configure(settings())
	ask("127.0.0.1")
}

// How the client came to the proxy decides about redirects and HSTS.
func TestTrustedProtocol(t *testing.T) {
	const policy = "max-age=300"
	configure := func(o *proxy.Options) {
		loopback(o)
		o.Config.TLS.RedirectHTTP, o.Config.TLS.HSTS = true, policy
	}
	for _, test := range []struct {
		name, fields   string
		secure         bool
		location, hsts string
	}{
		{"https", "X-Forwarded-Proto: https\r\n", false, "", policy},
		{"http", "X-Forwarded-Proto: http\r\nX-Forwarded-Host: shop.example:8080\r\n", false, "https://shop.example/a?b", ""},
		{"not told", "", false, "https://test/a?b", ""},
		{"http, over TLS to ripd", "X-Forwarded-Proto: http\r\n", true, "https://test/a?b", ""},
		{"not told, over TLS to ripd", "", true, "", policy},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := newRig
			if test.secure {
				start = newSecureRig
			}
			r := start(t, configure)
			r.worker(handler(told))
			c := r.dial()
			c.write("GET /a?b HTTP/1.1\r\nHost: test\r\n" + test.fields + "\r\n")
			res, _ := c.read("GET")
			if got := res.Header.Get("Location"); got != test.location || (res.StatusCode == 308) != (test.location != "") {
				t.Errorf("%d to %s", res.StatusCode, got)
			}
			if got := res.Header.Get("Strict-Transport-Security"); got != test.hsts {
				t.Errorf("HSTS: %q", got)
			}
		})
	}
}

// A trusted proxy's requests allocate no more than others, once its connection is warm.
func TestTrustedExchangeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, so that the buffers are allocated anew")
	}
	r := newRig(t, loopback)
	r.worker(plainWorker)
	p := newPinger(t, r.dial())
	p.request = []byte("GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 2001:db8::1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n\r\n")
	for range 100 {
		p.ping(t)
	}
	const requests = 5_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		p.ping(t)
	}
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > requests/10 {
		t.Errorf("%d allocations in %d requests", n, requests)
	}
}
