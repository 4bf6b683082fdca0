package journal

import (
	"unicode"
	"unicode/utf8"
)

// What a client or an app sends may hold any bytes: line ends that would forge
// a line, escape sequences that would steer a terminal, characters that turn
// the direction of writing. In lines for people all of these are written as
// \x1b, \u202e and the like.

// ellipsis stands in the place of what was left out. It takes one column.
const ellipsis = "…"

// isPlain reports whether c stands for itself in a column. A space does not:
// it would look like the next column.
func isPlain(c byte) bool { return c > ' ' && c < 0x7f && c != '\\' }

// unit is the size in bytes and the width in columns of what b starts with.
func unit(b []byte) (size, width int) {
	c := b[0]
	switch {
	case isPlain(c):
		return 1, 1
	case c == '\\':
		return 1, len(`\\`)
	case c < utf8.RuneSelf:
		return 1, len(`\x00`)
	}
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size == 1:
		return 1, len(`\x00`)
	case unicode.IsPrint(r):
		return size, 1
	case r < 0x10000:
		return size, len(`\u0000`)
	}
	return size, len(`\U00000000`)
}

// lastUnit is unit for what b ends with. UTF-8 reads the same from both ends.
func lastUnit(b []byte) (size, width int) {
	_, size = utf8.DecodeLastRune(b)
	_, width = unit(b[len(b)-size:])
	return size, width
}

// appendUnit writes what b, one unit, looks like in a column.
func appendUnit(dst, b []byte) []byte {
	c := b[0]
	if isPlain(c) {
		return append(dst, c)
	}
	if c == '\\' {
		return append(dst, `\\`...)
	}
	return appendRune(dst, b)
}

// appendRune writes what b starts with, a character or a byte that is none,
// as itself when it is printable and else as an escape.
func appendRune(dst, b []byte) []byte {
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size == 1, r < utf8.RuneSelf:
		return appendHex(append(dst, `\x`...), uint32(b[0]), 2)
	case unicode.IsPrint(r):
		return append(dst, b[:size]...)
	case r < 0x10000:
		return appendHex(append(dst, `\u`...), uint32(r), 4)
	}
	return appendHex(append(dst, `\U`...), uint32(r), 8)
}

const hexDigits = "0123456789abcdef"

// appendHex writes the lowest digits of n.
func appendHex(dst []byte, n uint32, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&0xf])
	}
	return dst
}

// appendColumn writes raw so that it takes at most width columns, shortened in
// the middle when it needs more, and with pad exactly that many.
func appendColumn(dst, raw []byte, width int, pad bool) []byte {
	n := 0
	for n < len(raw) && n <= width && isPlain(raw[n]) {
		n++
	}
	if n < len(raw) || n > width {
		return appendHardColumn(dst, raw, width, pad)
	}
	dst = append(dst, raw...)
	if pad {
		dst = appendSpaces(dst, width-n)
	}
	return dst
}

// appendHardColumn is appendColumn for what needs escapes or is too long. Its
// work is bounded by width, not by raw.
func appendHardColumn(dst, raw []byte, width int, pad bool) []byte {
	used := 0
	if whole, n := prefix(raw, width); n == len(raw) {
		used = whole
		dst = appendUnits(dst, raw)
	} else {
		// The end of a path says more than its middle: it gets a third.
		tail, t := suffix(raw, width/3)
		head, n := prefix(raw[:len(raw)-t], width-1-width/3)
		used = head + 1 + tail
		dst = appendUnits(dst, raw[:n])
		dst = append(dst, ellipsis...)
		dst = appendUnits(dst, raw[len(raw)-t:])
	}
	if pad {
		dst = appendSpaces(dst, width-used)
	}
	return dst
}

func appendUnits(dst, raw []byte) []byte {
	for len(raw) > 0 {
		size, _ := unit(raw)
		dst = appendUnit(dst, raw[:size])
		raw = raw[size:]
	}
	return dst
}

// prefix is how many columns and bytes of raw's start fit into width columns.
func prefix(raw []byte, width int) (used, n int) {
	for n < len(raw) {
		size, columns := unit(raw[n:])
		if used+columns > width {
			break
		}
		used, n = used+columns, n+size
	}
	return used, n
}

// suffix is prefix for raw's end.
func suffix(raw []byte, width int) (used, n int) {
	for n < len(raw) {
		size, columns := lastUnit(raw[:len(raw)-n])
		if used+columns > width {
			break
		}
		used, n = used+columns, n+size
	}
	return used, n
}

const spaces = "                                                                                " // 80

func appendSpaces(dst []byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	return append(dst, spaces[:min(n, len(spaces))]...)
}
