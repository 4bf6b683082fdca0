package acme

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mholt/acmez/v3"
)

// Protocol is what an authority says instead of a protocol in a handshake in which it
// looks for a proof (RFC 8737 section 6.2).
const Protocol = acmez.ACMETLS1Protocol

// Proof answers an authority that asks over plain HTTP (RFC 8555 section 8.3): host is
// the request's, with or without a port. It is nil for what is not asked for: such a
// request is like any other.
func (m *Manager) Proof(host, path string) []byte {
	t := m.now.Load()
	if t == nil || !t.settings.web {
		return nil
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if !t.manages(strings.ToLower(name)) {
		return nil
	}
	q := &http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path}, RequestURI: path, Header: http.Header{}}
	a := answer{header: http.Header{}}
	if !t.issuer.HandleHTTPChallenge(&a, q) {
		return nil
	}
	return a.body.Bytes()
}

// answer is what certmagic writes an answer to.
type answer struct {
	header http.Header
	body   bytes.Buffer
}

// Header gives the answer's header.
func (a *answer) Header() http.Header { return a.header }

// Write takes a part of the answer's body.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// WriteHeader takes the status, which is 200.
func (a *answer) WriteHeader(int) {}

// Challenge answers an authority that asks in a handshake, with a certificate that is
// made for it. It is nil for a handshake of others.
func (m *Manager) Challenge(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(hello.SupportedProtos) != 1 || hello.SupportedProtos[0] != Protocol {
		return nil, nil
	}
	t := m.now.Load()
	if t == nil || !t.settings.tls || !t.manages(strings.ToLower(hello.ServerName)) {
		return nil, errors.New("an authority asks for a proof of a name that ripd asks no certificate for")
	}
	c, err := t.config.GetCertificate(hello)
	if err != nil {
		return nil, fmt.Errorf("an authority asks for a proof: %w", err)
	}
	return c, nil
}

// nowhere is a listening socket that nobody can reach. certmagic wants to listen for
// authorities by itself, and takes such a socket instead of port 80 or 443: those are
// systemd's and ripd's, and another process may answer there.
type nowhere struct {
	file *os.File
	name string
}

func newNowhere(dir string) (*nowhere, error) {
	path := filepath.Join(dir, "acme-"+strconv.Itoa(os.Getpid())+".tmp")
	_ = os.Remove(path) // of a process that had this number, and was killed at this very place
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("tls.acme: a socket in %s: %w", dir, err)
	}
	defer l.Close() // which removes the path: from now on the socket has none
	file, err := l.File()
	if err != nil {
		return nil, fmt.Errorf("tls.acme: a socket in %s: %w", dir, err)
	}
	return &nowhere{file: file, name: "fd/" + strconv.Itoa(int(file.Fd()))}, nil
}

// host is what stands for the socket in certmagic's settings.
func (n *nowhere) host() string { return n.name }

func (n *nowhere) close() { n.file.Close() }
