package http1

import (
	"encoding/binary"
	"math/bits"
)

// Classes of the bytes of a token (RFC 9110 section 5.6.2).
const (
	nameLetter = 1 << iota // letter, digit or '-': what almost all names are made of
	nameOther              // the other characters that a token may have
)

// nameClass gives the class of a byte; 0 ends a token.
var nameClass = [256]uint8{
	'0': nameLetter, '1': nameLetter, '2': nameLetter, '3': nameLetter, '4': nameLetter,
	'5': nameLetter, '6': nameLetter, '7': nameLetter, '8': nameLetter, '9': nameLetter,
	'A': nameLetter, 'B': nameLetter, 'C': nameLetter, 'D': nameLetter, 'E': nameLetter,
	'F': nameLetter, 'G': nameLetter, 'H': nameLetter, 'I': nameLetter, 'J': nameLetter,
	'K': nameLetter, 'L': nameLetter, 'M': nameLetter, 'N': nameLetter, 'O': nameLetter,
	'P': nameLetter, 'Q': nameLetter, 'R': nameLetter, 'S': nameLetter, 'T': nameLetter,
	'U': nameLetter, 'V': nameLetter, 'W': nameLetter, 'X': nameLetter, 'Y': nameLetter,
	'Z': nameLetter,
	'a': nameLetter, 'b': nameLetter, 'c': nameLetter, 'd': nameLetter, 'e': nameLetter,
	'f': nameLetter, 'g': nameLetter, 'h': nameLetter, 'i': nameLetter, 'j': nameLetter,
	'k': nameLetter, 'l': nameLetter, 'm': nameLetter, 'n': nameLetter, 'o': nameLetter,
	'p': nameLetter, 'q': nameLetter, 'r': nameLetter, 's': nameLetter, 't': nameLetter,
	'u': nameLetter, 'v': nameLetter, 'w': nameLetter, 'x': nameLetter, 'y': nameLetter,
	'z': nameLetter,
	'-': nameLetter,
	'!': nameOther, '#': nameOther, '$': nameOther, '%': nameOther, '&': nameOther,
	'\'': nameOther, '*': nameOther, '+': nameOther, '.': nameOther, '^': nameOther,
	'_': nameOther, '`': nameOther, '|': nameOther, '~': nameOther,
}

// hexValue gives the value of a hexadecimal digit plus one; 0 for other bytes.
var hexValue = [256]uint8{
	'0': 1, '1': 2, '2': 3, '3': 4, '4': 5, '5': 6, '6': 7, '7': 8, '8': 9, '9': 10,
	'a': 11, 'b': 12, 'c': 13, 'd': 14, 'e': 15, 'f': 16,
	'A': 11, 'B': 12, 'C': 13, 'D': 14, 'E': 15, 'F': 16,
}

// Eight bytes are tested at a time: a bit of eachHigh is set in the result for a
// byte that may be a hit. A borrow or a carry from the byte below can set one
// too many, never one too few, so that the byte itself is looked at before it
// counts.
const (
	eachByte = 0x0101010101010101
	eachHigh = 0x8080808080808080
)

// valueHits finds control characters: below 0x20, or 0x7F.
func valueHits(x uint64) uint64 {
	return ((x - 0x20*eachByte) | (x + eachByte)) &^ x & eachHigh
}

// targetHits finds all but visible ASCII, and '#'.
func targetHits(x uint64) uint64 {
	hash := x ^ '#'*eachByte
	return ((x - 0x21*eachByte) | (x + eachByte) | (hash-eachByte)&^hash) & eachHigh
}

// valueEnd returns the index of the first byte at or behind i that a field
// value may not have: a control character other than HTAB (RFC 9110
// section 5.5). It is len(b) when there is none.
func valueEnd(b []byte, i int) int {
	for i < len(b) {
		if i+8 <= len(b) {
			hits := valueHits(binary.LittleEndian.Uint64(b[i:]))
			if hits == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hits) / 8
		}
		if c := b[i]; c < 0x20 && c != '\t' || c == 0x7F {
			return i
		}
		i++
	}
	return len(b)
}

// targetEnd returns the index of the first byte at or behind i that a request
// target may not have: anything but visible ASCII, and '#', because a fragment
// is never sent (RFC 9112 section 3.2, RFC 9110 section 4.2.5). The characters
// that RFC 3986 wants encoded, such as '|' and '"', pass: browsers send them.
func targetEnd(b []byte, i int) int {
	for i < len(b) {
		if i+8 <= len(b) {
			hits := targetHits(binary.LittleEndian.Uint64(b[i:]))
			if hits == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hits) / 8
		}
		if c := b[i]; c <= 0x20 || c >= 0x7F || c == '#' {
			return i
		}
		i++
	}
	return len(b)
}

// isToken tells whether b is a token (RFC 9110 section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if nameClass[c] == 0 {
			return false
		}
	}
	return len(b) > 0
}

// foldedEqual tells whether b is lower, a lower-case name of letters, digits
// and '-', in any case. Setting the bit 0x20 maps other bytes onto these too,
// but only control characters, and b, a part of a head, has none but HTAB,
// which becomes ')'.
func foldedEqual(b []byte, lower string) bool {
	return len(b) == len(lower) && foldedPrefix(b, lower)
}

// foldedPrefix tells whether b begins with prefix, in any case.
func foldedPrefix(b []byte, prefix string) bool {
	if len(b) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if b[i]|0x20 != prefix[i] {
			return false
		}
	}
	return true
}

// trimSpace removes optional white space, SP and HTAB, from both ends
// (RFC 9110 section 5.6.3).
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// nextElement cuts the first element off a comma-separated list (RFC 9110
// section 5.6.1). The element may be empty; more is false at the list's end.
func nextElement(list []byte) (element, rest []byte, more bool) {
	for i, c := range list {
		if c == ',' {
			return trimSpace(list[:i]), list[i+1:], true
		}
	}
	return trimSpace(list), nil, false
}
