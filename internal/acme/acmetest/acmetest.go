// Package acmetest runs pebble, Let's Encrypt's authority for tests, inside of the
// test: ACME over https on a loopback address, and a name server for which all names
// are 127.0.0.1.
package acmetest

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"ripd/internal/testkit"
)

// Options say how the authority is.
type Options struct {
	// HTTP and TLS are the ports at which it looks for proofs; 0: none is there.
	HTTP, TLS int
	// Holds is how long its certificates do; 0: 90 days.
	Holds time.Duration
	// KeyID and Key, if given, are an account without which nobody gets one: Key is
	// in base64url.
	KeyID, Key string
}

// Authority is one that runs until the test ends.
type Authority struct {
	// Directory is the URL of its directory.
	Directory string
	// Root is a file with the certificate that vouches for the directory's own.
	Root string
	// Issued trusts the certificates that it issues.
	Issued *x509.CertPool

	front http.Handler
	down  atomic.Bool
	// Accounts counts those that were made.
	Accounts atomic.Int64
}

// Start starts one. With HTTP and TLS 0 it can prove nothing.
func Start(t testing.TB, o Options) *Authority {
	t.Helper()
	noSleep()
	// It refuses 5 % of all nonces, at random: they are tried again.
	logger := slog.NewLogLogger(slog.NewTextHandler(logWriter{}, nil), slog.LevelInfo)
	store := db.NewMemoryStore()
	profile := ca.Profile{Description: "of tests", ValidityPeriod: uint64(o.Holds / time.Second)}
	issuer := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": profile})
	validator := va.New(logger, orClosed(t, o.HTTP), orClosed(t, o.TLS), false, nameServer(t), store)
	if o.KeyID != "" {
		if err := store.AddExternalAccountKeyByID(o.KeyID, o.Key); err != nil {
			t.Fatal(err)
		}
	}
	pebble := wfe.New(logger, store, validator, issuer, []string{"ca.example"}, false, o.KeyID != "", 0, 0)
	a := &Authority{Issued: x509.NewCertPool(), front: pebble.Handler()}
	a.Issued.AddCert(issuer.GetRootCert(0).Cert)
	own := testkit.NewCertificate(t, t.TempDir(), "directory", "127.0.0.1")
	server := httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	server.Config.ErrorLog = logger
	server.TLS = &tls.Config{Certificates: []tls.Certificate{own.Pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	a.Directory, a.Root = server.URL+wfe.DirectoryPath, own.Cert
	return a
}

// noSleep has pebble not wait before it looks for a proof. It is a variable that it
// reads, the same for all tests.
var noSleep = sync.OnceFunc(func() {
	if err := os.Setenv("PEBBLE_VA_NOSLEEP", "1"); err != nil {
		panic(err)
	}
})

// serve is pebble, while it is up.
func (a *Authority) serve(w http.ResponseWriter, q *http.Request) {
	if a.down.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"type":"urn:ietf:params:acme:error:serverInternal","detail":"the authority is down"}`)
		return
	}
	counted := &statusOf{ResponseWriter: w}
	a.front.ServeHTTP(counted, q)
	if q.URL.Path == "/sign-me-up" && counted.status == http.StatusCreated {
		a.Accounts.Add(1)
	}
}

// SetDown makes the authority answer 503, or serve again.
func (a *Authority) SetDown(down bool) { a.down.Store(down) }

type statusOf struct {
	http.ResponseWriter
	status int
}

// WriteHeader keeps the status.
func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// orClosed gives the port, or one at which nobody listens.
func orClosed(t testing.TB, port int) int {
	t.Helper()
	if port != 0 {
		return port
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// nameServer answers over TCP that each name is 127.0.0.1, and gives its address.
func nameServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		for _, question := range q.Question {
			if question.Qtype == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: netip.MustParseAddr("127.0.0.1").AsSlice()})
			}
		}
		_ = w.WriteMsg(m) // who asks notices
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ActivateAndServe() // it ends with the listener
	}()
	t.Cleanup(func() {
		_ = l.Close() // and so does the server
		<-done
	})
	return l.Addr().String()
}

// logWriter keeps pebble's log for who looks for a fault: RIPD_PEBBLE names a file.
type logWriter struct{}

// Write appends to the file.
func (logWriter) Write(b []byte) (int, error) {
	path := os.Getenv("RIPD_PEBBLE")
	if path == "" {
		return len(b), nil
	}
	f, err := os.OpenFile(filepath.Clean(path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Write(b)
}
