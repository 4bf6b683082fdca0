package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is a certificate that nobody but the test trusts.
type Certificate struct {
	// Cert and Key are the paths of PEM files, the key's with the mode 0600.
	Cert, Key string
	// Pair is what the files hold.
	Pair tls.Certificate
	// Roots trusts the certificate.
	Roots *x509.CertPool
}

// NewCertificate makes a certificate for the names, which may be IP addresses,
// and writes it to name.crt and name.key in the folder. Files that are there are
// replaced in one step each, as programs do that renew certificates.
func NewCertificate(t testing.TB, dir, name string, names ...string) *Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true, IsCA: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &Certificate{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), Roots: x509.NewCertPool()}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for path, data := range map[string][]byte{c.Cert: certPEM, c.Key: keyPEM} {
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	if c.Pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	c.Roots.AppendCertsFromPEM(certPEM)
	return c
}

// Client gives the settings of a client that trusts the certificate, and asks for
// the name.
func (c *Certificate) Client(name string) *tls.Config {
	return &tls.Config{RootCAs: c.Roots, ServerName: name, MinVersion: tls.VersionTLS12}
}
