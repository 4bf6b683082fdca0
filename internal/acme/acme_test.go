package acme_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/acme"
	"ripd/internal/acme/acmetest"
	"ripd/internal/certs"
	"ripd/internal/config"
	"ripd/internal/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The authority of these tests has no end, and certmagic's limiter of requests,
		// one for the process, neither.
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"), // which looks every 5 s whether its lock is gone
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// site serves what a manager has, as ripd does.
type site struct {
	manager  *acme.Manager
	log      *testkit.Output
	folder   string
	web, tls int // ports
	ports    acme.Ports
}

func open(t *testing.T, every time.Duration) *site {
	t.Helper()
	s := &site{log: &testkit.Output{}, folder: filepath.Join(t.TempDir(), "acme")}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	if s.manager, err = acme.New(acme.Options{Log: log, SocketDir: testkit.TempSocketDir(t), Agent: "ripd/test", CheckEvery: every}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.manager.Close)
	store := certs.NewStore(certs.None(), s.manager)
	web, secure := listen(t), tls.NewListener(listen(t), store.Config())
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body := s.manager.Proof(q.Host, q.URL.Path)
		if body == nil {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(body) // who asks notices
	})
	for _, l := range []net.Listener{web, secure} {
		server := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelInfo)}
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		}()
		t.Cleanup(func() { server.Close() })
	}
	s.web, s.tls = web.Addr().(*net.TCPAddr).Port, secure.Addr().(*net.TCPAddr).Port
	s.ports = acme.Ports{HTTP: []int{s.web}, HTTPS: []int{s.tls}}
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// use puts settings in force for the names.
func (s *site) use(t *testing.T, a *acmetest.Authority, names ...string) {
	t.Helper()
	s.useSettings(t, &config.TLS{ACME: names, ACMEDirectory: a.Directory, ACMERoot: a.Root})
}

func (s *site) useSettings(t *testing.T, c *config.TLS) {
	t.Helper()
	settings, err := acme.Prepare(c, s.folder, "", s.ports)
	if err != nil {
		t.Fatal(err)
	}
	s.manager.Use(settings)
}

// leaf is the certificate that a client gets that trusts the authority alone.
func (s *site) leaf(a *acmetest.Authority, name string) (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", portText(s.tls)), &tls.Config{ServerName: name, RootCAs: a.Issued})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

func portText(port int) string { return strings.TrimPrefix((&net.TCPAddr{Port: port}).String(), ":") }

// await waits until clients get a certificate for the name that is not the old one.
func (s *site) await(t *testing.T, a *acmetest.Authority, name string, old *x509.Certificate) (leaf *x509.Certificate) {
	t.Helper()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		var err error
		leaf, err = s.leaf(a, name)
		return err == nil && (old == nil || !leaf.Equal(old))
	}, "a certificate for %s: %v", name, s.manager.States())
	return leaf
}

// Each kind of proof is enough; the certificate is there after another start without
// asking again, nobody but the owner can read its key, and the account is kept.
func TestObtains(t *testing.T) {
	for _, kind := range []string{"http", "tls", "both"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			name := kind + ".example" // certmagic's memory of proofs is one for the process
			s := open(t, 0)
			o := acmetest.Options{HTTP: s.web, TLS: s.tls}
			if kind == "http" {
				o.TLS = 0
			}
			if kind == "tls" {
				o.HTTP = 0
			}
			a := acmetest.Start(t, o)
			s.use(t, a, name, "www."+name)
			first := s.await(t, a, name, nil)
			s.await(t, a, "www."+name, nil)
			if obtained, _ := s.manager.Attempts(); obtained != 2 || a.Accounts.Load() != 1 {
				t.Errorf("%d certificates, %d accounts", obtained, a.Accounts.Load())
			}
			// Others get the first one, and say what they think of it.
			if _, err := s.leaf(a, "other.example"); err == nil || !strings.Contains(err.Error(), "valid for "+name) {
				t.Error(err)
			}
			if _, err := s.leaf(a, ""); err == nil || !strings.Contains(err.Error(), "IP SANs") {
				t.Error(err)
			}
			a.SetDown(true)
			s.manager.Use(nil)
			if _, err := s.leaf(a, name); err == nil {
				t.Error("it is served by no settings")
			}
			s.use(t, a, name)
			if again, err := s.leaf(a, name); err != nil || !again.Equal(first) {
				t.Errorf("%v: it was not kept", err)
			}
			states := s.manager.States()
			if len(states) != 1 || states[0].Problem != "" || !states[0].Ends.Equal(first.NotAfter) || !strings.HasPrefix(states[0].Issuer, "Pebble Intermediate") {
				t.Errorf("%+v", states)
			}
			s.secret(t)
		})
	}
}

