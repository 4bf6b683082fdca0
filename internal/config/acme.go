package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// DefaultACMEDirectory is the directory of Let's Encrypt.
const DefaultACMEDirectory = "https://acme-v02.api.letsencrypt.org/directory"

// Bounds of a host's name, RFC 1035 section 2.3.4.
const (
	maxHostBytes  = 253
	maxLabelBytes = 63
)

// privateSuffixes end names that no public authority knows, beside names without a
// dot: RFC 6761, 6762, 8375, and ICANN's .internal.
var privateSuffixes = []string{".localhost", ".local", ".internal", ".home.arpa", ".test", ".example", ".invalid"}

// parseHosts reads the names of hosts.
func parseHosts(r raw) ([]string, *fault) {
	names, f := parseList(r, commaList, "a list of names", parseHost)
	if len(names) == 0 {
		return nil, f // as without the setting
	}
	return names, f
}

// parseHost takes a name that certificates are for, and that a proof over HTTP or TLS
// is for.
func parseHost(text string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(text), ".")
	_, err := netip.ParseAddr(strings.Trim(name, "[]"))
	switch {
	case name == "":
		return "", hinted(`as in "shop.example.com"`, "the name is empty")
	case err == nil:
		return "", hinted("write the name that leads to it", "it is an address, not a name")
	case strings.HasPrefix(name, "*."):
		return "", hinted("write each name, or have another program get the certificate, for tls.certificate", "a wildcard needs a proof in the DNS, which ripd does not give")
	case len(name) > maxHostBytes:
		return "", hinted("look for what is wrong in it", "a host's name has at most 253 bytes")
	}
	for label := range strings.SplitSeq(name, ".") {
		if !validLabel(label) {
			return "", hinted(`as in "shop.example.com"; other letters are written as xn--…`, "not a host's name")
		}
	}
	return name, nil
}

// validLabel is the rule for one part of a host's name, RFC 1123 section 2.1.
func validLabel(label string) bool {
	if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.IndexFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0
}

// finishACME checks what the settings for ACME mean together. Whether the authority
// can reach the names is for it to see.
func (l *loader) finishACME() {
	t := &l.cfg.TLS
	l.finishACMEDirectory()
	for i, name := range t.ACME {
		switch {
		case slices.Contains(t.ACME[:i], name):
			l.failKey("tls.acme", faultf("%s is there twice", quote(name)).hinted("take one out"))
		case t.ACMEDirectory == DefaultACMEDirectory && privateName(name):
			l.failKey("tls.acme", faultf("%s is a name inside of a network: no public authority gives a certificate for it", quote(name)).
				hinted("name a private authority with tls.acme_directory, or set tls.certificate"))
		}
	}
	if len(t.ACME) > 0 && len(l.cfg.Listen.HTTPS) == 0 && !l.failed("listen.https") {
		l.failKey("tls.acme", faultf("there is no https listener for the certificates").hinted(`write https = ["443"] below [listen]`))
	}
	switch {
	case t.ACMEEmail != "" && (!strings.Contains(t.ACMEEmail, "@") || strings.ContainsAny(t.ACMEEmail, " ,<>")):
		l.failKey("tls.acme_email", faultf("%s is not one address", quote(shorten(t.ACMEEmail))).hinted(`as in "admin@example.com"`))
	case len(t.ACMEEmail) > MaxACMETextBytes:
		l.failKey("tls.acme_email", faultf("has %d bytes; %d is the most", len(t.ACMEEmail), MaxACMETextBytes))
	}
	switch {
	case len(t.ACMEKeyID) > MaxACMETextBytes:
		l.failKey("tls.acme_key_id", faultf("has %d bytes; %d is the most", len(t.ACMEKeyID), MaxACMETextBytes))
	case t.ACMEKey != "" && t.ACMEKeyID == "" && !l.failed("tls.acme_key_id"):
		l.failKey("tls.acme_key", faultf("there is a key without its account").hinted("set tls.acme_key_id, too"))
	}
}

// finishACMEDirectory checks the directory's URL.
func (l *loader) finishACMEDirectory() {
	text := l.cfg.TLS.ACMEDirectory
	u, err := url.Parse(text)
	switch {
	case l.failed("tls.acme_directory"):
	case len(text) > MaxACMETextBytes:
		l.failKey("tls.acme_directory", faultf("has %d bytes; %d is the most", len(text), MaxACMETextBytes))
	case err != nil, u.Scheme != "https", u.Hostname() == "", u.User != nil:
		l.failKey("tls.acme_directory", faultf("%s is not the URL of a directory", quote(shorten(text))).hinted("it begins with https://, as in %s", quote(DefaultACMEDirectory)))
	}
}

// privateName tells whether nothing but a private network knows the name.
func privateName(name string) bool {
	if !strings.Contains(name, ".") {
		return true
	}
	return slices.ContainsFunc(privateSuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}
