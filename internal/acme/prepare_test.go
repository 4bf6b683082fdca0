package acme

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

func TestPrepareSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text, credentials := write("text", "no key!"), filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o700); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "state")
	for want, c := range map[string]struct {
		tls    config.TLS
		folder string
	}{
		"tls.acme_root " + dir + "/x: there is no such file":             {config.TLS{ACMERoot: dir + "/x"}, folder},
		"tls.acme_root " + dir + ": it is not a regular file":            {config.TLS{ACMERoot: dir}, folder},
		"tls.acme_root " + text + ": it has no certificate in PEM":       {config.TLS{ACMERoot: text}, folder},
		"tls.acme_key " + dir + "/x: there is no such file":              {config.TLS{ACMEKeyID: "a", ACMEKey: dir + "/x"}, folder},
		"tls.acme_key " + text + ": it is not a key in base64url":        {config.TLS{ACMEKeyID: "a", ACMEKey: text}, folder},
		"the systemd credential tls.acme_key: there is no such file":     {config.TLS{ACMEKeyID: "a"}, folder},
		"tls.acme: the folder " + text + "/a, for certificates and keys": {config.TLS{}, text + "/a"},
	} {
		c.tls.ACME = []string{"shop.example"}
		if _, err := Prepare(&c.tls, c.folder, credentials, Ports{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v\nnot\n%s", err, want)
		}
	}
	write("credentials/"+CredentialKey, "a2V5LWtleQ==\n")
	s, err := Prepare(&config.TLS{ACME: []string{"a"}, ACMEKeyID: "kid"}, folder, credentials, Ports{})
	if err != nil || s.binding.KeyID != "kid" || s.binding.MACKey != "a2V5LWtleQ" {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := Prepare(&config.TLS{ACME: []string{"a"}, ACMEKeyID: "kid"}, folder, "", Ports{}); err == nil || !strings.Contains(err.Error(), "set tls.acme_key, or") {
		t.Error(err)
	}
	if s, err := Prepare(&config.TLS{}, "/nowhere", "", Ports{}); s != nil || err != nil {
		t.Error(s, err)
	}
}

// Proofs are given where authorities can come to, as far as the ports tell.
func TestPortsTellProofs(t *testing.T) {
	for _, c := range []struct {
		ports    Ports
		web, tls bool
	}{
		{Ports{[]int{80}, []int{443}}, true, true},
		{Ports{[]int{3080}, []int{443}}, false, true},
		{Ports{[]int{80, 3080}, []int{3443}}, true, false},
		{Ports{[]int{3080}, []int{3443}}, true, true},
		{Ports{nil, []int{0}}, false, true},
	} {
		if web, tls := c.ports.kinds(); web != c.web || tls != c.tls {
			t.Errorf("%v: %v %v", c.ports, web, tls)
		}
	}
}

// Nobody can come to the socket that certmagic is given, and nothing is left of it.
func TestNowhere(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	for range 2 {
		n, err := newNowhere(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer n.close()
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 || !strings.HasPrefix(n.host(), "fd/") {
			t.Error(entries, err, n.host())
		}
	}
}