// secret checks that nobody but the owner may read what is kept.
func (s *site) secret(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(s.folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A certificate is renewed when its time comes, and no handshake fails.
func TestRenews(t *testing.T) {
	t.Parallel()
	s := open(t, 2*time.Second)
	a := acmetest.Start(t, acmetest.Options{HTTP: s.web, TLS: s.tls, Holds: 20 * time.Second}) // of which some looks are the end
	s.use(t, a, "renews.example")
	first := s.await(t, a, "renews.example", nil)
	stop, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(failed)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.leaf(a, "renews.example"); err != nil {
				failed <- err
				return
			}
		}
	}()
	defer func() {
		close(stop)
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}()
	s.await(t, a, "renews.example", first)
}

// Settings that come into force renew what is due, also after a failure; the old
// certificate serves meanwhile.
func TestRenewsWithNewSettings(t *testing.T) {
	t.Parallel()
	s := open(t, 0)
	a := acmetest.Start(t, acmetest.Options{HTTP: s.web, TLS: s.tls, Holds: 30 * time.Minute}) // less than some looks
	s.use(t, a, "due.example")
	first := s.await(t, a, "due.example", nil)
	a.SetDown(true)
	s.use(t, a, "due.example")
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.manager.States()[0].Problem != "" }, "a failure")
	if leaf, err := s.leaf(a, "due.example"); err != nil || !leaf.Equal(first) {
		t.Error(err)
	}
	a.SetDown(false)
	s.use(t, a, "due.example")
	s.await(t, a, "due.example", first)
	if st := s.manager.States()[0]; st.Problem != "" {
		t.Errorf("%+v", st)
	}
}

// An authority that is down is told of, to clients too, and asked again.
func TestAuthorityIsDown(t *testing.T) {
	t.Parallel()
	s := open(t, 0)
	a := acmetest.Start(t, acmetest.Options{HTTP: s.web, TLS: s.tls})
	a.SetDown(true)
	s.use(t, a, "down.example")
	if _, err := s.leaf(a, "down.example"); err == nil {
		t.Error("there is a certificate")
	}
	s.log.WaitFor(t, testkit.Timeout, "a certificate could not be obtained")
	s.log.WaitFor(t, testkit.Timeout, "the authority is down")
	if names := s.manager.Awaited(); len(names) != 1 || names[0] != "down.example" {
		t.Errorf("%q", names)
	}
	if _, err := s.leaf(a, "down.example"); err == nil {
		t.Error("there is a certificate")
	}
	s.log.WaitFor(t, testkit.Timeout, "there is no certificate for down.example yet")
	a.SetDown(false)
	s.use(t, a, "down.example", "www.down.example")
	s.await(t, a, "down.example", nil)
	s.await(t, a, "www.down.example", nil)
	if _, failed := s.manager.Attempts(); failed != 1 {
		t.Errorf("%d failed", failed)
	}
}

// A directory that nobody vouches for is refused, with what to do.
func TestUntrustedDirectory(t *testing.T) {
	t.Parallel()
	s := open(t, 0)
	a := acmetest.Start(t, acmetest.Options{HTTP: s.web, TLS: s.tls})
	other := testkit.NewCertificate(t, t.TempDir(), "other", "127.0.0.1")
	s.useSettings(t, &config.TLS{ACME: []string{"untrusted.example"}, ACMEDirectory: a.Directory, ACMERoot: other.Cert})
	s.log.WaitFor(t, testkit.Timeout, "tls.acme_directory itself is not trusted: x509: certificate signed by unknown authority")
	s.log.WaitFor(t, testkit.Timeout, "tls.acme_root")
}

// An authority that wants an account of its own gets it.
func TestBindsTheAccount(t *testing.T) {
	t.Parallel()
	s := open(t, 0)
	key := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	a := acmetest.Start(t, acmetest.Options{HTTP: s.web, TLS: s.tls, KeyID: "kid-1", Key: key})
	s.use(t, a, "bound.example")
	s.log.WaitFor(t, testkit.Timeout, "externalAccountRequired")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.useSettings(t, &config.TLS{ACME: []string{"bound.example"}, ACMEDirectory: a.Directory, ACMERoot: a.Root, ACMEKeyID: "kid-1", ACMEKey: file, ACMEEmail: "a@example.com"})
	s.await(t, a, "bound.example", nil)
}

// Two processes that share a folder, as in an upgrade: one asks, and the other, which
// has the sockets, gives the proof. Both serve the one certificate.
func TestAnotherProcessProves(t *testing.T) {
	t.Parallel()
	s, other := open(t, 0), open(t, 0)
	other.folder = s.folder
	a := acmetest.Start(t, acmetest.Options{HTTP: s.web, TLS: s.tls})
	other.use(t, a, "two.example")
	s.use(t, a, "two.example")
	first, second := s.await(t, a, "two.example", nil), other.await(t, a, "two.example", nil)
	if !first.Equal(second) {
		t.Error("there are two certificates")
	}
}
