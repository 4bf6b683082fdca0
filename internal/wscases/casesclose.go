package wscases

import (
	"fmt"
	"strings"
)

// closing is group 7.
func closing() (all []Case) {
	bye := frame{fin: true, op: opClose, data: closeData(1000, "")}
	text := frame{fin: true, op: opText, data: []byte("too late")}

	g := group{prefix: "7.1"}
	normal := closed(1000, 0)
	g.add("a message, and when it is back a close frame", clean, func(s *script) { s.echo(opText, []byte("hello")) })
	g.add("two close frames", normal, func(s *script) { s.send(bye, bye); s.joined() })
	g.add("a close frame, and a ping", normal, func(s *script) { s.send(bye, frame{fin: true, op: opPing}); s.joined() })
	g.add("a close frame, and a message", normal, func(s *script) { s.send(bye, text); s.joined() })
	g.add("a close frame within a message", normal, func(s *script) {
		s.send(frame{op: opText, data: []byte("the first half")}, bye, frame{fin: true, op: opContinuation, data: []byte("the second half")})
		s.joined()
	})
	g.add("256 KB, and at once a close frame and a ping", either, func(s *script) {
		s.echo(opText, filled(opText, 256<<10)) // the server may drop what it has not answered yet
		s.send(bye, frame{fin: true, op: opPing})
	})
	all = append(all, g.cases...)

	g = group{prefix: "7.3"}
	say := func(data []byte) func(*script) {
		return func(s *script) { s.send(frame{fin: true, op: opClose, data: data}) }
	}
	g.add("a close frame without a code", closed(1000, 0), say(nil))
	g.add("a close frame of one byte", protocol, say([]byte("a")))
	g.add("a close frame with a code", normal, say(closeData(1000, "")))
	g.add("a close frame with a reason", normal, say(closeData(1000, "it is late")))
	g.add("a close frame with a reason of 123 bytes", normal, say(closeData(1000, strings.Repeat("*", 123))))
	g.add("a close frame with a reason of 124 bytes", protocol, say(closeData(1000, strings.Repeat("*", 124))))
	all = append(all, g.cases...)

	g = group{prefix: "7.5"}
	g.add("a close frame whose reason is no UTF-8", notUTF8, say(closeData(1000, "\xce\xba\xed\xa0\x80")))
	all = append(all, g.cases...)

	g = group{prefix: "7.7"}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		g.add(fmt.Sprintf("the close code %d", code), closed(code, 1000, 0), say(closeData(code, "")))
	}
	all = append(all, g.cases...)

	g = group{prefix: "7.9"}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999} {
		g.add(fmt.Sprintf("the close code %d, which is none", code), protocol, say(closeData(code, "")))
	}
	all = append(all, g.cases...)

	g = group{prefix: "7.13"}
	for _, code := range []int{5000, 65535} {
		g.add(fmt.Sprintf("the close code %d, of which the RFC says nothing", code), either, say(closeData(code, "")))
	}
	return append(all, g.cases...)
}
