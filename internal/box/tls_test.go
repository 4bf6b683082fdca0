package box

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// secureGet asks for a page over TLS, on port 443 of the box: "200 pong".
func (b *Box) secureGet(settings *tls.Config, page string) (string, error) {
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: settings,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return b.Dial(ctx, "tcp", "127.0.0.1:443") },
	}
	client := &http.Client{Timeout: time.Minute, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get("https://shop.example" + page)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body))), err
}

// The generator makes an https socket of listen.https and another of listen.metrics,
// systemd hands them and the certificate over, and the first TLS connection starts the app.
func TestHTTPS(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			cert := testkit.NewCertificate(t, t.TempDir(), "shop", "shop.example")
			client := cert.Client("shop.example")
			for _, unit := range []string{"ripd-https@.socket", "ripd-metrics@.socket"} {
				b.Copy(testkit.Root(t)+"/packaging/systemd/"+unit, "/usr/lib/systemd/system/"+unit, 0o644)
			}
			if err := os.MkdirAll(b.Path("/usr/lib/systemd/system-generators"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("../../../bin/ripd", b.Path("/usr/lib/systemd/system-generators/ripd-generator")); err != nil {
				t.Fatal(err)
			}
			b.Copy(cert.Cert, "/etc/ripd/shop.crt", 0o644)
			b.Copy(cert.Key, "/etc/ripd/shop.key", 0o600) // root's: ripd gets it as a credential
			const plain = "app = \"/srv/shop\"\ncommand = [\"./app\"]\n[workers]\ncount = 2\n[listen]\nhttp = [\"80\"]\nmetrics = [\"127.0.0.1:9090\"]\n"
			const secure = plain + "https = [\"443\"]\n[tls]\nredirect_http = true\n"
			credentials := func() {
				b.Write("/etc/systemd/system/ripd@shop.service.d/tls.conf",
					"[Service]\nLoadCredential=tls.certificate:/etc/ripd/shop.crt\nLoadCredential=tls.key:/etc/ripd/shop.key\n", 0o644)
			}
			b.Write("/etc/ripd/shop.toml", secure, 0o644)
			credentials()
			b.Run("systemctl", "daemon-reload")
			for _, unit := range []string{"ripd-https@shop.socket", "ripd-metrics@shop.socket", "ripd@shop.socket", "ripd@shop.service"} {
				if out := b.Run("systemd-analyze", "verify", "--man=no", unit); strings.Contains(out, "ripd") {
					t.Errorf("%s: %s", unit, out)
				}
			}

			b.Run("systemctl", "start", "ripd@shop.socket")
			if got := b.Property("ripd-https@shop.socket", "ActiveState"); got != "active" {
				t.Fatalf("the https socket is %s", got)
			}
			get := func(want string) {
				t.Helper()
				if got, err := b.secureGet(client, "/ping"); err != nil || got != want {
					t.Fatalf("%q, %v\n%s", got, err, b.Journal("ripd@shop"))
				}
			}
			get("200 pong") // which starts the app
			if got, err := b.Get("127.0.0.1:80", "/status"); err != nil || !strings.Contains(got, `"https":443`) {
				t.Errorf("%q, %v", got, err)
			}
			if out := b.Run("ripctl", "status", "shop"); !strings.Contains(out, "https://localhost:443") {
				t.Error(out)
			}
			if out := b.Run("ripctl", "list"); !strings.Contains(out, "443") {
				t.Error(out)
			}
			scraped := func() {
				t.Helper()
				if got, err := b.Get("127.0.0.1:9090", "/metrics"); err != nil || !strings.Contains(got, `ripd_queue_size{app="shop"}`) {
					t.Errorf("metrics: %.200q, %v", got, err)
				}
				if out := b.Run("ripctl", "status", "shop"); !strings.Contains(out, "http://127.0.0.1:9090/metrics") {
					t.Error(out)
				}
			}
			scraped()
			redirected := b.Client("127.0.0.1:80", false)
			redirected.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			answer, err := redirected.Get("http://shop.example/ping")
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if got := answer.Header.Get("Location"); answer.StatusCode != 308 || got != "https://shop.example/ping" {
				t.Errorf("%d %q", answer.StatusCode, got)
			}

			b.Run("ripctl", "upgrade", "shop")
			get("200 pong")
			scraped()
			// A credential is read by systemd when the service starts: its sockets wait.
			next := testkit.NewCertificate(t, t.TempDir(), "shop", "shop.example", "renewed.example")
			b.Copy(next.Cert, "/etc/ripd/shop.crt", 0o644)
			b.Copy(next.Key, "/etc/ripd/shop.key", 0o600)
			b.Run("systemctl", "restart", "ripd@shop.service")
			client = next.Client("renewed.example")
			get("200 pong")

			// Without listen.https, and without certificates, the app serves all the same.
			b.Run("systemctl", "stop", "ripd@shop.socket")
			if got := b.Property("ripd-https@shop.socket", "ActiveState"); got != "inactive" {
				t.Errorf("the https socket is %s", got)
			}
			b.Run("systemctl", "stop", "ripd@shop.service")
			if err := os.Remove(b.Path("/etc/systemd/system/ripd@shop.service.d/tls.conf")); err != nil {
				t.Fatal(err)
			}
			b.Write("/etc/ripd/shop.toml", plain, 0o644)
			b.Run("systemctl", "daemon-reload")
			b.Run("systemctl", "start", "ripd-https@shop.socket", "ripd@shop.service")
			b.Answers("127.0.0.1:80", "/ping", "200 pong")
			if got := b.Journal("ripd@shop"); !strings.Contains(got, "a socket from systemd is not used") {
				t.Error(got)
			}

			// An app that runs gets https.
			b.Run("systemctl", "stop", "ripd-https@shop.socket")
			b.Write("/etc/ripd/shop.toml", secure, 0o644)
			credentials()
			b.Run("systemctl", "daemon-reload")
			b.restartsSockets()
			get("200 pong")
			b.awaitsCertificate(plain + "https = [\"443\"]\n")
		})
	}
}

