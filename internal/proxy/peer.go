package proxy

import (
	"net"
	"net/netip"

	"ripd/internal/config"
)

// client is who has sent a request and gets its answer: a connection of HTTP/1, or a
// stream of HTTP/2. The answer comes to either as the bytes of HTTP/1.
type client interface {
	// write gives b, the next part of the answer, to the client, or keeps a copy for it.
	// It waits only for want of room to keep it.
	write(b []byte)
	// settle waits until the client has been given all that was written, at its pace. It
	// reports false when the client takes nothing any more.
	settle() bool
	// finish says that the answer is complete, or breaks off with cut. Whoever called it
	// has given the request away.
	finish(cut bool)
	// broken reports whether the client takes nothing any more; what is written then is
	// dropped.
	broken() bool
	// ending reports whether the client's connection ends with the answer, whatever it says.
	ending() bool
}

// peer is what is known of who is at the other end of a client's connection.
type peer struct {
	addr    netip.Addr // not valid on a unix socket
	unix    bool       // it is on one
	address []byte     // addr as text; nil on a unix socket
	proto   []byte     // the value of X-Forwarded-Proto, but for a trusted proxy's requests
	tls     string     // the version, "1.3"; empty on a plain connection, and in the handshake
}

// The values of X-Forwarded-Proto.
var protoHTTP, protoHTTPS = []byte("http"), []byte("https")

// newPeer is the peer at a socket's other end, on a plain connection. Of an IPv6
// address the zone is left out.
func newPeer(a net.Addr) peer {
	p := peer{proto: protoHTTP}
	switch a := a.(type) {
	case *net.TCPAddr:
		p.be(a.AddrPort().Addr())
	case *net.UnixAddr:
		p.unix = true
	}
	return p
}

// be makes an address the peer's.
func (p *peer) be(a netip.Addr) {
	p.addr, p.address = a.Unmap().WithZone(""), nil
	if a.IsValid() {
		p.address = p.addr.AppendTo(nil)
	}
}

// trusted tells whether the peer is one of those who are believed.
func (p *peer) trusted(by *config.Peers) bool {
	return p.unix && by.Unix || len(by.Networks) > 0 && by.Has(p.addr)
}

// write is outlet.write.
func (c *conn) write(b []byte) { c.out.write(b) }

// finish is outlet.finish.
func (c *conn) finish(cut bool) { c.out.finish(cut) }

// broken is outlet.broken, and tells too that the client has been seen to be gone.
func (c *conn) broken() bool { return c.left.Load() || c.out.broken() }

// ending reports whether the client has ended its side, or ripd is about to stop.
func (c *conn) ending() bool { return c.halfOpen.Load() || c.srv.stopping.Load() }
