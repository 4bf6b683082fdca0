package wscases

import (
	"fmt"
	"strings"
)

// greek is text whose characters take two bytes and more.
const greek = "Hello-µ@ßöäüàá-UTF-8!!κόσμε\U0001f30d"

// validTexts are UTF-8 (RFC 3629): the borders of each length, and what looks wrong and
// is not.
var validTexts = []string{
	"\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\ufffe", "\uffff",
	"\U00010000", "\U0001fffe", "\U0001ffff", "\U0010ffff", "\U000f0000\U0010fffe", "\ufeffmarked", "κόσμε",
	"\u200b\u202e\u0301", strings.Repeat("\U0001f9ff", 100),
}

// invalidTexts are none.
var invalidTexts = []string{
	// Continuations without a beginning, and beginnings without their continuations.
	"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80\xbf", "\xc0 \xc1 ", "\xc2", "\xc2 ", "\xdf", "\xe0", "\xe0\xa0", "\xe1\x80 ", "\xef\xbf",
	"\xf0", "\xf0\x90", "\xf0\x90\x80", "\xf4\x8f\xbf ", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce", "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf",
	// Bytes that begin nothing.
	"\xfe", "\xff", "\xfe\xfe\xff\xff", "\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", "\xf5\x80\x80\x80",
	// Longer than they need be.
	"\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf8\x80\x80\x80\xaf",
	// Surrogates, and beyond the last character.
	"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xbf\xbf", "\xed\xa0\x80\xed\xb0\x80", "\xce\xba\xed\xa0\x80edited", "\xf4\x90\x80\x80", "\xf4\x90\xbf\xbf", "\xf7\xbf\xbf\xbf",
}

// utf8Cases is group 6.
func utf8Cases() (all []Case) {
	pieces := func(text string, n int) (parts []string) {
		for len(text) > n {
			parts, text = append(parts, text[:n]), text[n:]
		}
		return append(parts, text)
	}
	g := group{prefix: "6.1"}
	g.add("an empty text", clean, func(s *script) { s.echo(opText, nil) })
	g.add("a text of three empty fragments", clean, func(s *script) { s.fragments(opText, "", "", ""); s.back(opText, nil) })
	g.add("a text of three fragments, empty but for the middle one", clean, func(s *script) {
		s.fragments(opText, "", "middle", "")
		s.back(opText, []byte("middle"))
	})
	all = append(all, g.cases...)

	g = group{prefix: "6.2"}
	g.add("text beyond ASCII", clean, func(s *script) { s.echo(opText, []byte(greek)) })
	for _, n := range []int{20, 2, 1} { // within characters
		g.add(fmt.Sprintf("text beyond ASCII in fragments of %d bytes", n), clean, func(s *script) {
			s.fragments(opText, pieces(greek, n)...)
			s.back(opText, []byte(greek))
		})
	}
	all = append(all, g.cases...)

	broken := greek + "\xed\xa0\x80edited"
	g = group{prefix: "6.3"}
	g.add("text with a surrogate", notUTF8, func(s *script) { s.send(frame{fin: true, op: opText, data: []byte(broken)}) })
	g.add("text with a surrogate in fragments of one byte", notUTF8, func(s *script) { s.fragments(opText, pieces(broken, 1)...) })
	all = append(all, g.cases...)

	g = group{prefix: "6.4"}
	for _, way := range []struct {
		name  string
		parts []string
		bytes int
	}{
		{"in the second of three fragments", []string{greek, "\xf4\x90\x80\x80", "more"}, 1 << 20},
		{"across two fragments", []string{greek + "\xf4", "\x90", "more"}, 1 << 20},
		{"in one fragment, one byte a write", []string{broken}, 1},
		{"at the end, where a character breaks off", []string{greek, "\xf0\x90"}, 1},
	} {
		g.add("text that is no UTF-8 "+way.name, notUTF8, func(s *script) { s.fragments(opText, way.parts...); s.chop(way.bytes) })
	}
	all = append(all, g.cases...)

	g = group{prefix: "6.5"}
	for _, text := range validTexts {
		g.add(fmt.Sprintf("the text %+.30q", text), clean, func(s *script) { s.echo(opText, []byte(text)) })
	}
	all = append(all, g.cases...)
	g = group{prefix: "6.6"}
	for _, text := range invalidTexts {
		g.add(fmt.Sprintf("the text %+q, which is no UTF-8", text), notUTF8, func(s *script) { s.send(frame{fin: true, op: opText, data: []byte(text)}) })
	}
	all = append(all, g.cases...)
	g = group{prefix: "6.7"}
	for _, text := range invalidTexts[:4] {
		g.add(fmt.Sprintf("the binary message %+q", text), clean, func(s *script) { s.echo(opBinary, []byte(text)) })
	}
	return append(all, g.cases...)
}
