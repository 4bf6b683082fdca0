// Package acme gets certificates from an authority that speaks ACME (RFC 8555), and
// renews them. The protocol, the storage and the schedule are certmagic's; what is
// here fits them to ripd:
//
//   - No socket is opened for the proofs. Those that ripd serves anyway answer them:
//     Proof is for plain HTTP, Challenge for TLS.
//   - Certificates that were got before are there when Use returns.
//   - Several processes may use one folder at once, as in an upgrade: one of them asks,
//     any of them answers.
//
// The files:
//
//	acme.go       the manager, which outlives its settings
//	tenure.go     the time of one set of settings: certmagic's parts and goroutines
//	challenge.go  the proofs
//	state.go      what is known of each name
//	prepare.go    settings that are checked
//	bridge.go     certmagic's log, told in ripd's
package acme

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

// DefaultCheckEvery is how often certificates are looked at, to renew those whose
// time has come. It is certmagic's own: a certificate must hold for some times as
// long.
const DefaultCheckEvery = certmagic.DefaultRenewCheckInterval

// Options are what a manager needs for its life.
type Options struct {
	// Log gets what happens.
	Log *slog.Logger
	// SocketDir is a folder for a socket that is gone at once: see newNowhere. Its path
	// has to leave room for some more bytes in a socket's address.
	SocketDir string
	// Agent names this program to authorities: "ripd/1.2".
	Agent string
	// CheckEvery is for tests; 0 means DefaultCheckEvery.
	CheckEvery time.Duration
}

// Manager gets and renews certificates, by settings that may change. Its methods may
// be called from several goroutines at once; they never wait for the network.
type Manager struct {
	log     *slog.Logger
	bridge  *bridge
	nowhere *nowhere
	check   time.Duration
	now     atomic.Pointer[tenure] // nil: there is nothing to do
	counts  counts

	changing sync.Mutex // held while one tenure follows another
	closed   bool
}

// counts are attempts since the start.
type counts struct{ obtained, failed atomic.Uint64 }

// New makes a manager that manages nothing yet. Close ends it.
func New(o Options) (*Manager, error) {
	m := &Manager{log: o.Log, bridge: newBridge(o.Log), check: o.CheckEvery}
	if m.check == 0 {
		m.check = DefaultCheckEvery
	}
	var err error
	if m.nowhere, err = newNowhere(o.SocketDir); err != nil {
		return nil, err
	}
	setAgent(o.Agent)
	return m, nil
}

// agentOnce guards certmagic's variable, which is one for the process.
var agentOnce sync.Once

func setAgent(agent string) { agentOnce.Do(func() { certmagic.UserAgent = agent }) }

// Use puts other settings in force; nil ends the work. Certificates that are in the
// storage serve when it returns. It waits for what the settings before have under
// way to be broken off, and tries anew at once what failed then.
func (m *Manager) Use(s *Settings) {
	m.changing.Lock()
	defer m.changing.Unlock()
	if m.closed {
		return
	}
	var next *tenure
	if s != nil {
		next = newTenure(m, s)
	}
	if last := m.now.Swap(next); last != nil {
		last.end()
	}
	if next != nil {
		next.begin()
	}
}

// Close ends the work. Certificates that were got go on serving.
func (m *Manager) Close() {
	m.changing.Lock()
	defer m.changing.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	if t := m.now.Load(); t != nil {
		t.end()
	}
	m.nowhere.close()
}

// Certificate gives the certificate for the name that a client asks for. It is nil
// for a name of others; the error says that there is none yet.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	t := m.now.Load()
	if t == nil {
		return nil, nil
	}
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if !t.manages(name) {
		return nil, nil
	}
	return t.certificate(name, hello)
}

// First gives the certificate of the first name that has one, for clients that ask
// for none that is known; nil when nothing is managed.
func (m *Manager) First(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	t := m.now.Load()
	if t == nil {
		return nil, nil
	}
	var first error
	for _, name := range t.settings.names {
		c, err := t.certificate(name, hello)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// Active tells whether there are names.
func (m *Manager) Active() bool { return m != nil && m.now.Load() != nil }

// Attempts gives how many certificates were obtained since the start, and how many
// attempts have failed.
func (m *Manager) Attempts() (obtained, failed uint64) {
	return m.counts.obtained.Load(), m.counts.failed.Load()
}

// noContext is for calls of certmagic's that use none.
var noContext = context.Background()
