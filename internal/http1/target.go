package http1

import (
	"bytes"
	"net/netip"
)

// slash is the path of an absolute target that has none.
var slash = []byte("/")

// resolveTarget finds the form of the request target (RFC 9112 section 3.2),
// and from it Path, Query, what is forwarded, and the host of an absolute or
// authority form, which goes before the Host field.
func (r *Request) resolveTarget() error {
	t := r.Target
	switch {
	case string(r.Method) == "CONNECT":
		if !validHost(t, true) {
			return errTargetForm
		}
		r.Host, r.onward = t, t
		return nil
	case t[0] == '/':
		return r.splitPath(t)
	case len(t) == 1 && t[0] == '*':
		if string(r.Method) != "OPTIONS" {
			return errTargetForm
		}
		r.Path, r.onward = t, t
		return nil
	default:
		return r.resolveAbsolute(t)
	}
}

// splitPath reads an origin form: a path, and a query behind the first '?'.
func (r *Request) splitPath(t []byte) error {
	r.Path, r.onward = t, t
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		r.Path, r.Query = t[:i:i], t[i+1:]
	}
	if !validEscapes(r.Path) {
		return errTargetEscape
	}
	return nil
}

// resolveAbsolute reads "http://host:port/path?query" (RFC 9112 section
// 3.2.2). User information is refused (RFC 9110 section 4.2.4) by the check of
// the host.
func (r *Request) resolveAbsolute(t []byte) error {
	colon := bytes.Index(t, []byte("://"))
	if colon < 0 {
		return errTargetForm
	}
	if scheme := t[:colon]; !foldedEqual(scheme, "http") && !foldedEqual(scheme, "https") {
		return errTargetScheme
	}
	authority := t[colon+3:]
	end := bytes.IndexAny(authority, "/?")
	if end < 0 {
		end = len(authority)
	}
	rest := authority[end:]
	r.Host = authority[:end:end]
	if !validHost(r.Host, false) {
		return errTargetScheme
	}
	if len(rest) > 0 && rest[0] == '/' {
		return r.splitPath(rest)
	}
	if len(rest) == 0 && string(r.Method) == "OPTIONS" {
		r.Path, r.onward = asterisk, asterisk // RFC 9112 section 3.2.4
		return nil
	}
	r.Path, r.onward, r.addSlash = slash, rest, true
	if len(rest) > 0 {
		r.Query = rest[1:]
	}
	return nil
}

// asterisk is the target of OPTIONS for the server as a whole.
var asterisk = []byte("*")

// validEscapes tells whether every '%' has two hexadecimal digits behind it.
func validEscapes(path []byte) bool {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return true
		}
		if i+2 >= len(path) || hexValue[path[i+1]] == 0 || hexValue[path[i+2]] == 0 {
			return false
		}
		path = path[i+3:]
	}
}

// validHost checks a host with an optional port (RFC 9110 section 4.2.1). Of
// the characters that RFC 3986 section 3.2.2 lets a registered name have, only
// those pass that names in use have: letters, digits, and "-._~". Percent
// signs, commas, semicolons, quotes and the like never name a host, but can
// mislead an app that puts the host into a link or a query.
func validHost(h []byte, needPort bool) bool {
	if len(h) == 0 || len(h) > MaxHostBytes {
		return false
	}
	end := 0
	if h[0] == '[' {
		end = bytes.IndexByte(h, ']') + 1
		if end == 0 || !validIPv6(h[1:end-1]) {
			return false
		}
	} else {
		for end < len(h) && (nameClass[h[end]] == nameLetter || h[end] == '.' || h[end] == '_' || h[end] == '~') {
			end++
		}
	}
	switch {
	case end == 0:
		return false
	case end == len(h):
		return !needPort
	default:
		return h[end] == ':' && validPort(h[end+1:], needPort)
	}
}

// validIPv6 checks the inside of the brackets. A zone has no meaning outside of
// the machine that it is on (RFC 6874 section 4).
func validIPv6(b []byte) bool {
	addr, err := netip.ParseAddr(string(b))
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// validPort checks a port; an empty one stands for the scheme's own (RFC 3986
// section 3.2.3).
func validPort(b []byte, needed bool) bool {
	const mostDigits, most = 5, 65535
	if len(b) == 0 {
		return !needed
	}
	n, ok := parseLength(b)
	return ok && len(b) <= mostDigits && n <= most
}
