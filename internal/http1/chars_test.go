package http1

import (
	"testing"

	"pgregory.net/rapid"
)

// The tests of eight bytes at a time find what a test of single bytes finds.
func TestEndsAgreeWithSingleBytes(t *testing.T) {
	scans := []struct {
		name  string
		fast  func([]byte, int) int
		stops func(c byte) bool
	}{
		{"valueEnd", valueEnd, func(c byte) bool { return c < 0x20 && c != '\t' || c == 0x7F }},
		{"targetEnd", targetEnd, func(c byte) bool { return c <= 0x20 || c >= 0x7F || c == '#' }},
	}
	// Mostly bytes near the borders, so that borrows between bytes happen.
	byteGen := rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\x00\x01\t\r\n\x1f !\"#$z~\x7e\x7f\x80\x81\xa0\xff")), rapid.ByteRange('a', 'z'))
	for _, scan := range scans {
		t.Run(scan.name, rapid.MakeCheck(func(t *rapid.T) {
			b := rapid.SliceOfN(byteGen, 0, 40).Draw(t, "bytes")
			from := rapid.IntRange(0, len(b)).Draw(t, "from")
			want := from
			for want < len(b) && !scan.stops(b[want]) {
				want++
			}
			if got := scan.fast(b, from); got != want {
				t.Fatalf("%d, want %d", got, want)
			}
		}))
	}
	for c := range 256 { // each byte at each place of a word
		for at := range 8 {
			b := []byte("aaaaaaaaaaaa")
			b[at] = byte(c)
			for _, scan := range scans {
				want := len(b)
				if scan.stops(byte(c)) {
					want = at
				}
				if got := scan.fast(b, 0); got != want {
					t.Fatalf("%s: byte %#x at %d: %d, want %d", scan.name, c, at, got, want)
				}
			}
		}
	}
}

func TestFoldedEqual(t *testing.T) {
	for c := range 256 {
		b := byte(c)
		if b < 0x20 || b == 0x7F {
			continue // no part of a head has these
		}
		for _, lower := range []string{"-", "0", "9", "a", "z"} {
			want := lowerCase(b) == lower[0]
			if got := foldedEqual([]byte{b}, lower); got != want {
				t.Errorf("%q and %q: %v", b, lower, got)
			}
		}
	}
}
