package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// selfSignedLife is how long a self-signed certificate holds: browsers take no
	// longer ones.
	selfSignedLife = 397 * 24 * time.Hour
	// selfSignedRest is how much of it must be left at a start.
	selfSignedRest = 30 * 24 * time.Hour
)

// SelfSigned gives a pair for this machine's own names (localhost and what is below
// it, the loopback addresses) that is its own authority: for development. It is kept
// in the folder, which is made, so that who trusts it once need not do so again.
// trust is the path of a file with the certificate alone.
func SelfSigned(dir string) (p Pair, trust string, err error) {
	both := filepath.Join(dir, "localhost.pem")
	p, trust = Pair{both, both}, filepath.Join(dir, "localhost.crt")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return p, trust, fmt.Errorf("the folder of the self-signed certificate: %w", err)
	}
	if c, err := p.load(); err == nil && time.Until(c.Leaf.NotAfter) > selfSignedRest {
		public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
		if there, err := os.ReadFile(trust); err == nil && bytes.Equal(there, public) {
			return p, trust, nil
		}
		return p, trust, replace(trust, public, 0o644)
	}
	public, private, err := makeSelfSigned(time.Now())
	if err == nil {
		// In one file: two ripds that do this at once leave one whole pair.
		err = replace(both, append(private, public...), 0o600)
	}
	if err == nil {
		err = replace(trust, public, 0o644)
	}
	return p, trust, err
}

// makeSelfSigned makes the certificate and its key, in PEM. It is no authority for
// other names, so that trusting it means no more than it says.
func makeSelfSigned(now time.Time) (public, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // below 20 bytes, RFC 5280 section 4.1.2.2
	if err != nil {
		return nil, nil, fmt.Errorf("make a serial number: %w", err)
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "this machine"
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"ripd, for development"}, CommonName: "localhost on " + host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfSignedLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost", "*.localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}

// replace writes a file in one step.
func replace(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // of the mode 0600
	if err != nil {
		return fmt.Errorf("the self-signed certificate: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(mode)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it may be gone already
		return fmt.Errorf("the self-signed certificate: %w", err)
	}
	return nil
}
