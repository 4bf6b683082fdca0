package proxy

import (
	"net/netip"

	"ripd/internal/http1"
)

// source is where a request has come from: its connection's peer, or the client that
// a trusted proxy tells of.
type source struct {
	client []byte     // the client's address as text; nil: it is not known
	addr   netip.Addr // the same
	proto  []byte     // how the client has asked: the value of X-Forwarded-Proto
	secure bool       // that is https
	// told is what a trusted proxy has said; nil for all other peers. It is kept for
	// the connection's next request in spare.
	told, spare *http1.Origin
	fault       *http1.Error // what a trusted proxy has said cannot be read; nil: it can
}

// locate finds out where a request of the peer's with this head has come from.
func (from *source) locate(s *Server, p *peer, head *http1.Request) {
	*from = source{client: p.address, addr: p.addr, proto: p.proto, secure: len(p.proto) == len(protoHTTPS), spare: from.spare}
	trusted := &s.config.Load().Proxy.Trusted
	if !trusted.Any() || !p.trusted(trusted) {
		return
	}
	if from.spare == nil {
		from.spare = new(http1.Origin)
	}
	o := from.spare
	if from.fault = o.Find(head, p.addr, trusted); from.fault != nil {
		return
	}
	from.told, from.client, from.addr = o, o.Client(), o.Addr
	if o.Proto != nil {
		from.proto, from.secure = o.Proto, len(o.Proto) == len(protoHTTPS)
	}
}

// host is the host that the client has asked for.
func (from *source) host(head *http1.Request) []byte {
	if from.told != nil && from.told.Host != nil {
		return from.told.Host
	}
	return head.Host
}

// forward writes down what the worker is told.
func (from *source) forward(f *http1.Forward, head *http1.Request) {
	f.For, f.Proto, f.Host = from.client, from.proto, from.host(head)
	if from.told == nil {
		return
	}
	f.For, f.Trusted, f.Forwarded = from.told.For, true, from.told.Forwarded
	if from.told.RealIP {
		f.RealIP = from.client
	}
}
