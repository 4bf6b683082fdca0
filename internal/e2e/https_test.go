package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// secured turns an app that listens on https to the clients that speak TLS.
func (a *app) secured(t *testing.T, settings *tls.Config) {
	t.Helper()
	s, err := a.status()
	if err != nil || len(s.URLs) != 2 || !strings.HasPrefix(s.URLs[1], "https://") {
		t.Fatalf("%v %v", s.URLs, err)
	}
	a.url, a.tls = s.URLs[1], settings
}

// served gives the names of the certificate that new connections get.
func (a *app) served(t *testing.T) string {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(a.url, "https://"), a.tls)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return strings.Join(c.ConnectionState().PeerCertificates[0].DNSNames, " ")
}

// Certificates are renewed, the app is rolled, and ripd is upgraded, under the load
// of clients that speak TLS: each request is answered, and none sees a certificate
// that it does not trust.
func TestHTTPSLosesNothing(t *testing.T) {
	dir := t.TempDir()
	roots := x509.NewCertPool()
	renew := func(mark string) {
		c := testkit.NewCertificate(t, dir, "shop", "shop.example", mark)
		roots.AddCert(c.Pair.Leaf)
	}
	renew("first")
	t.Setenv("RIP_TLS_CERTIFICATE", filepath.Join(dir, "shop.crt"))
	t.Setenv("RIP_TLS_KEY", filepath.Join(dir, "shop.key"))
	// All are trusted beforehand: a pool must not change while clients use it.
	later := make([]*testkit.Certificate, 3)
	for i, mark := range []string{"second", "third", "fourth"} {
		later[i] = testkit.NewCertificate(t, dir, mark, "shop.example", mark)
		roots.AddCert(later[i].Pair.Leaf)
	}
	a := serve(t, "demo", "w:2", "https:127.0.0.1:0")
	a.secured(t, &tls.Config{RootCAs: roots, ServerName: "shop.example"})
	if got := a.do("GET", "/anything", ""); !strings.HasPrefix(got, "404") && !strings.HasPrefix(got, "200") {
		t.Errorf("%q", got)
	}
	clients := startCrowd(a, 8)
	take := func(c *testkit.Certificate) {
		t.Helper()
		for from, to := range map[string]string{c.Cert: "shop.crt", c.Key: "shop.key"} {
			if err := os.Rename(from, filepath.Join(dir, to)); err != nil {
				t.Fatal(err)
			}
		}
	}
	do := func(args ...string) {
		t.Helper()
		if code, out, errOut := a.ctl(args...); code != 0 {
			t.Errorf("ripctl %v: exit code %d\n%s%s", args, code, out, errOut)
		}
	}
	take(later[0])
	do("reload")
	if got := a.served(t); got != "shop.example second" {
		t.Errorf("%q is served after a reload", got)
	}
	take(later[1]) // and nobody says so
	testkit.Eventually(t, startMost, func() bool { return a.served(t) == "shop.example third" }, "the renewed certificate")
	do("restart")
	pid := a.ripd.PID()
	take(later[2])
	do("upgrade")
	pid = a.successor(t, pid).PID
	if got := a.served(t); got != "shop.example fourth" {
		t.Errorf("%q is served after an upgrade", got)
	}
	// A certificate that cannot be used changes nothing.
	if err := os.WriteFile(filepath.Join(dir, "shop.key"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errOut := a.ctl("reload"); code == 0 || !strings.Contains(errOut, "tls.key") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	if got := a.served(t); got != "shop.example fourth" {
		t.Errorf("%q is served after a reload that failed", got)
	}
	clients.stop(t)
	a.endsElsewhere(t, pid)
}

// The demo needs nothing for https, and says how to trust it.
func TestDemoOverHTTPS(t *testing.T) {
	testkit.Need(t, "curl")
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	trust := filepath.Join(state, "ripd", "localhost.crt")
	for range 2 { // the second start serves with the same certificate
		a := serve(t, "demo", "w:1", "https:127.0.0.1:0", "--redirect-http", "--hsts")
		a.secured(t, nil)
		notes, err := a.status()
		if err != nil || !strings.Contains(strings.Join(notes.Notes, "\n"), "curl --cacert "+trust) {
			t.Errorf("%q %v", notes.Notes, err)
		}
		port := a.url[strings.LastIndex(a.url, ":")+1:]
		out, err := exec.Command("curl", "-sS", "-i", "--cacert", trust, "--tlsv1.2", "https://localhost:"+port+"/ping").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "pong") || !strings.Contains(strings.ToLower(string(out)), "strict-transport-security: max-age=31536000") {
			t.Errorf("%s %v", out, err)
		}
		out, err = exec.Command("curl", "-sS", "-L", "--cacert", trust, strings.Replace(notes.URLs[0], "127.0.0.1", "localhost", 1)+"/ping").CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), "pong") {
			t.Errorf("%s %v", out, err)
		}
		if code, _, errOut := a.ctl("stop"); code != 0 {
			t.Error(errOut)
		}
		a.ripd.Wait(t, startMost)
	}
}
