package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// State is what is known of one name.
type State struct {
	Name string
	// Issuer is who has signed the certificate in force, "" without one.
	Issuer string
	// Ends is when it ends; zero without one.
	Ends time.Time
	// Problem is why the last attempt has failed, "" when it has not; Since is when.
	Problem string
	Since   time.Time
}

// states keeps what went wrong with each name.
type states struct {
	mu       sync.Mutex
	problems map[string]problem // of the names in the settings alone
}

type problem struct {
	text string
	at   time.Time
}

func (s *states) init(names []string) {
	s.problems = make(map[string]problem, len(names))
	for _, name := range names {
		s.problems[name] = problem{}
	}
}

func (s *states) set(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.problems[name]; !known {
		return
	}
	s.problems[name] = problem{}
	if text != "" {
		s.problems[name] = problem{text, time.Now()}
	}
}

func (s *states) get(name string) problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problems[name]
}

// why says why there is no certificate, for the log of a handshake.
func (s *states) why(name string) string {
	return cmp.Or(s.get(name).text, "it is being asked for")
}

// States gives what is known of each name, in the order of the settings.
func (m *Manager) States() (list []State) {
	if m == nil {
		return nil
	}
	t := m.now.Load()
	if t == nil {
		return nil
	}
	for _, name := range t.settings.names {
		p := t.states.get(name)
		s := State{Name: name, Problem: p.text, Since: p.at}
		if found := t.cache.AllMatchingCertificates(name); len(found) > 0 {
			s.Issuer, s.Ends = IssuerOf(found[0].Leaf), found[0].Leaf.NotAfter
		}
		list = append(list, s)
	}
	return list
}

// IssuerOf names who has signed a certificate, for people.
func IssuerOf(leaf *x509.Certificate) string {
	organization := strings.Join(leaf.Issuer.Organization, ", ")
	switch {
	case organization == "":
		return leaf.Issuer.CommonName
	case leaf.Issuer.CommonName == "":
		return organization
	}
	return organization + " " + leaf.Issuer.CommonName
}

// event is told by certmagic what happens. An error would break off what it does.
func (t *tenure) event(_ context.Context, name string, data map[string]any) error {
	host, _ := data["identifier"].(string)
	renewal, _ := data["renewal"].(bool)
	switch name {
	case "cert_obtained":
		t.manager.counts.obtained.Add(1)
		t.states.set(host, "")
		what := "a certificate was obtained"
		if renewal {
			what = "a certificate was renewed"
		}
		t.manager.log.Info(what, "host", host, "authority", t.settings.directory)
	case "cert_failed":
		err, _ := data["error"].(error)
		if err == nil || t.ctx.Err() != nil {
			return nil // or the tenure has ended, and broken it off
		}
		t.failed(host, explain(host, err))
	}
	return nil
}

// failed notes an attempt that has failed, and tells of it.
func (t *tenure) failed(host string, err error) {
	t.manager.counts.failed.Add(1)
	t.states.set(host, err.Error())
	t.manager.log.Warn("a certificate could not be obtained: it is tried again later, by ripctl reload at once", "host", host, "authority", t.settings.directory, "error", err.Error())
}

// maxProblem bounds what an authority says, in bytes.
const maxProblem = 1000

// explain makes certmagic's error one that says what to do where that is known.
func explain(host string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > maxProblem {
		text = strings.ToValidUTF8(text[:maxProblem], "") + "…"
	}
	for _, part := range []string{fmt.Sprint([]string{host}), "[" + host + "]"} {
		text = strings.TrimPrefix(text, part+" ")
	}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		return fmt.Errorf("the certificate of tls.acme_directory itself is not trusted: %w; name its authority with tls.acme_root, or install the package ca-certificates", untrusted.Err)
	}
	return errors.New(text)
}

// Awaited gives the names that have no certificate.
func (m *Manager) Awaited() (names []string) {
	for _, s := range m.States() {
		if s.Ends.IsZero() {
			names = append(names, s.Name)
		}
	}
	return slices.Clip(names)
}

// Ends is when the first of the certificates ends; zero when there are none.
func (m *Manager) Ends() (first time.Time) {
	for _, s := range m.States() {
		if first.IsZero() || !s.Ends.IsZero() && s.Ends.Before(first) {
			first = s.Ends
		}
	}
	return first
}
