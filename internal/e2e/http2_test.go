package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// streamers are clients of HTTP/2 that send requests which may not be repeated. Their
// library sends one again only when it was told that it had not been looked at.
type streamers struct {
	wg     sync.WaitGroup
	end    context.CancelFunc
	good   atomic.Int64
	mu     sync.Mutex
	faults []string
}

// startStreamers starts clients of some connections, each with several requests open.
func startStreamers(a *app, connections, each int) *streamers {
	s := &streamers{}
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	for range connections {
		only := new(http.Protocols)
		only.SetHTTP2(true)
		tr := &http.Transport{Protocols: only, TLSClientConfig: a.tls.Clone()}
		c := &http.Client{Transport: tr, Timeout: startMost}
		var open sync.WaitGroup
		for range each {
			open.Add(1)
			s.wg.Go(func() {
				defer open.Done()
				for ctx.Err() == nil && s.ask(c, a.url) {
				}
			})
		}
		s.wg.Go(func() {
			open.Wait()
			tr.CloseIdleConnections()
		})
	}
	return s
}

// ask sends one request. It reports whether there may be more.
func (s *streamers) ask(c *http.Client, url string) (more bool) {
	res, err := c.Post(url+"/ping", "text/plain", strings.NewReader("a body"))
	if errors.Is(err, syscall.ECONNREFUSED) {
		return false // nobody listens any more
	}
	text := ""
	if err == nil {
		var body []byte
		body, err = io.ReadAll(res.Body)
		res.Body.Close()
		text = res.Proto + " " + res.Status + " " + string(body)
	}
	if err == nil && strings.HasPrefix(text, "HTTP/2.0 200 OK pong") {
		s.good.Add(1)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, text)
	if err != nil {
		s.faults = append(s.faults, err.Error())
	}
	return len(s.faults) < 10
}

// stop ends the clients, and wants no fault.
func (s *streamers) stop(t *testing.T) {
	t.Helper()
	s.end()
	s.wg.Wait()
	if len(s.faults) > 0 || s.good.Load() == 0 {
		t.Errorf("%d answers, and faults: %q", s.good.Load(), s.faults)
	}
}

// Rolls and upgrades of ripd lose no request that came over HTTP/2.
func TestHTTP2LosesNothing(t *testing.T) {
	dir := t.TempDir()
	cert := testkit.NewCertificate(t, dir, "shop", "shop.example")
	roots := x509.NewCertPool()
	roots.AddCert(cert.Pair.Leaf)
	t.Setenv("RIP_TLS_CERTIFICATE", filepath.Join(dir, "shop.crt"))
	t.Setenv("RIP_TLS_KEY", filepath.Join(dir, "shop.key"))
	a := serve(t, "demo", "w:2", "https:127.0.0.1:0")
	a.secured(t, &tls.Config{RootCAs: roots, ServerName: "shop.example"})
	clients := startStreamers(a, 3, 8)
	pid := a.ripd.PID()
	for range 2 {
		for _, what := range []string{"restart", "reload", "upgrade"} {
			before := clients.good.Load()
			testkit.Eventually(t, startMost, func() bool { return clients.good.Load() > before+100 })
			if code, out, errOut := a.ctl(what); code != 0 {
				t.Fatalf("ripctl %s: exit code %d\n%s%s", what, code, out, errOut)
			}
		}
		pid = a.successor(t, pid).PID
	}
	testkit.Eventually(t, startMost, func() bool {
		s, err := a.status()
		return err == nil && s.HTTP2 > 0
	}, "connections of HTTP/2")
	clients.stop(t)
	a.endsElsewhere(t, pid)
}

// Clients that others have made speak HTTP/2 with ripd.
func TestHTTP2Clients(t *testing.T) {
	testkit.Need(t, "curl", "nghttp", "h2load", "node")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	a := serve(t, "demo", "w:2", "https:127.0.0.1:0")
	a.secured(t, nil)
	url := "https://localhost" + a.url[strings.LastIndex(a.url, ":"):]
	const script = `const client = require("http2").connect(process.argv[1], { rejectUnauthorized: false });
let left = 20;
for (let i = left; i > 0; i--) {
	const r = client.request({ ":path": "/ping", ":method": "POST" });
	let text = "";
	r.setEncoding("utf8");
	r.on("data", d => text += d);
	r.on("end", () => { process.stdout.write(text); if (--left == 0) client.close(); });
	r.end("a body");
}`
	for _, c := range []struct {
		args []string
		want string
		n    int
	}{
		{[]string{"curl", "-sSki", "--http2", url + "/ping"}, "HTTP/2 200", 1},
		{[]string{"curl", "-sSki", "--http1.1", url + "/ping"}, "HTTP/1.1 200", 1},
		{[]string{"curl", "-sSki", "--http2", "-d", strings.Repeat("x", 100_000), url + "/ping"}, "HTTP/2 200", 1},
		{[]string{"nghttp", "-m", "10", url + "/ping"}, "pong", 10},
		{[]string{"h2load", "-n", "2000", "-c", "10", "-m", "10", url + "/ping"}, "2000 succeeded, 0 failed, 0 errored", 1},
		{[]string{"node", "-e", script, url}, "pong", 20},
	} {
		out, err := exec.Command(c.args[0], c.args[1:]...).CombinedOutput()
		if err != nil || strings.Count(string(out), c.want) < c.n {
			t.Errorf("%s: %v\n%s", c.args[0], err, out)
		}
	}
}
