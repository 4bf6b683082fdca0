package e2e

import (
	"crypto/tls"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ripd/internal/acme/acmetest"
	"ripd/internal/api"
	"ripd/internal/testkit"
)

// portOf is the port of a URL.
func portOf(t *testing.T, text string) int {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// acmeSettings writes a file with names for the authority. Without an
// authority it has no names.
func acmeSettings(t *testing.T, file string, a *acmetest.Authority, names ...string) {
	t.Helper()
	text := ""
	if a != nil {
		text = fmt.Sprintf("[tls]\nacme = [\"%s\"]\nacme_directory = %q\nacme_root = %q\n", strings.Join(names, `", "`), a.Directory, a.Root)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate is what ripctl status says of a name.
func (a *app) certificate(name string) (c api.Certificate) {
	if s, err := a.status(); err == nil {
		for _, one := range s.Certificates {
			if slices.Contains(one.Names, name) {
				return one
			}
		}
	}
	return c
}

// Certificates come by themselves, for names that are added by a reload while the
// authority is down at first; they are renewed, and survive an upgrade, under the load
// of clients of which none is failed; and the next start has them at once.
func TestACME(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	put(t, dir, "app.py", "def app(environ, start):\n    start(\"200 OK\", [(\"Content-Type\", \"text/plain\")])\n    return [b\"pong\"]\n")
	file := filepath.Join(dir, "ripd.toml")
	acmeSettings(t, file, nil)
	args := []string{dir, "w:2", "https:127.0.0.1:0", "--redirect-http"}
	a := serve(t, args...)
	plain := a.url
	a.secured(t, nil)
	ca := acmetest.Start(t, acmetest.Options{HTTP: portOf(t, plain), TLS: portOf(t, a.url), Holds: 30 * time.Minute}) // each reload renews
	a.tls = &tls.Config{RootCAs: ca.Issued, ServerName: "shop.example"}
	reload := func() {
		t.Helper()
		if code, out, errOut := a.ctl("reload"); code != 0 {
			t.Fatalf("ripctl reload: exit code %d\n%s%s", code, out, errOut)
		}
	}
	ca.SetDown(true)
	acmeSettings(t, file, ca, "shop.example")
	reload()
	testkit.Eventually(t, startMost, func() bool { return strings.Contains(a.certificate("shop.example").Problem, "the authority is down") }, "a problem")
	if _, out, _ := a.ctl("status"); !strings.Contains(out, "shop.example: awaited from its authority") || !strings.Contains(out, "the authority is down") {
		t.Error(out)
	}
	if got := a.do("GET", "/ping", ""); !strings.Contains(got, "internal error") {
		t.Errorf("without a certificate: %q", got)
	}
	ca.SetDown(false)
	reload()
	first := a.awaitCertificate(t, "shop.example", time.Time{})
	if got := a.do("GET", "/ping", ""); !isPong(got) {
		t.Error(got)
	}
	clients := startCrowd(a, 4)
	reload()
	renewed := a.awaitCertificate(t, "shop.example", first)
	pid := a.ripd.PID()
	if code, out, errOut := a.ctl("upgrade"); code != 0 {
		t.Fatalf("%s%s", out, errOut)
	}
	pid = a.successor(t, pid).PID
	a.awaitCertificate(t, "shop.example", first)
	acmeSettings(t, file, ca, "shop.example", "www.shop.example")
	reload()
	a.awaitCertificate(t, "www.shop.example", time.Time{})
	clients.stop(t)
	if _, out, _ := a.ctl("metrics"); !regexp.MustCompile(`(?m)^ripd_acme_attempts_total{.*result="obtained"} [1-9]`).MatchString(out) {
		t.Error(out)
	}
	if n := ca.Accounts.Load(); n != 1 {
		t.Errorf("%d accounts were made", n)
	}
	a.endsElsewhere(t, pid)
	// The next start has what there is, also without the authority.
	ca.SetDown(true)
	a = serve(t, args...)
	a.secured(t, &tls.Config{RootCAs: ca.Issued, ServerName: "www.shop.example"})
	if got := a.do("GET", "/ping", ""); !isPong(got) {
		t.Error(got)
	}
	if c := a.certificate("shop.example"); c.Ends.Before(renewed) || c.Source != api.CertificateACME || !strings.HasPrefix(c.Issuer, "Pebble") {
		t.Errorf("%+v", c)
	}
}

// awaitCertificate waits until there is one for a name that ends later than another
// one, and no problem.
func (a *app) awaitCertificate(t *testing.T, name string, after time.Time) (ends time.Time) {
	t.Helper()
	testkit.Eventually(t, startMost, func() bool {
		c := a.certificate(name)
		ends = c.Ends
		return ends.After(after) && c.Problem == ""
	}, "a certificate for %s that ends after %s", name, after)
	return ends
}
