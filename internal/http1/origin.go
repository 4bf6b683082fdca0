package http1

import (
	"bytes"
	"net/netip"
	"unsafe"
)

// MaxForwarded is how many addresses of a chain of proxies are believed at most; what
// is beyond them is passed over.
const MaxForwarded = 32

// Trust says whose fields about their clients are believed.
type Trust interface {
	// Has tells whether an address is such a proxy's.
	Has(netip.Addr) bool
	// HasUnix tells whether the peers on unix sockets are.
	HasUnix() bool
}

// Origin is where a request has come from, as far as the proxies before ripd are
// believed. It is made to be reused: Find overwrites it, and keeps the array behind
// For. The zero value is that of nobody.
type Origin struct {
	// Addr is the client's address; not valid where it is not known.
	Addr netip.Addr
	// For is the value of X-Forwarded-For: the client's address, and then those of the
	// proxies from the client's to the one that ripd has been connected by. Nil: none
	// of them is known.
	For []byte
	// Proto is "http" or "https", how the client has asked; nil: nobody has told.
	Proto []byte
	// Host is the host that the client has asked for, a view into the head; nil:
	// nobody has told.
	Host []byte
	// Forwarded and RealIP tell that there was a field Forwarded, or X-Real-IP.
	Forwarded, RealIP bool

	client int // the length of the client's address in For
	hops   int // how many elements were read of the list with the addresses
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// Client is the client's address as text, a view into For; nil where it is not known.
func (o *Origin) Client() []byte {
	if o.client == 0 {
		return nil
	}
	return o.For[:o.client:o.client]
}

// Find reads what the head of a request says of its client. It is for requests of a
// trusted peer only; the address of a peer on a unix socket is not valid.
//
// The addresses are looked at from the right, which the nearest proxy has written, as
// long as they are those of trusted proxies; the first other one is the client's.
// What is left of it, or of an entry that is no address, only the client says:
// nobody gets to see it. X-Forwarded-* goes before Forwarded, which a proxy that
// writes the former may let through as it came.
//
// It returns what to answer when Forwarded cannot be read, else nil: where its elements
// end is not known then, and a client could have made it so.
func (o *Origin) Find(r *Request, peer netip.Addr, trust Trust) (fault *Error) {
	*o = Origin{For: o.For[:0]}
	legacy := false
	for i := range r.Fields {
		switch f := &r.Fields[i]; f.kind {
		case kindForwarded:
			legacy = true
		case kindOrigin:
			o.Forwarded = o.Forwarded || foldedEqual(f.Name, nameForwarded)
			o.RealIP = o.RealIP || foldedEqual(f.Name, nameRealIP)
		}
	}
	switch {
	case legacy:
		o.walk(r.Fields, trust)
		o.Proto = scheme(fromRight(r.Fields, len(nameForwardedProto), max(o.hops, 1)))
		if host := fromRight(r.Fields, len(nameForwardedHost), max(o.hops, 1)); validHost(host, false) {
			o.Host = host
		}
	case o.Forwarded:
		if fault = o.readForwarded(r.Fields, trust); fault != nil {
			return fault
		}
	}
	if peer.IsValid() {
		if !o.Addr.IsValid() {
			o.Addr = peer
		}
		o.push(peer)
	}
	if len(o.For) == 0 {
		o.For = nil
	}
	return nil
}

// The names of the fields. Those of X-Forwarded-* are told apart by their lengths.
const (
	nameForwarded      = "forwarded"
	nameRealIP         = "x-real-ip"
	nameForwardedFor   = "x-forwarded-for"
	nameForwardedProto = "x-forwarded-proto"
	nameForwardedHost  = "x-forwarded-host"
)

// walk reads X-Forwarded-For from its end.
func (o *Origin) walk(fields []Field, trust Trust) {
	for i := len(fields) - 1; i >= 0; i-- {
		f := &fields[i]
		if f.kind != kindForwarded || len(f.Name) != len(nameForwardedFor) {
			continue
		}
		for list, more := f.Value, true; more; {
			var element []byte
			element, list, more = lastElement(list)
			if len(element) == 0 {
				continue
			}
			o.hops++
			addr, ok := parseNode(element)
			switch {
			case !ok && trust.HasUnix() && string(element) == "unix:": // what nginx calls a peer on a unix socket
				ok = o.hops < MaxForwarded
			case ok:
				o.unshift(addr)
				ok = o.hops < MaxForwarded && trust.Has(addr)
			}
			if !ok {
				return
			}
		}
	}
}

// push appends an address to the chain.
func (o *Origin) push(addr netip.Addr) {
	if len(o.For) > 0 {
		o.For = append(o.For, ", "...)
	}
	start := len(o.For)
	o.For = addr.AppendTo(o.For)
	if start == 0 {
		o.client = len(o.For)
	}
}

// unshift puts an address in front of the chain: it is the client's, so far.
func (o *Origin) unshift(addr netip.Addr) {
	var room [64]byte
	text := addr.AppendTo(room[:0])
	o.Addr, o.client = addr, len(text)
	if len(o.For) > 0 {
		text = append(text, ", "...)
	}
	old := len(o.For)
	o.For = append(o.For, text...)
	copy(o.For[len(text):], o.For[:old])
	copy(o.For, text)
}

// lastElement cuts the last element off a comma-separated list; more is false at the
// list's beginning.
func lastElement(list []byte) (element, rest []byte, more bool) {
	if i := bytes.LastIndexByte(list, ','); i >= 0 {
		return trimSpace(list[i+1:]), list[:i], true
	}
	return trimSpace(list), nil, false
}

// fromRight returns the nth element from the right of X-Forwarded-*, whose name has so
// many bytes, or the first one where there are fewer. Proxies either write one value
// or append theirs, as they do with the address: so it is the one that came with it.
func fromRight(fields []Field, nameLen, n int) (element []byte) {
	for i := len(fields) - 1; i >= 0 && n > 0; i-- {
		if f := &fields[i]; f.kind != kindForwarded || len(f.Name) != nameLen {
			continue
		}
		for list, more := fields[i].Value, true; more && n > 0; {
			var e []byte
			if e, list, more = lastElement(list); len(e) > 0 {
				element = e
				n--
			}
		}
	}
	return element
}

// scheme reads "http" or "https". Some proxies name the protocol that is asked for
// on top of them, "ws" or "wss". It is nil for all else.
func scheme(b []byte) []byte {
	switch {
	case foldedEqual(b, "https"), foldedEqual(b, "wss"):
		return schemeHTTPS
	case foldedEqual(b, "http"), foldedEqual(b, "ws"):
		return schemeHTTP
	}
	return nil
}

// maxNode is longer than any address with its port.
const maxNode = 64

// parseNode reads an IP address, with or without a port, a zone, and brackets. The
// last two mean nothing on another machine and are left out, and so is the form in
// which IPv6 has an IPv4 address.
func parseNode(b []byte) (addr netip.Addr, ok bool) {
	if len(b) == 0 || len(b) > maxNode {
		return netip.Addr{}, false
	}
	if b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || end+1 < len(b) && b[end+1] != ':' {
			return netip.Addr{}, false
		}
		b = b[1:end]
	} else if i := bytes.IndexByte(b, ':'); i >= 0 && i == bytes.LastIndexByte(b, ':') {
		b = b[:i]
	}
	if i := bytes.IndexByte(b, '%'); i >= 0 {
		b = b[:i]
	}
	for _, c := range b {
		if hexValue[c] == 0 && c != '.' && c != ':' {
			return netip.Addr{}, false
		}
	}
	if len(b) == 0 {
		return netip.Addr{}, false
	}
	// ParseAddr keeps the text in its error only, which ends here.
	addr, err := netip.ParseAddr(unsafe.String(&b[0], len(b)))
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}
