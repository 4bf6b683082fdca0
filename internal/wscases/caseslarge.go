package wscases

import "fmt"

// limits is group 9: large messages, and many.
func limits() (all []Case) {
	const kb, mb = 1 << 10, 1 << 20
	for _, kind := range kinds {
		g := group{prefix: fmt.Sprintf("9.%d", kind.number)}
		for _, n := range []int{64 * kb, 256 * kb, mb, 4 * mb, 8 * mb, 16 * mb} {
			g.add(fmt.Sprintf("a %s message of %d KB", kind.name, n/kb), clean, func(s *script) { s.echo(kind.op, filled(kind.op, n)) }).Long = n >= mb
		}
		all = append(all, g.cases...)
	}
	for _, kind := range kinds {
		g := group{prefix: fmt.Sprintf("9.%d", 2+kind.number)}
		for _, n := range []int{64, 256, kb, 4 * kb, 16 * kb, 64 * kb, 256 * kb, mb, 4 * mb} {
			g.add(fmt.Sprintf("a %s message of 4 MB in fragments of %d bytes", kind.name, n), clean, func(s *script) {
				data := filled(kind.op, 4*mb)
				for at := 0; at < len(data); at += n {
					f := frame{fin: at+n == len(data), data: data[at : at+n]}
					if at == 0 {
						f.op = kind.op
					}
					s.send(f)
				}
				s.joined()
				s.back(kind.op, data)
			}).Long = true
		}
		all = append(all, g.cases...)
	}
	for _, kind := range kinds {
		g := group{prefix: fmt.Sprintf("9.%d", 4+kind.number)}
		for _, n := range []int{128, 256, 512, 1024, 2048, 4096} {
			g.add(fmt.Sprintf("a %s message of 1 MB, %d bytes a write", kind.name, n), clean, func(s *script) {
				s.echo(kind.op, filled(kind.op, mb))
				s.chop(n)
			}).Long = n < 4096 || kind.op == opBinary
		}
		all = append(all, g.cases...)
	}
	for _, kind := range kinds {
		g := group{prefix: fmt.Sprintf("9.%d", 6+kind.number)}
		for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
			g.add(fmt.Sprintf("1000 %s messages of %d bytes", kind.name, n), clean, func(s *script) {
				for range 1000 {
					s.echo(kind.op, filled(kind.op, n))
				}
			}).Long = n != 16
		}
		all = append(all, g.cases...)
	}
	return all
}

// automatic is group 10: the server, or what is before it, may make fragments of its
// own of a message that came in writes of odd lengths.
func automatic() []Case {
	g := group{prefix: "10.1"}
	for _, n := range []int{1300, 32<<10 - 1, 32<<10 + 1} { // about the size of ripd's buffers
		g.add(fmt.Sprintf("a text of 256 KB and a bit, %d bytes a write, between pings", n), clean, func(s *script) {
			s.ping("before")
			s.echo(opText, filled(opText, 256<<10+17))
			s.ping("behind")
			s.chop(n)
		})
	}
	return g.cases
}

// compression is groups 12 and 13: permessage-deflate (RFC 7692).
func compression() (all []Case) {
	sizes := []int{0, 16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072}
	for _, kind := range kinds {
		g := group{prefix: fmt.Sprintf("12.%d", kind.number)}
		for _, n := range sizes {
			g.packed("permessage-deflate", kind.op, n, n != 16 && n != 16384)
		}
		all = append(all, g.cases...)
	}
	for i, offer := range []string{
		"permessage-deflate",
		"permessage-deflate; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover",
		"permessage-deflate; client_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; server_max_window_bits=9",
		"permessage-deflate; server_max_window_bits=15; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; server_max_window_bits=9, permessage-deflate; server_max_window_bits=12, permessage-deflate",
	} {
		g := group{prefix: fmt.Sprintf("13.%d", i+1)}
		for _, n := range []int{16, 1024, 65536} {
			g.packed(offer, opText, n, n != 1024)
		}
		all = append(all, g.cases...)
	}
	return all
}

// packedCount is how many messages a case about compression sends.
const packedCount = 10

// packed adds a case of messages of n bytes, compressed: whole ones, and such in two
// fragments.
func (g *group) packed(offer string, op byte, n int, long bool) {
	c := g.add(fmt.Sprintf("%d compressed messages of %d bytes, %s", packedCount, n, offer), clean, func(s *script) {
		for i := range packedCount {
			data := varied(n, i)
			packed := s.packer.pack(data)
			if i%2 == 0 {
				s.send(frame{fin: true, reserved: 4, op: op, data: packed})
			} else {
				half := len(packed) / 2
				s.send(frame{reserved: 4, op: op, data: packed[:half]}, frame{fin: true, op: opContinuation, data: packed[half:]})
			}
			s.back(op, data)
		}
	})
	c.offer, c.Long = offer, long
}

// varied is a text of n bytes that compresses as texts do.
func varied(n, seed int) []byte {
	data := make([]byte, 0, n+32)
	for i := seed; len(data) < n; i = (i*1103515245 + 12345) & 0x7fffffff {
		data = fmt.Appendf(data, "line %d of words, ", i%977)
	}
	return data[:n]
}
