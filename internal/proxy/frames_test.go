package proxy

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// sample is a frame with the opcode and a payload of n bytes.
func sample(op byte, n int, masked bool) []byte {
	mask := byte(0)
	if masked {
		mask = 0x80
	}
	b := []byte{op}
	switch {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if masked {
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, make([]byte, n)...)
}

// However frames are cut to pieces, all is passed on, and the boundaries are found.
func TestFramesInPieces(t *testing.T) {
	var all []byte
	ends := map[int]bool{0: true}
	for _, masked := range []bool{false, true} {
		for _, n := range []int{0, 1, 125, 126, 300, 65535, 65536, 70000} {
			all = append(all, sample(0x82, n, masked)...)
			ends[len(all)] = true
		}
	}
	for _, piece := range []int{1, 2, 3, 7, 13, 14, 15, 1000, len(all)} {
		var f frames
		var held []byte
		passed := 0
		for at := 0; at < len(all); at += piece {
			b := append(held, all[at:min(at+piece, len(all))]...)
			n, code := f.take(b, 0, false)
			if code != 0 || len(b)-n >= maxFrameHead {
				t.Fatalf("pieces of %d: code %d, %d bytes are held", piece, code, len(b)-n)
			}
			if passed += n; f.boundary() != ends[passed] {
				t.Fatalf("pieces of %d: a boundary at %d: %v", piece, passed, f.boundary())
			}
			held = append([]byte(nil), b[n:]...)
		}
		if passed != len(all) || f.closed {
			t.Fatalf("pieces of %d: %d of %d passed", piece, passed, len(all))
		}
	}
}

func TestFramesStopAtTheBoundary(t *testing.T) {
	var f frames
	one := sample(0x82, 10, true)
	if n, _ := f.take(one[:8], 0, false); n != 8 || f.boundary() {
		t.Fatal(n)
	}
	if n, code := f.take(append(one[8:], one...), 0, true); n != len(one)-8 || code != 0 || !f.boundary() {
		t.Fatal(n, code)
	}
	if n, _ := f.take(sample(0x88, 2, true), 0, false); n != 8 || !f.over() {
		t.Fatal("the close frame is not seen")
	}
}

func TestFramesLimit(t *testing.T) {
	var f frames
	parts := [][]byte{sample(0x02, 60, true), sample(0x89, 100, true), sample(0x00, 40, true)}
	for _, p := range parts {
		if n, code := f.take(p, 100, false); n != len(p) || code != 0 {
			t.Fatal(n, code)
		}
	}
	if n, code := f.take(sample(0x80, 1, true), 100, false); n != 0 || code != closeTooBig {
		t.Fatal(n, code)
	}
	f = frames{}
	if n, code := f.take([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, 0, false); n != 0 || code != closeProtocol {
		t.Fatal(n, code)
	}
}

func TestCloseFrame(t *testing.T) {
	if b := closeFrame(closeGoingAway, false); !bytes.Equal(b, []byte{0x88, 2, 0x03, 0xe9}) {
		t.Fatalf("%x", b)
	}
	b := closeFrame(closeGoingAway, true)
	if b[0] != 0x88 || b[1] != 0x82 || b[6]^b[2] != 0x03 || b[7]^b[3] != 0xe9 {
		t.Fatalf("%x", b)
	}
}

// FuzzFrames: whatever comes, what is passed on is a beginning of it, and little is held.
func FuzzFrames(f *testing.F) {
	f.Add(sample(0x82, 200, true), uint16(7), true)
	f.Add(sample(0x88, 2, false), uint16(1), false)
	f.Fuzz(func(t *testing.T, all []byte, piece uint16, limited bool) {
		var fr frames
		var held []byte
		limit := uint64(0)
		if limited {
			limit = 100
		}
		for at, step := 0, int(piece)+1; at < len(all); at += step {
			b := append(held, all[at:min(at+step, len(all))]...)
			n, code := fr.take(b, limit, false)
			if n < 0 || n > len(b) {
				t.Fatal(n)
			}
			if code != 0 {
				return
			}
			if len(b)-n >= maxFrameHead {
				t.Fatalf("%d bytes are held", len(b)-n)
			}
			held = append([]byte(nil), b[n:]...)
		}
	})
}
