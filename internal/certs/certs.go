// Package certs keeps the certificates of the https listeners: it finds their
// files, reads them, chooses one for the name that a client asks for, and follows
// when they are renewed. A connection that is open notices nothing of that.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ripd/internal/config"
)

const (
	// MaxPairs bounds the number of certificates. It is config.MaxListeners, the
	// most that a list in the settings has.
	MaxPairs = config.MaxListeners
	// maxFile bounds a file in bytes: a chain of certificates has some KB.
	maxFile = 1 << 20
)

// The names of systemd credentials (systemd.exec(5), LoadCredential=) that are used
// where the settings name no files. A further pair has a suffix, the same for
// both: tls.certificate.other and tls.key.other.
const (
	CredentialCertificate = "tls.certificate"
	CredentialKey         = "tls.key"
)

// Pair is a certificate, with its chain, and its key: paths of PEM files, which may
// be one.
type Pair struct{ Certificate, Key string }

// Find gives the pairs that the settings name, else those among systemd's
// credentials in the folder, "" where there is none. It gives none when nobody named
// any. Whether the files are there is for Load to see.
func Find(c *config.TLS, credentials string) ([]Pair, error) {
	var pairs []Pair
	for i := range c.Certificate {
		pairs = append(pairs, Pair{c.Certificate[i], c.Key[i]}) // config has counted them
	}
	if len(pairs) > 0 || credentials == "" {
		return pairs, nil
	}
	entries, err := os.ReadDir(credentials)
	if err != nil {
		return nil, fmt.Errorf("the credentials from systemd: %w", err)
	}
	for _, e := range entries { // sorted: the one without a suffix comes first
		suffix, found := strings.CutPrefix(e.Name(), CredentialCertificate)
		if !found || suffix != "" && suffix[0] != '.' {
			continue
		}
		pairs = append(pairs, Pair{filepath.Join(credentials, e.Name()), filepath.Join(credentials, CredentialKey+suffix)})
	}
	if len(pairs) > MaxPairs {
		return nil, fmt.Errorf("%s has %d certificates; %d is the most", credentials, len(pairs), MaxPairs)
	}
	return pairs, nil
}

// Set is what some pairs held when they were read. It is immutable.
type Set struct {
	pairs  []Pair
	stamps []stamp
	list   []tls.Certificate
}

// ErrNone is what Load says of no pairs.
var ErrNone = errors.New("https needs a certificate: set tls.certificate and tls.key, or tls.acme")

// Load reads the pairs. An error says what is wrong with which file.
func Load(pairs []Pair) (*Set, error) {
	if len(pairs) == 0 {
		return nil, ErrNone
	}
	s := &Set{pairs: slices.Clone(pairs), stamps: stampsOf(pairs)} // before they are read: a change meanwhile is one
	for _, p := range pairs {
		c, err := p.load()
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, c)
	}
	return s, nil
}

func (p Pair) load() (tls.Certificate, error) {
	chain, err := read("tls.certificate", p.Certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := read("tls.key", p.Key)
	if err != nil {
		return tls.Certificate{}, err
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return c, fmt.Errorf("tls.certificate %s with tls.key %s: %s", p.Certificate, p.Key, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return c, nil
}

// read reads a small regular file.
func read(key, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	var data []byte
	if err == nil {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			defer f.Close()
			data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
		}
	}
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it has more than %s", config.FormatSize(maxFile))
	}
	var p *os.PathError
	switch {
	case err == nil:
		return data, nil
	case os.IsNotExist(err):
		return nil, fmt.Errorf("%s %s: there is no such file", key, path)
	case os.IsPermission(err):
		return nil, fmt.Errorf("%s %s: it may not be read by ripd's user; systemd can hand it over, see LoadCredential in docs/tls.md", key, path)
	case errors.As(err, &p):
		err = p.Err
	}
	return nil, fmt.Errorf("%s %s: %w", key, path, err)
}

// Describe names each certificate and its end, for people.
func (s *Set) Describe() string {
	var texts []string
	for i := range s.list {
		leaf := s.list[i].Leaf
		texts = append(texts, fmt.Sprintf("%s until %s", strings.Join(NamesOf(leaf), ", "), leaf.NotAfter.UTC().Format("2006-01-02 15:04 MST")))
	}
	return strings.Join(texts, "; ")
}

// maxNames is how many names of a certificate NamesOf tells.
const maxNames = 4

// NamesOf gives the names of a certificate for people: the first ones, and how many
// there are more.
func NamesOf(leaf *x509.Certificate) []string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return []string{"without a name"}
	case len(names) > maxNames:
		return append(names[:maxNames], fmt.Sprintf("and %d more", len(names)-maxNames))
	}
	return names
}

// Ends is when the first of the certificates ends; zero when there are none.
func (s *Set) Ends() (first time.Time) {
	for i := range s.list {
		if t := s.list[i].Leaf.NotAfter; first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// Leaves gives the certificates without their chains, in their order. Do not change
// them.
func (s *Set) Leaves() (list []*x509.Certificate) {
	for i := range s.list {
		list = append(list, s.list[i].Leaf)
	}
	return list
}

// choose finds the certificate for a client: the first that has the name that it
// asks for and that it can use, else the first.
func (s *Set) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(s.list) > 1 {
		if c := s.matching(hello); c != nil {
			return c, nil
		}
	}
	if len(s.list) == 0 {
		return nil, ErrNone
	}
	return &s.list[0], nil
}

// matching finds the first that has the name that the client asks for and that it can
// use; nil when there is none.
func (s *Set) matching(hello *tls.ClientHelloInfo) *tls.Certificate {
	for i := range s.list {
		if hello.SupportsCertificate(&s.list[i]) == nil {
			return &s.list[i]
		}
	}
	return nil
}

// Store holds the set in force. Its methods may be called from several goroutines
// at once.
type Store struct {
	set    atomic.Pointer[Set]
	more   Source // nil: none
	config *tls.Config
}

// NewStore returns a store with a first set, and a source of more certificates, or nil.
func NewStore(first *Set, more Source) *Store {
	s := &Store{more: more}
	s.set.Store(first)
	s.config = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2", "http/1.1"}, // tls.http2 decides whether the first is offered
		GetCertificate:     s.certificate,
		GetConfigForClient: s.challenge,
		// Records of 16 KB from the start: an answer that has come is given on in
		// as few writes as it takes.
		DynamicRecordSizingDisabled: true,
	}
	return s
}

// Config gives the settings for all listeners. They are the same for the life of
// the store, so that session tickets outlive a renewal.
func (s *Store) Config() *tls.Config { return s.config }

// Set gives the set in force.
func (s *Store) Set() *Set { return s.set.Load() }

// Put puts another set in force, for handshakes from now on.
func (s *Store) Put(set *Set) { s.set.Store(set) }
