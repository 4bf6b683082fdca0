package certs

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, pairs ...Pair) *Set {
	t.Helper()
	s, err := Load(pairs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pairOf(c *testkit.Certificate) Pair { return Pair{c.Cert, c.Key} }

// served gives the first name of the certificate that a client gets who asks for a
// name.
func served(t *testing.T, s *Store, name string) string {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	server := tls.Server(there, s.Config())
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	client := tls.Client(here, &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, client) // the session tickets
	if err := testkit.Receive(t, testkit.Timeout, done); err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].DNSNames[0]
}

// Clients get the certificate for the name that they ask for, else the first.
func TestChoosesByName(t *testing.T) {
	dir := t.TempDir()
	one := testkit.NewCertificate(t, dir, "one", "one.example", "www.one.example")
	two := testkit.NewCertificate(t, dir, "two", "*.two.example")
	s := NewStore(load(t, pairOf(one), pairOf(two)), nil)
	for name, want := range map[string]string{
		"one.example": "one.example", "www.one.example": "one.example", "a.two.example": "*.two.example", "A.TWO.example": "*.two.example",
		"a.b.two.example": "one.example", "other.example": "one.example", "": "one.example",
	} {
		if got := served(t, s, name); got != want {
			t.Errorf("%q got %s, not %s", name, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"tls.certificate", "tls.key", "tls.certificate.b", "tls.key.b", "tls.certificates", "password"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	named := &config.TLS{Certificate: config.Paths{"/a.crt", "/b.crt"}, Key: config.Paths{"/a.key", "/b.key"}}
	for _, test := range []struct {
		name        string
		c           *config.TLS
		credentials string
		want        []Pair
	}{
		{"nothing", &config.TLS{}, "", nil},
		{"files", named, "", []Pair{{"/a.crt", "/a.key"}, {"/b.crt", "/b.key"}}},
		{"files before credentials", named, dir, []Pair{{"/a.crt", "/a.key"}, {"/b.crt", "/b.key"}}},
		{"credentials", &config.TLS{}, dir, []Pair{{dir + "/tls.certificate", dir + "/tls.key"}, {dir + "/tls.certificate.b", dir + "/tls.key.b"}}},
		{"credentials of others", &config.TLS{}, t.TempDir(), nil},
	} {
		got, err := Find(test.c, test.credentials)
		if err != nil || len(got) != len(test.want) {
			t.Errorf("%s: %v %v", test.name, got, err)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%s: %v", test.name, got)
			}
		}
	}
	if _, err := Find(&config.TLS{}, dir+"/nowhere"); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good, other := testkit.NewCertificate(t, dir, "good", "a"), testkit.NewCertificate(t, dir, "other", "b")
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, pairs := range map[string][]Pair{
		"https needs a certificate: set tls.certificate and tls.key, or tls.acme":                 nil,
		"tls.certificate " + dir + "/x: there is no such file":                                    {{dir + "/x", good.Key}},
		"tls.key " + dir + "/x: there is no such file":                                            {{good.Cert, dir + "/x"}},
		"tls.key " + dir + ": it is not a regular file":                                           {{good.Cert, dir}},
		"tls.certificate " + large + ": it has more than 1MB":                                     {{large, good.Key}},
		"tls.certificate " + good.Cert + " with tls.key " + other.Key + ": private key does not ": {pairOf(good), {good.Cert, other.Key}},
		"tls.certificate " + text + " with tls.key " + good.Key + ": failed to find any PEM data": {{text, good.Key}},
	} {
		if _, err := Load(pairs); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v\nnot\n%s", err, want)
		}
	}
	if _, err := Load(nil); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// lines is a log that tests read.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

// Renewed files are taken over once they are quiet; broken ones are told once, and
// change nothing.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	c := testkit.NewCertificate(t, dir, "c", "first.example")
	s := NewStore(load(t, pairOf(c)), nil)
	log := &lines{}
	quit, ticks, done := make(chan struct{}), make(chan time.Time), make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(quit, ticks, slog.New(slog.NewTextHandler(log, nil)))
	}()
	tick := func(n int) {
		for range n {
			ticks <- time.Now()
		}
	}
	tick(3)
	testkit.NewCertificate(t, dir, "c", "second.example")
	tick(1) // it has changed
	tick(2) // and is quiet
	if got := served(t, s, ""); got != "second.example" {
		t.Errorf("%s is served", got)
	}
	if n := log.count("certificates renewed"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if err := os.WriteFile(c.Key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	tick(5)
	if got := served(t, s, ""); got != "second.example" || log.count("cannot be used") != 1 {
		t.Errorf("%s is served, told %d times", got, log.count("cannot be used"))
	}
	// Programs that renew certificates move a link.
	third := testkit.NewCertificate(t, dir, "new", "third.example")
	for link, to := range map[string]string{c.Cert: third.Cert, c.Key: third.Key} {
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	tick(3)
	if got := served(t, s, ""); got != "third.example" {
		t.Errorf("%s is served", got)
	}
	if n := log.count("ends soon"); n != 3 { // the tests' certificates last for a day
		t.Errorf("its end was told %d times", n)
	}
	close(quit)
	<-done
}

// The certificate for development is kept, and only its owner can read the key.
func TestSelfSigned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	p, trust, err := SelfSigned(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(p.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if err := os.Remove(trust); err != nil {
		t.Fatal(err)
	}
	if p, trust, err = SelfSigned(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(p.Key); err != nil || string(again) != string(first) {
		t.Error("it was not kept", err)
	}
	public, err := os.ReadFile(trust)
	if err != nil || strings.Contains(string(public), "PRIVATE") || !strings.Contains(string(first), string(public)) {
		t.Errorf("%s %v", public, err)
	}
	set := load(t, p)
	leaf := set.list[0].Leaf
	for _, name := range []string{"localhost", "app.localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if left := time.Until(set.Ends()); leaf.IsCA || left < selfSignedLife-2*time.Hour || left > selfSignedLife {
		t.Errorf("authority %v, left %v", leaf.IsCA, left)
	}
	if err := os.WriteFile(p.Key, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, _, err = SelfSigned(dir); err != nil {
		t.Fatal(err)
	}
	load(t, p)
}

// Handshakes and renewals at the same time: each client gets a whole pair.
func TestRenewalUnderLoad(t *testing.T) {
	dir := t.TempDir()
	a, b := testkit.NewCertificate(t, dir, "a", "a.example"), testkit.NewCertificate(t, dir, "b", "b.example")
	sets := []*Set{load(t, pairOf(a)), load(t, pairOf(b))}
	s := NewStore(sets[0], nil)
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
				s.Put(sets[i%2])
			}
		}
	}()
	for range 50 {
		if got := served(t, s, "a.example"); got != "a.example" && got != "b.example" {
			t.Fatal(got)
		}
	}
	close(end)
	<-done
}
