package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// This file reads the header of the PROXY protocol, with which a proxy that passes
// bytes on begins a connection to tell whose they are. ripd finds where it ends, so
// that it has a bound and may come in pieces; what it says the library reads.

const (
	// maxHeaderV1 is the length of the longest header of version 1, a line
	// (proxy-protocol.txt section 2.1).
	maxHeaderV1 = 107
	// maxHeaderV2 bounds a header of version 2: 16 bytes, 216 of addresses, and a proxy's
	// remarks (TLVs), of which a client's certificate is the longest. It is less than a
	// block.
	maxHeaderV2 = 3 << 10
	// fixedV2 is the part of version 2 that tells the length of the rest.
	fixedV2 = 16
)

// signatureV1 and proxyproto.SIGV2 are how the versions begin.
var signatureV1 = []byte("PROXY ")

var (
	errNoHeader      = errors.New("the connection does not begin with a PROXY header")
	errHeaderLong    = errors.New("the PROXY header is too long")
	errHeaderPacket  = errors.New("the PROXY header is not about a connection")
	errHeaderTimeout = errors.New("the PROXY header did not arrive in time")
)

// The causes of connections that were closed for want of a good header, as the metrics
// show them.
const (
	headerMissing   = "missing"
	headerMalformed = "malformed"
	headerTimeout   = "timeout"
	headerLeft      = "client-left"
	headerCut       = "cut"
)

// likeNginx has the library take what nginx writes where the families of its two
// connections differ.
var likeNginx = sync.OnceFunc(func() { proxyproto.V1AcceptIPv4InTCP6 = true })

// announced tells whether a new connection of this peer's must begin with a header.
func (s *Server) announced(p *peer) bool {
	c := s.config.Load()
	return c.Listen.ProxyProtocol && p.trusted(&c.Proxy.Trusted)
}

// readHeader reads the PROXY header with which the connection begins. It reports whether
// the connection goes on; what has come behind the header is in the buffer then.
func (c *conn) readHeader() bool {
	for {
		n, err := headerEnd(c.buffer())
		if err == nil && n > 0 {
			err = c.peer.take(c.buffer()[:n])
		}
		if err != nil {
			c.refuseHeader(err)
			return false
		}
		if n > 0 {
			c.consume(n)
			c.afterHeader()
			return true
		}
		b := c.room() // a header is shorter than a block
		n, err = c.awaitOpening(b)
		if err != nil {
			c.refuseHeader(err)
			return false
		}
		c.filled += n
	}
}

// afterHeader hands on what has come behind the header.
func (c *conn) afterHeader() {
	now := c.srv.clock.now()
	timeouts := &c.srv.config.Load().Timeouts
	c.began = now
	if c.secure != nil {
		c.secure.wire.early = append([]byte(nil), c.buffer()...)
		c.dropBuffer()
		c.opening = int64(now + timeouts.ClientHeader)
		c.deadline.Store(c.opening)
		return
	}
	c.kept = c.filled > 0
	c.phase.Store(phaseIdle)
	c.deadline.Store(int64(now + timeouts.ClientIdle))
}

// refuseHeader counts and tells of a connection that is closed.
func (c *conn) refuseHeader(err error) {
	cause := headerMalformed
	switch {
	case errors.Is(err, errBodyTimeout) && c.deadline.Load() == 1:
		cause = headerCut
	case errors.Is(err, errBodyTimeout):
		cause, err = headerTimeout, errHeaderTimeout
		c.srv.reached(boundClientHeader, "a proxy was too slow with its PROXY header, and was closed")
	case errors.Is(err, errClientGone):
		cause = headerLeft // as those do that look whether the port is open
	case errors.Is(err, errNoHeader):
		cause = headerMissing
	}
	c.srv.metrics.HeaderRefused(cause)
	if cause == headerMissing || cause == headerMalformed {
		c.srv.warn(noticeHeader, "a connection was closed for want of a good PROXY header", "peer", string(c.address), "error", err)
	}
}

// headerEnd returns the length of the header at the beginning of b; 0: it is not
// complete.
func headerEnd(b []byte) (n int, err error) {
	switch {
	case bytes.HasPrefix(b, proxyproto.SIGV2):
		if len(b) < fixedV2 {
			return 0, nil
		}
		n = fixedV2 + int(binary.BigEndian.Uint16(b[fixedV2-2:]))
		if n > maxHeaderV2 {
			return 0, errHeaderLong
		}
		if len(b) < n {
			return 0, nil
		}
		return n, nil
	case bytes.HasPrefix(b, signatureV1):
		end := bytes.IndexByte(b[:min(len(b), maxHeaderV1)], '\n')
		if end < 0 && len(b) >= maxHeaderV1 {
			return 0, errHeaderLong
		}
		return end + 1, nil
	case bytes.HasPrefix(proxyproto.SIGV2, b), bytes.HasPrefix(signatureV1, b):
		return 0, nil
	}
	return 0, errNoHeader
}

// take makes the peer the one that a complete header tells of. A header that tells of
// no address leaves it as it is.
func (p *peer) take(header []byte) error {
	nobody := header[0] == proxyproto.SIGV2[0] && header[12] == byte(proxyproto.PROXY) && header[13] == byte(proxyproto.UNSPEC)
	if nobody {
		// The library takes no address from LOCAL only; proxy-protocol.txt section 2.2 has
		// receivers take the real one.
		header[12] = byte(proxyproto.LOCAL)
	}
	likeNginx()
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), len(header)))
	switch {
	case err != nil:
		return err
	case nobody:
	case h.Command.IsLocal(): // the proxy speaks for itself, or is version 1's UNKNOWN
		return nil
	default:
		if err := p.become(h.SourceAddr); err != nil {
			return err
		}
	}
	tlvs, err := h.TLVs()
	if err != nil {
		return err
	}
	if layer, ok := tlvparse.FindSSL(tlvs); ok && layer.ClientSSL() {
		p.proto = protoHTTPS
	}
	return nil
}

// become makes the peer a client of the proxy's.
func (p *peer) become(a net.Addr) error {
	switch a := a.(type) {
	case *net.TCPAddr:
		p.be(a.AddrPort().Addr())
	case *net.UnixAddr: // of the proxy's machine: nobody whom ripd could know
		if a.Net != "unix" {
			return errHeaderPacket
		}
		p.be(netip.Addr{})
	default:
		return errHeaderPacket
	}
	p.unix = false
	return nil
}
