package proxy

import (
	"net"
	"net/netip"
)

// client is who has sent a request and gets its answer: the connection, in HTTP/1. The
// answer comes to it as the bytes of HTTP/1.
type client interface {
	// write gives b, the next part of the answer, to the client, or keeps a copy for it.
	// It waits only for want of room to keep it.
	write(b []byte)
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
	address []byte // without the port; nil on a unix socket
	proto   []byte // the value of X-Forwarded-Proto
	tls     string // the version, "1.3"; empty on a plain connection, and in the handshake
}

// The values of X-Forwarded-Proto.
var protoHTTP, protoHTTPS = []byte("http"), []byte("https")

// clientAddress is the IP address as text, without a zone; nil for unix sockets.
func clientAddress(a net.Addr) []byte {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return nil
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	if !ok {
		return nil
	}
	return ip.Unmap().AppendTo(nil)
}

// write is outlet.write.
func (c *conn) write(b []byte) { c.out.write(b) }

// finish is outlet.finish.
func (c *conn) finish(cut bool) { c.out.finish(cut) }

// broken is outlet.broken.
func (c *conn) broken() bool { return c.out.broken() }

// ending reports whether the client has ended its side, or ripd is about to stop.
func (c *conn) ending() bool { return c.halfOpen.Load() || c.srv.stopping.Load() }
