package acme

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mholt/acmez/v3/acme"

	"ripd/internal/config"
)

// maxFile bounds the files of the settings, in bytes: a bundle of all authorities of a
// system has some hundred KB.
const maxFile = 4 << 20

// CredentialKey is the systemd credential (systemd.exec(5), LoadCredential=) that is
// used where the settings name no file for the key of tls.acme_key_id.
const CredentialKey = "tls.acme_key"

// Settings are what Use needs. They are checked, and immutable.
type Settings struct {
	names     []string
	email     string
	directory string
	roots     *x509.CertPool // nil: the system's
	binding   *acme.EAB      // nil: none
	folder    string
	web, tls  bool
}

// Prepare reads and checks what the settings name; nil when they name no host. The
// folder, which is made, keeps certificates, keys and the account. credentials is the
// folder of systemd's credentials, "" where there is none. ports are those of the
// listeners; see Ports.
func Prepare(c *config.TLS, folder, credentials string, ports Ports) (*Settings, error) {
	if len(c.ACME) == 0 {
		return nil, nil
	}
	s := &Settings{names: slices.Clone(c.ACME), email: c.ACMEEmail, directory: c.ACMEDirectory, folder: folder}
	s.web, s.tls = ports.kinds()
	var err error
	if c.ACMERoot != "" {
		if s.roots, err = readRoots(c.ACMERoot); err != nil {
			return nil, err
		}
	}
	if c.ACMEKeyID != "" {
		if s.binding, err = readBinding(c, credentials); err != nil {
			return nil, err
		}
	}
	return s, probe(folder)
}

// Ports are those of the listeners: what clients reach there. A unix socket has the
// port 0.
type Ports struct{ HTTP, HTTPS []int }

// The ports at which authorities look for proofs, RFC 8555 section 8.3 and RFC 8737
// section 3.
const (
	portHTTP  = 80
	portHTTPS = 443
)

// kinds says which proofs can be given. Where a listener has its standard port, those
// count that do: the others are not reached. Where none does, something in front of
// ripd passes connections on, and all may be.
func (p Ports) kinds() (web, tls bool) {
	web, tls = slices.Contains(p.HTTP, portHTTP), slices.Contains(p.HTTPS, portHTTPS)
	if !web && !tls {
		return len(p.HTTP) > 0, len(p.HTTPS) > 0
	}
	return web, tls
}

func readRoots(path string) (*x509.CertPool, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("tls.acme_root %s: %w", path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("tls.acme_root %s: it has no certificate in PEM", path)
	}
	return pool, nil
}

// readBinding reads the key to the account that the authority knows already.
func readBinding(c *config.TLS, credentials string) (*acme.EAB, error) {
	path, what := c.ACMEKey, "tls.acme_key "+c.ACMEKey
	if path == "" {
		if credentials == "" {
			return nil, errors.New("tls.acme_key_id: there is no key; set tls.acme_key, or hand it over as the systemd credential " + CredentialKey)
		}
		path, what = filepath.Join(credentials, CredentialKey), "the systemd credential "+CredentialKey
	}
	data, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	key := strings.TrimRight(strings.TrimSpace(string(data)), "=")
	if _, err := base64.RawURLEncoding.DecodeString(key); err != nil || key == "" {
		return nil, fmt.Errorf("%s: it is not a key in base64url, as authorities write it", what)
	}
	return &acme.EAB{KeyID: c.ACMEKeyID, MACKey: key}, nil
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return nil, errors.New("there is no such file")
	case err == nil && !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case err == nil && info.Size() > maxFile:
		return nil, fmt.Errorf("it has more than %s", config.FormatSize(maxFile))
	}
	data, err := os.ReadFile(path)
	if os.IsPermission(err) {
		return nil, errors.New("it may not be read by ripd's user")
	}
	return data, plain(err)
}

// probe makes the folder, and sees that it can be written to.
func probe(folder string) error {
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = os.Chmod(folder, 0o700)
	}
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(folder, ".probe-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		return fmt.Errorf("tls.acme: the folder %s, for certificates and keys, cannot be written to: %w", folder, plain(err))
	}
	return nil
}

// plain takes the path, which the message has already, out of an error.
func plain(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
