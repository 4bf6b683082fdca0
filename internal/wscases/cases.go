package wscases

import (
	"fmt"
	"strings"
)

// framing is group 1: messages of lengths at which the form of the length changes.
func framing() (all []Case) {
	for _, kind := range kinds {
		g := group{prefix: fmt.Sprintf("1.%d", kind.number)}
		for _, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
			g.add(fmt.Sprintf("a %s message of %d bytes", kind.name, n), clean, func(s *script) { s.echo(kind.op, filled(kind.op, n)) })
		}
		g.add(fmt.Sprintf("a %s message of 65536 bytes, 997 a write", kind.name), clean, func(s *script) {
			s.echo(kind.op, filled(kind.op, 65536))
			s.chop(997)
		})
		g.add(fmt.Sprintf("a short %s message whose length is given in eight bytes", kind.name), ending{endAny, nil}, func(s *script) {
			s.send(frame{fin: true, op: kind.op, data: filled(kind.op, 5), long: true}) // RFC 6455 section 5.2: the shortest form must be used
			s.back(kind.op, filled(kind.op, 5))
			s.send(frame{fin: true, op: opClose, data: closeData(1000, "")})
		})
		all = append(all, g.cases...)
	}
	return all
}

// pings is group 2.
func pings() []Case {
	g := group{prefix: "2"}
	full := strings.Repeat("\xfe", 125)
	g.add("a ping without data", clean, func(s *script) { s.ping("") })
	g.add("a ping with text", clean, func(s *script) { s.ping("Hello, world!") })
	g.add("a ping with bytes", clean, func(s *script) { s.ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff") })
	g.add("a ping of 125 bytes", clean, func(s *script) { s.ping(full) })
	g.add("a ping of 126 bytes", protocol, func(s *script) { s.send(frame{fin: true, op: opPing, data: []byte(full + "\xfe")}) })
	g.add("a ping of 125 bytes, one a write", clean, func(s *script) { s.ping(full); s.chop(1) })
	unasked := frame{fin: true, op: opPong, data: []byte("nobody asked")}
	g.add("a pong that nobody asked for, without data", clean, func(s *script) { s.send(frame{fin: true, op: opPong}) })
	g.add("a pong that nobody asked for", clean, func(s *script) { s.send(unasked) })
	g.add("a pong that nobody asked for, and a ping", clean, func(s *script) { s.send(unasked); s.ping("a ping") })
	ten := func(s *script) {
		for i := range 10 {
			s.ping(fmt.Sprint("ping ", i))
		}
	}
	g.add("ten pings", clean, ten)
	g.add("ten pings, one byte a write", clean, func(s *script) { ten(s); s.chop(1) })
	return g.cases
}

// reserved is group 3: bits that nobody has agreed on.
func reserved() []Case {
	g := group{prefix: "3"}
	small := []byte("small")
	hello := func(bits byte) frame { return frame{fin: true, reserved: bits, op: opText, data: small} }
	g.add("a message with the reserved bits 001", protocol, func(s *script) { s.send(hello(1)) })
	behind := func(bits byte, chop int) func(*script) {
		return func(s *script) {
			s.echo(opText, small)
			s.send(hello(bits), frame{fin: true, op: opPing})
			if chop > 0 {
				s.chop(chop)
			}
		}
	}
	g.add("a message, one with the bits 010, a ping", protocol, behind(2, 0))
	g.add("likewise with 011, in one write", protocol, behind(3, 1<<20))
	g.add("likewise with 100, one byte a write", protocol, behind(4, 1))
	g.add("a binary message with the bits 101", protocol, func(s *script) { s.send(frame{fin: true, reserved: 5, op: opBinary, data: small}) })
	g.add("a ping with the bits 110", protocol, func(s *script) { s.send(frame{fin: true, reserved: 6, op: opPing, data: small}) })
	g.add("a close frame with the bits 111", protocol, func(s *script) {
		s.send(frame{fin: true, reserved: 7, op: opClose, data: closeData(1000, "")})
	})
	return g.cases
}

// opcodes is group 4: those that have no meaning.
func opcodes() (all []Case) {
	for i, first := range []byte{3, 11} {
		g := group{prefix: fmt.Sprintf("4.%d", i+1)}
		for n := range byte(5) {
			g.add(fmt.Sprintf("a frame with opcode %d", first+n), protocol, func(s *script) {
				if n >= 2 {
					s.echo(opText, []byte("before"))
				}
				f := frame{fin: true, op: first + n}
				if n%2 == 1 {
					f.data = []byte("payload")
				}
				s.send(f, frame{fin: true, op: opPing})
				if n >= 3 {
					s.chop(1)
				}
			})
		}
		all = append(all, g.cases...)
	}
	return all
}

// fragmentation is group 5.
func fragmentation() []Case {
	g := group{prefix: "5"}
	begin := func(op byte, text string) frame { return frame{op: op, data: []byte(text)} }
	end := func(text string) frame { return frame{fin: true, op: opContinuation, data: []byte(text)} }
	g.add("a ping in two fragments", protocol, func(s *script) { s.send(begin(opPing, "frag"), end("ment")) })
	g.add("a pong in two fragments", protocol, func(s *script) { s.send(begin(opPong, "frag"), end("ment")) })
	ways := []struct {
		name string
		do   func(*script)
	}{{"", func(*script) {}}, {", in one write", (*script).joined}, {", one byte a write", func(s *script) { s.chop(1) }}}
	for _, way := range ways {
		g.add("a text in two fragments"+way.name, clean, func(s *script) {
			s.fragments(opText, "fragment1", "fragment2")
			s.back(opText, []byte("fragment1fragment2"))
			way.do(s)
		})
	}
	for _, way := range ways {
		g.add("a text in two fragments with a ping between them"+way.name, clean, func(s *script) {
			s.send(begin(opText, "fragment1"))
			s.ping("between")
			s.send(end("fragment2"))
			s.back(opText, []byte("fragment1fragment2"))
			way.do(s)
		})
	}
	for _, last := range []bool{true, false} {
		for _, way := range ways {
			g.add(fmt.Sprintf("a continuation (the last: %v) of nothing, then a text%s", last, way.name), protocol, func(s *script) {
				s.send(frame{fin: last, op: opContinuation, data: []byte("of nothing")}, frame{fin: true, op: opText, data: []byte("whole")})
				way.do(s)
			})
		}
	}
	g.add("a text in two fragments, then a continuation of nothing, then again", protocol, func(s *script) {
		s.fragments(opText, "fragment1", "fragment2")
		s.back(opText, []byte("fragment1fragment2"))
		s.send(begin(opContinuation, "of nothing"))
		s.fragments(opText, "fragment3", "fragment4")
	})
	for _, last := range []bool{false, true} {
		g.add(fmt.Sprintf("twice a continuation (the last: %v) of nothing, and a text in fragments", last), protocol, func(s *script) {
			for range 2 {
				s.send(frame{fin: last, op: opContinuation, data: []byte("of nothing")})
				s.fragments(opText, "fragment1", "fragment2")
			}
		})
	}
	g.add("two texts, the first of which does not end", protocol, func(s *script) { s.send(begin(opText, "fragment1"), begin(opText, "fragment2")) })
	for _, way := range ways[:2] {
		g.add("a text in five fragments with pings between them"+way.name, clean, func(s *script) {
			s.send(begin(opText, "fragment1"), begin(opContinuation, "fragment2"))
			s.ping("first")
			s.send(begin(opContinuation, "fragment3"), begin(opContinuation, "fragment4"))
			s.ping("second")
			s.send(end("fragment5"))
			s.back(opText, []byte("fragment1fragment2fragment3fragment4fragment5"))
			way.do(s)
		})
	}
	g.add("an unmasked text", protocol, func(s *script) { s.send(frame{fin: true, op: opText, data: []byte("open"), unmasked: true}) })
	return g.cases
}
