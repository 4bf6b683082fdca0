package certs

import (
	"crypto/tls"
	"time"
)

// Source gives certificates that are in no file of the settings. Its methods may be
// called from several goroutines at once.
type Source interface {
	// Active tells whether there is something to give. While there is not, the others
	// give nil.
	Active() bool
	// Certificate is for a name that the source is in charge of; an error says that
	// there is none now. It is nil for all other names.
	Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// First is for a client that asks for no name, or for one that nobody has.
	First(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Challenge is for an authority that looks for a proof in a handshake, and nil for
	// all others.
	Challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ends is when the first of its certificates ends; zero when it has none.
	Ends() time.Time
}

// None is the set without a file: all certificates are a source's.
func None() *Set { return &Set{} }

// active tells whether there is a source with something to give.
func (s *Store) active() bool { return s.more != nil && s.more.Active() }

// certificate finds the one for a client: of a file that has its name, else the
// source's for that name, else the first of all.
func (s *Store) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	set := s.set.Load()
	if !s.active() {
		return set.choose(hello)
	}
	if c := set.matching(hello); c != nil {
		return c, nil
	}
	if c, err := s.more.Certificate(hello); c != nil || err != nil {
		return c, err
	}
	if len(set.list) > 0 {
		return &set.list[0], nil
	}
	return s.more.First(hello)
}

// challenge gives an authority the handshake in which it finds its proof; nil for all
// other clients: their handshake is the usual one.
func (s *Store) challenge(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if !s.active() {
		return nil, nil
	}
	c, err := s.more.Challenge(hello)
	if c == nil || err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: hello.SupportedProtos, Certificates: []tls.Certificate{*c}, SessionTicketsDisabled: true,
	}, nil
}

// Ends is when the first of all certificates in force ends; zero when there are none.
func (s *Store) Ends() time.Time {
	first := s.set.Load().Ends()
	if !s.active() {
		return first
	}
	if t := s.more.Ends(); first.IsZero() || !t.IsZero() && t.Before(first) {
		return t
	}
	return first
}
