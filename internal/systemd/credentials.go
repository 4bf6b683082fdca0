package systemd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// CredentialsVariable is where systemd says in which folder a service's
// credentials are: systemd.exec(5).
const CredentialsVariable = "CREDENTIALS_DIRECTORY"

// MaxCredential bounds a credential in bytes, as systemd does (1 MB, in
// systemd.exec(5)).
const MaxCredential = 1 << 20

// The causes for which there is no credential.
var (
	// ErrNoCredentials: the service has none at all.
	ErrNoCredentials = errors.New(CredentialsVariable + " is not set")
	// ErrNoCredential: it has others, but not this one.
	ErrNoCredential = errors.New("it is not there")
)

// ReadCredential gives the content of a credential, one of LoadCredential= or
// SetCredential= of the unit, which systemd has put into the folder dir
// (CredentialsVariable; "" when that is not set). Everything that ripd takes from
// credentials comes from here. The error names the credential, and never what is in
// it; it is ErrNoCredentials or ErrNoCredential when the credential is missing.
func ReadCredential(dir, name string) ([]byte, error) {
	content, err := readCredential(dir, name)
	if err != nil {
		return nil, fmt.Errorf("the credential %s: %w", name, err)
	}
	return content, nil
}

func readCredential(dir, name string) ([]byte, error) {
	switch {
	case name == "" || name[0] == '.' || strings.ContainsAny(name, "/\x00"):
		return nil, errors.New("it is not a credential's name")
	case dir == "":
		return nil, ErrNoCredentials
	}
	// A pipe in its place must not hold up ripd.
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoCredential
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(errors.New("it is not a file"), err)
	}
	content, err := io.ReadAll(io.LimitReader(f, MaxCredential+1))
	if err == nil && len(content) > MaxCredential {
		err = fmt.Errorf("it has more than %d bytes", MaxCredential)
	}
	return content, err
}
