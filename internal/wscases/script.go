package wscases

import (
	"bytes"
	"fmt"
)

// send adds frames, one write each.
func (s *script) send(all ...frame) {
	for _, f := range all {
		s.pieces = append(s.pieces, f.append(nil))
	}
}

// echo sends a message in one frame, and wants it back.
func (s *script) echo(op byte, data []byte) {
	s.send(frame{fin: true, op: op, data: data})
	s.back(op, data)
}

// back wants a message.
func (s *script) back(op byte, data []byte) { s.want = append(s.want, message{op, data}) }

// ping sends a ping, and wants its pong.
func (s *script) ping(data string) {
	s.send(frame{fin: true, op: opPing, data: []byte(data)})
	s.back(opPong, []byte(data))
}

// fragments sends a message in frames of these payloads.
func (s *script) fragments(op byte, parts ...string) {
	for i, part := range parts {
		s.send(frame{fin: i == len(parts)-1, op: op, data: []byte(part)})
		op = opContinuation
	}
}

// chop has all that was added so far sent n bytes a write.
func (s *script) chop(n int) {
	all := bytes.Join(s.pieces, nil)
	s.pieces = nil
	for len(all) > 0 {
		k := min(n, len(all))
		s.pieces = append(s.pieces, all[:k])
		all = all[k:]
	}
}

// joined has all that was added so far sent with one write.
func (s *script) joined() { s.pieces = [][]byte{bytes.Join(s.pieces, nil)} }

// The ways to end.
var (
	clean    = ending{endClean, []int{1000, 0}}
	protocol = ending{endFailed, []int{1002}}
	notUTF8  = ending{endFailed, []int{1007}}
	either   = ending{endAny, nil}
)

// closed is the end by a close frame of the script's, which the server answers.
func closed(codes ...int) ending { return ending{endClosed, codes} }

// group makes cases whose names begin alike.
type group struct {
	prefix string
	cases  []Case
}

func (g *group) add(what string, end ending, play func(*script)) *Case {
	g.cases = append(g.cases, Case{Name: fmt.Sprintf("%s.%d", g.prefix, len(g.cases)+1), What: what, ending: end, play: play})
	return &g.cases[len(g.cases)-1]
}

// All returns all cases in the order of their names.
func All() []Case {
	var all []Case
	for _, part := range []func() []Case{framing, pings, reserved, opcodes, fragmentation, utf8Cases, closing, limits, automatic, compression} {
		all = append(all, part()...)
	}
	return all
}

// kinds are both kinds of messages, with their number within a group.
var kinds = []struct {
	number int
	op     byte
	name   string
}{{1, opText, "text"}, {2, opBinary, "binary"}}

// filled is a message of n bytes; that of a text is UTF-8.
func filled(op byte, n int) []byte {
	if op == opText {
		return bytes.Repeat([]byte("*"), n)
	}
	return bytes.Repeat([]byte{0xfe}, n)
}
