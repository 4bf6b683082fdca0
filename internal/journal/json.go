package journal

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// appendString writes s inside of the quotes of a JSON string. Bytes that are
// not UTF-8 become U+FFFD, as with encoding/json; what is not printable is
// escaped, so that a JSON line is as safe on a terminal as one for people.
func appendString[T []byte | string](dst []byte, s T) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		if c < utf8.RuneSelf {
			dst = appendControl(dst, c)
			i++
		} else {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			dst = appendUnicode(dst, r, size)
			i += size
		}
		start = i
	}
	return append(dst, s[start:]...)
}

// appendControl escapes an ASCII character.
func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return appendHex(append(dst, `\u`...), uint32(c), 4)
}

// appendUnicode writes a character beyond ASCII, which took size bytes.
func appendUnicode(dst []byte, r rune, size int) []byte {
	switch {
	case r == utf8.RuneError && size == 1:
		return append(dst, `\ufffd`...)
	case unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	case r < 0x10000:
		return appendHex(append(dst, `\u`...), uint32(r), 4)
	}
	// RFC 8259 section 7: a surrogate pair.
	r -= 0x10000
	dst = appendHex(append(dst, `\u`...), uint32(0xd800+r>>10), 4)
	return appendHex(append(dst, `\u`...), uint32(0xdc00+r&0x3ff), 4)
}

// appendShort is appendString for at most limit bytes of s: what is longer
// loses its middle. No character is cut in two.
func appendShort(dst, s []byte, limit int) []byte {
	if len(s) <= limit {
		return appendString(dst, s)
	}
	head, tail := limit-limit/3, len(s)-limit/3
	for i := 0; i < utf8.UTFMax-1 && !utf8.RuneStart(s[head]); i++ {
		head--
	}
	for i := 0; i < utf8.UTFMax-1 && !utf8.RuneStart(s[tail]); i++ {
		tail++
	}
	dst = appendString(dst, s[:head])
	dst = append(dst, ellipsis...)
	return appendString(dst, s[tail:])
}

// appendMillis writes d in milliseconds with three decimals; below zero is 0.
func appendMillis(dst []byte, d time.Duration) []byte {
	µs := max(d, 0).Microseconds()
	dst = strconv.AppendInt(dst, µs/1000, 10)
	rest := µs % 1000
	return append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}
