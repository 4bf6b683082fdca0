package http1

import (
	"bytes"
	"net/netip"
)

// readForwarded reads all lines of Forwarded (RFC 7239), from the left.
func (o *Origin) readForwarded(fields []Field, trust Trust) *Error {
	for i := range fields {
		f := &fields[i]
		if f.kind != kindOrigin || !foldedEqual(f.Name, nameForwarded) {
			continue
		}
		for rest := f.Value; len(rest) > 0; {
			var e element
			var fault *Error
			if rest, fault = e.read(rest); fault != nil {
				return fault
			}
			if !e.empty {
				o.add(&e, trust)
			}
		}
	}
	return nil
}

// add takes an element in, of which is not known yet who follows. A client, and what
// is no address, ends the belief in all that was before.
func (o *Origin) add(e *element, trust Trust) {
	if o.hops++; !e.addr.IsValid() || !trust.Has(e.addr) || o.hops > MaxForwarded {
		*o = Origin{For: o.For[:0], Forwarded: o.Forwarded, RealIP: o.RealIP, hops: 1}
	}
	if e.addr.IsValid() {
		if len(o.For) == 0 {
			o.Addr = e.addr
		}
		o.push(e.addr)
	}
	if o.Proto == nil {
		o.Proto = e.proto
	}
	if o.Host == nil {
		o.Host = e.host
	}
}

// element is one of Forwarded: what one proxy tells.
type element struct {
	empty       bool       // nothing is between two commas
	addr        netip.Addr // not valid: unknown, hidden, or not told
	proto, host []byte     // nil: not told
}

// read reads an element, and returns what follows its comma.
func (e *element) read(b []byte) (rest []byte, fault *Error) {
	var seen struct{ node, proto, host bool }
	for e.empty = true; ; e.empty = false {
		b = trimSpace(b)
		if len(b) == 0 {
			return nil, nil
		}
		if b[0] == ',' {
			return b[1:], nil
		}
		name, value, rest, ok := readPair(b)
		if !ok {
			return nil, errForwarded
		}
		again := false
		switch {
		case foldedEqual(name, "for"):
			again, seen.node = seen.node, true
			ok = e.setNode(value)
		case foldedEqual(name, "proto"):
			again, seen.proto = seen.proto, true
			e.proto = scheme(value)
		case foldedEqual(name, "host"):
			again, seen.host = seen.host, true
			if validHost(value, false) {
				e.host = value
			}
		}
		if !ok || again {
			return nil, errForwarded
		}
		switch rest = trimSpace(rest); {
		case len(rest) > 0 && rest[0] == ';':
			rest = rest[1:]
		case len(rest) > 0 && rest[0] != ',':
			return nil, errForwarded
		}
		b = rest
	}
}

// setNode reads the value of "for" (RFC 7239 section 6).
func (e *element) setNode(value []byte) (ok bool) {
	if addr, ok := parseNode(value); ok {
		e.addr = addr
		return true
	}
	name, _, _ := bytes.Cut(value, []byte(":"))
	return foldedEqual(name, "unknown") || len(name) > 1 && name[0] == '_'
}

// readPair reads name=value, where the value is a token or between quotes. A
// backslash is refused: nothing that is read here needs one.
func readPair(b []byte) (name, value, rest []byte, ok bool) {
	end := tokenEnd(b)
	if end == 0 || end+1 >= len(b) || b[end] != '=' {
		return nil, nil, nil, false
	}
	name, b = b[:end], b[end+1:]
	if b[0] != '"' {
		end = tokenEnd(b)
		// Many write what is no token without quotes: an address with its port.
		for end < len(b) && (b[end] == ':' || b[end] == '[' || b[end] == ']' || nameClass[b[end]] != 0) {
			end++
		}
		return name, b[:end], b[end:], end > 0
	}
	end = bytes.IndexAny(b[1:], "\"\\")
	if end < 0 || b[1+end] == '\\' {
		return nil, nil, nil, false
	}
	return name, b[1 : 1+end], b[end+2:], true
}

// tokenEnd returns the length of the token at the beginning of b.
func tokenEnd(b []byte) (end int) {
	for end < len(b) && nameClass[b[end]] != 0 {
		end++
	}
	return end
}

// appendForwarded appends the field Forwarded, which says what ripd's X-Forwarded-*
// says (RFC 7239).
func appendForwarded(dst []byte, f *Forward) []byte {
	dst = append(dst, "Forwarded: for="...)
	rest := f.For
	for first := true; first || len(rest) > 0; first = false {
		var node []byte
		if node, rest, _ = nextElement(rest); !first {
			dst = append(dst, ", for="...)
		}
		switch {
		case len(node) == 0:
			dst = append(dst, "unknown"...)
		case bytes.IndexByte(node, ':') >= 0:
			dst = append(append(append(dst, `"[`...), node...), `]"`...)
		default:
			dst = append(dst, node...)
		}
		if !first {
			continue
		}
		if f.Host != nil {
			dst = append(append(append(dst, `;host="`...), f.Host...), '"')
		}
		if f.Proto != nil {
			dst = append(append(dst, ";proto="...), f.Proto...)
		}
	}
	return append(dst, "\r\n"...)
}
