package proxy

import (
	"bufio"
	"bytes"
	"testing"

	"github.com/pires/go-proxyproto"
)

// FuzzHeader reads bytes as the beginning of a connection. Where the header ends does
// not depend on the pieces in which it comes, and what it tells is what the library
// reads from the whole.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add(append(bytes.Clone(proxyproto.SIGV2), "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbbrest"...))
	f.Add(append(bytes.Clone(proxyproto.SIGV2), "\x20\x00\x00\x00"...))
	f.Add(append(bytes.Clone(proxyproto.SIGV2), "\x21\x00\x00\x04\x04\x00\x01x"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := headerEnd(b)
		if n > len(b) || n > maxHeaderV2 || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		for i := range min(len(b), maxHeaderV2) {
			m, partErr := headerEnd(b[:i])
			if m != 0 && m != n || partErr != nil && (err == nil || m != 0) || m == 0 && partErr == nil && n > 0 && i >= n {
				t.Fatalf("of %d bytes: %d, %v; of all %d: %d, %v", i, m, partErr, len(b), n, err)
			}
		}
		if n == 0 {
			return
		}
		p := peer{address: []byte("192.0.2.9")}
		err = p.take(bytes.Clone(b[:n]))
		h, libraryErr := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
		switch {
		case libraryErr == nil && err == nil && h.Command.IsLocal() && string(p.address) != "192.0.2.9":
			t.Fatalf("%q has made the peer %q", b[:n], p.address)
		case libraryErr == nil && err == nil && h.Command.IsProxy() && string(p.address) == "192.0.2.9":
			t.Fatalf("%q has left the peer as it was", b[:n])
		case libraryErr != nil && err == nil && (b[0] == 'P' || b[13] != 0):
			t.Fatalf("%q: the library says %v", b[:n], libraryErr)
		case p.addr.IsValid() && (p.addr.Is4In6() || p.addr.Zone() != ""):
			t.Fatalf("%q has made the peer %v", b[:n], p.addr)
		}
	})
}
