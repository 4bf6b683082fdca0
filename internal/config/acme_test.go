package config

import (
	"slices"
	"strings"
	"testing"
)

// loadTLS reads a file that serves port 443, with more lines for [tls].
func loadTLS(t *testing.T, lines ...string) (*Config, error) {
	t.Helper()
	return load(t, Input{Args: []string{fileFor(t, "command = [\"./server\"]\n[listen]\nhttps = [\"443\"]\n[tls]\n"+strings.Join(lines, "\n")+"\n")}})
}

// Names are kept as authorities write them; those that no public one knows need a
// private authority.
func TestACMENames(t *testing.T) {
	c, err := loadTLS(t, `acme = ["Shop.Example.COM.", "xn--bcher-kva.com", "1.2.3.4.com"]`, `acme_key_id = "kid"`, `acme_key = "/etc/key"`)
	if err != nil || !slices.Equal(c.TLS.ACME, []string{"shop.example.com", "xn--bcher-kva.com", "1.2.3.4.com"}) || c.TLS.ACMEDirectory != DefaultACMEDirectory || c.TLS.ACMEKey != "/etc/key" {
		t.Errorf("%+v %v", c, err)
	}
	for _, name := range []string{"shop", "shop.localhost", "shop.internal", "a.b.test"} {
		if _, err := loadTLS(t, `acme = ["`+name+`"]`); err == nil || !strings.Contains(err.Error(), "is a name inside of a network") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := loadTLS(t, `acme = ["`+name+`"]`, `acme_directory = "https://ca.internal/acme"`); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := loadTLS(t, `acme = ["a.com", "A.com."]`); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Error(err)
	}
	if _, err := loadTLS(t, `acme = ["`+strings.Repeat(`a.com", "`, MaxListeners)+`b.com"]`); err == nil || !strings.Contains(err.Error(), "65 elements") {
		t.Error(err)
	}
}