// socketRestarts is how often the same addresses are closed and opened again, without a
// pause. Before ripd-control@.socket waited for systemd's forks, one in 100 failed with
// systemd 257, and one in 15 on a machine that had much to do.
const socketRestarts = 20

// busyPrograms is how many programs do nothing but compute meanwhile.
const busyPrograms = 4

// restartsSockets does what docs/tls.md and docs/systemd.md tell: an address is not in
// use when systemd opens it again. Both commands restart all sockets, and the service.
func (b *Box) restartsSockets() {
	b.t.Helper()
	for i := range busyPrograms { // they have forks start late
		unit := fmt.Sprintf("busy-%d", i)
		b.Run("systemd-run", "--unit="+unit, "sh", "-c", "while :; do :; done")
		defer b.Run("systemctl", "stop", unit)
	}
	for i := range socketRestarts {
		units := []string{"restart", "ripd@shop.socket"}
		if i%2 == 0 {
			units = append(units, "ripd@shop")
		}
		if out, err := b.Try("systemctl", units...); err != nil {
			b.t.Fatalf("restart %d: %v: %s\n%s", i+1, err, out, tail(b.Run("journalctl", "--no-pager", "--boot", "--lines=40")))
		}
		// systemctl waits for what it was told to restart.
		testkit.Eventually(b.t, testkit.Timeout, func() bool { return b.Property("ripd@shop.service", "ActiveState") == "active" }, "restart %d: the service", i+1)
	}
}

// An app whose certificate does not come serves plain HTTP, and says what it awaits.
// The sandbox lets ripd write what it keeps, for itself alone.
func (b *Box) awaitsCertificate(settings string) {
	b.t.Helper()
	b.Run("systemctl", "stop", "ripd@shop.socket", "ripd@shop")
	if err := os.Remove(b.Path("/etc/systemd/system/ripd@shop.service.d/tls.conf")); err != nil {
		b.t.Fatal(err)
	}
	b.Write("/etc/ripd/shop.toml", settings+"[tls]\nacme = [\"shop.example\"]\nacme_directory = \"https://127.0.0.1:9/directory\"\n", 0o644)
	b.Run("systemctl", "daemon-reload")
	b.Run("systemctl", "start", "ripd@shop.socket", "ripd@shop")
	b.Answers("127.0.0.1:80", "/ping", "200 pong")
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		return strings.HasSuffix(b.Property("ripd@shop", "StatusText"), "; awaits a certificate for shop.example")
	}, "a status line that says what is awaited")
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		return strings.Contains(b.Run("ripctl", "status", "shop"), "connection refused")
	}, "a failure in ripctl status")
	if out, _ := b.Try("ripctl", "doctor", "shop"); !strings.Contains(out, "no certificate for shop.example") {
		b.t.Error(out)
	}
	if got := strings.TrimSpace(b.Run("stat", "-c", "%U %a", "/var/lib/ripd/shop/acme")); got != "ripd 700" {
		b.t.Errorf("the folder of certificates and keys is %s", got)
	}
}
