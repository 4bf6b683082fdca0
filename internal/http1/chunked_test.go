package http1

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// decodeAll decodes the beginning of src, given in pieces of the given size,
// and returns the data and how many bytes the body had. An unfinished body is
// ErrIncomplete.
func decodeAll(src []byte, piece int) (data []byte, used int, err error) {
	var c Chunked
	return decode(&c, src, piece)
}

func decode(c *Chunked, src []byte, piece int) (data []byte, used int, err error) {
	for used < len(src) {
		in := src[used:min(used+piece, len(src))]
		for len(in) > 0 {
			d, n, done, err := c.Next(in)
			data = append(data, d...)
			used += n
			in = in[n:]
			if done || err != nil {
				return data, used, err
			}
			if n == 0 {
				return data, used, fmt.Errorf("no progress before %q", in)
			}
		}
	}
	return data, used, ErrIncomplete
}

func TestChunkedAccepted(t *testing.T) {
	long := strings.Repeat("x", MaxChunkExtensionBytes-1)
	tests := []struct {
		name, section string
		raw, want     string
	}{
		{"nothing", "RFC 9112 7.1", "0\r\n\r\n", ""},
		{"one chunk", "RFC 9112 7.1", "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"two chunks", "RFC 9112 7.1", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
		{"hexadecimal in both cases", "RFC 9112 7.1", "0A\r\n0123456789\r\n00b\r\n01234567890\r\n000\r\n\r\n", "012345678901234567890"},
		{"as many digits as may be", "RFC 9112 7.1", "0000000000000001\r\nx\r\n0000000000000000\r\n\r\n", "x"},
		{"data that looks like framing", "RFC 9112 7.1", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"},
		{"extensions", "RFC 9112 7.1.1", "1;a\r\nx\r\n1;a=b;c=\"d;e\"\r\ny\r\n0;f\r\n\r\n", "xy"},
		{"the longest extension", "RFC 9112 7.1.1", "1;" + long + "\r\nx\r\n0\r\n\r\n", "x"},
		{"trailers", "RFC 9112 7.1.2", "1\r\nx\r\n0\r\nA: 1\r\nB:\r\n\r\n", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for piece := 1; piece <= len(tt.raw)+4; piece++ {
				data, used, err := decodeAll([]byte(tt.raw+"next"), piece)
				if err != nil || string(data) != tt.want || used != len(tt.raw) {
					t.Fatalf("%s: pieces of %d: %q, %d of %d bytes, %v", tt.section, piece, data, used, len(tt.raw), err)
				}
			}
		})
	}
}

func TestChunkedFaults(t *testing.T) {
	long := strings.Repeat("x", MaxChunkExtensionBytes)
	tests := []struct {
		name, section string
		raw           string
		status        int
	}{
		{"no size", "RFC 9112 7.1", "\r\nx\r\n", 400},
		{"empty line between chunks", "RFC 9112 7.1", "1\r\nx\r\n\r\n0\r\n\r\n", 400},
		{"extension without a size", "RFC 9112 7.1", ";a\r\n", 400},
		{"sign", "RFC 9112 7.1", "+1\r\nx\r\n", 400},
		{"minus", "RFC 9112 7.1", "-1\r\nx\r\n", 400},
		{"0x", "RFC 9112 7.1", "0x1\r\nx\r\n", 400},
		{"underscore", "RFC 9112 7.1", "1_0\r\n", 400},
		{"white space in front", "RFC 9112 7.1", " 1\r\nx\r\n", 400},
		{"white space behind", "RFC 9112 7.1", "1 \r\nx\r\n", 400},
		{"two sizes", "RFC 9112 7.1", "1 1\r\nx\r\n", 400},
		{"no hexadecimal digit", "RFC 9112 7.1", "g\r\n", 400},
		{"beyond 63 bits", "RFC 9112 7.1", "8000000000000000\r\n", 400},
		{"beyond 64 bits", "RFC 9112 7.1", "10000000000000001\r\nx\r\n", 400},
		{"too many zeros", "RFC 9112 7.1", "00000000000000001\r\nx\r\n", 400},
		{"bare LF behind the size", "RFC 9112 7.1", "1\nx\r\n0\r\n\r\n", 400},
		{"bare CR behind the size", "RFC 9112 7.1", "1\rXx\r\n0\r\n\r\n", 400},
		{"CR CR LF behind the size", "RFC 9112 7.1", "1\r\r\nx\r\n", 400},
		{"bare LF in an extension", "RFC 9112 7.1.1", "1;\nx\r\n0\r\n\r\n", 400},
		{"bare LF in quotes", "RFC 9112 7.1.1", "1;a=\"\n\"\r\nx\r\n", 400},
		{"bare CR in an extension", "RFC 9112 7.1.1", "1;a\rb\r\nx\r\n", 400},
		{"NUL in an extension", "RFC 9112 7.1.1", "1;\x00\r\nx\r\n", 400},
		{"extension too long", "RFC 9112 7.1.1", "1;" + long + "\r\nx\r\n", 400},
		{"white space before an extension", "RFC 9112 7.1.1", "1 ;a\r\nx\r\n0\r\n\r\n", 400},
		{"data longer than the size", "RFC 9112 7.1", "1\r\nxy\r\n0\r\n\r\n", 400},
		{"two bytes too long", "RFC 9112 7.1", "1\r\nxyz\r\n0\r\n\r\n", 400},
		{"another byte for the CR behind the data", "RFC 9112 7.1", "1\r\nxX\n0\r\n\r\n", 400},
		{"another byte for the LF behind the data", "RFC 9112 7.1", "1\r\nx\rX0\r\n\r\n", 400},
		{"bare LF behind the data", "RFC 9112 7.1", "1\r\nx\n0\r\n\r\n", 400},
		{"bare CR behind the data", "RFC 9112 7.1", "1\r\nx\r0\r\n\r\n", 400},
		{"bare LF at the end", "RFC 9112 7.1", "0\r\n\n", 400},
		{"bare CR at the end", "RFC 9112 7.1", "0\r\n\rx", 400},
		{"bare LF behind a trailer", "RFC 9112 2.2", "0\r\nA: 1\n\r\n", 400},
		{"a trailer that is a lone LF later", "RFC 9112 2.2", "0\r\nA: 1\r\n\n", 400},
		{"bare CR in a trailer", "RFC 9112 2.2", "0\r\nA: 1\r2\r\n\r\n", 400},
		{"folded trailer", "RFC 9112 5.2", "0\r\nA: 1\r\n 2\r\n\r\n", 400},
		{"no trailer", "RFC 9112 5", "0\r\nGET / HTTP/1.1\r\n\r\n", 400},
		{"trailers too long", "RFC 6585 5", "0\r\nA: " + strings.Repeat("a", MaxTrailerBytes) + "\r\n\r\n", 431},
		{"too many trailers", "RFC 6585 5", "0\r\n" + strings.Repeat("A: 1\r\n", MaxTrailers+1) + "\r\n", 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for piece := 1; piece <= len(tt.raw); piece = piece*2 + 1 {
				_, _, err := decodeAll([]byte(tt.raw), piece)
				if got := statusOf(t, err); got != tt.status {
					t.Fatalf("%s: pieces of %d: status %d (%v), want %d", tt.section, piece, got, err, tt.status)
				}
			}
		})
	}
}

func TestChunkedErrorStays(t *testing.T) {
	var c Chunked
	_, _, _, first := c.Next([]byte("x"))
	_, n, done, again := c.Next([]byte("0\r\n\r\n"))
	if first == nil || again != first || n != 0 || done {
		t.Errorf("first %v, then %v (%d bytes, done %v)", first, again, n, done)
	}
	c.Reset()
	if _, _, err := decode(&c, []byte("0\r\n\r\n"), 99); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

func TestChunkedConsumesNothingBehindItsEnd(t *testing.T) {
	var c Chunked
	_, n, done, err := c.Next([]byte(LastChunk + "GET"))
	if n != len(LastChunk) || !done || err != nil {
		t.Fatalf("%d, %v, %v", n, done, err)
	}
	if data, n, done, err := c.Next([]byte("GET")); data != nil || n != 0 || !done || err != nil {
		t.Errorf("behind the end: %q, %d, %v, %v", data, n, done, err)
	}
}

func TestChunkedTakesTheLargestSize(t *testing.T) {
	var c Chunked
	data, _, _, err := c.Next([]byte("7fffffffffffffff\r\nx"))
	if err != nil || string(data) != "x" || c.left != math.MaxInt64-1 {
		t.Errorf("%q, %d left, %v", data, c.left, err)
	}
}

// Small chunks with long extensions cost a sender as many bytes of data as of
// extensions, but for a fixed allowance.
func TestExtensionDebt(t *testing.T) {
	chunk := func(data, extension int) string {
		return fmt.Sprintf("%x;%s\r\n%s\r\n", data, strings.Repeat("e", extension-1), strings.Repeat("d", data))
	}
	t.Run("a flood ends", func(t *testing.T) {
		raw := []byte(strings.Repeat(chunk(1, 200), 1000))
		_, used, err := decodeAll(raw, len(raw))
		if got := statusOf(t, err); got != 400 || used > 2*MaxExtensionDebt {
			t.Errorf("status %d after %d bytes", got, used)
		}
	})
	t.Run("signed chunks go on for ever", func(t *testing.T) {
		raw := []byte(strings.Repeat(chunk(1024, 90), 1000))
		if _, used, err := decodeAll(raw, len(raw)); err != ErrIncomplete || used != len(raw) {
			t.Errorf("%v after %d bytes", err, used)
		}
	})
	t.Run("data earns nothing in advance", func(t *testing.T) {
		raw := []byte(chunk(1<<20, 2) + strings.Repeat(chunk(1, 250), MaxExtensionDebt/249+2))
		if _, _, err := decodeAll(raw, len(raw)); statusOf(t, err) != 400 {
			t.Error(err)
		}
	})
}

func TestTrailers(t *testing.T) {
	const raw = "0\r\n" +
		"X-Checksum: 1\r\nServer-Timing: a\r\nETag: \"b\"\r\nGrpc-Status: 0\r\n" + // these pass
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nConnection: x\r\nTrailer: x\r\nTE: x\r\n" +
		"Authorization: x\r\nCookie: x\r\nSet-Cookie: x\r\nContent-Encoding: gzip\r\nContent-Disposition: x\r\n" +
		"Cache-Control: x\r\nExpires: 0\r\nVary: x\r\nAge: 1\r\nLocation: /\r\nX-Forwarded-For: x\r\nX-Request-Id: x\r\n" +
		"Rip-Worker-Busy: 1\r\nX_Forwarded_For: 1\r\nIf-Match: x\r\nSec-Fetch-Mode: x\r\n" +
		"Date: x\r\nKeep-Alive: x\r\n" +
		"\r\n"
	var c Chunked
	if c.Trailers() != nil {
		t.Error("trailers before the end")
	}
	if _, _, err := decode(&c, []byte(raw), 7); err != nil {
		t.Fatal(err)
	}
	want := "0\r\nX-Checksum: 1\r\nServer-Timing: a\r\nETag: \"b\"\r\nGrpc-Status: 0\r\n\r\n"
	if got := string(AppendLastChunk(nil, c.Trailers())); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	c.Reset()
	if _, _, err := decode(&c, []byte(LastChunk), 1); err != nil || len(c.Trailers()) != 0 {
		t.Errorf("after Reset: %v, %v", c.Trailers(), err)
	}
}

func TestAppendChunk(t *testing.T) {
	if got := AppendChunk([]byte("a"), nil); string(got) != "a" {
		t.Errorf("an empty chunk: %q", got)
	}
	if got, want := string(AppendChunk(nil, bytes.Repeat([]byte("x"), 17))), "11\r\nxxxxxxxxxxxxxxxxx\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := string(AppendLastChunk(nil, nil)), LastChunk; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is encoded is decoded again, whatever the chunks and the pieces are, and
// what follows stays.
func TestChunkedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 70), 0, 8).Draw(t, "chunks")
		withTrailers := rapid.Bool().Draw(t, "trailers")
		var wire, want []byte
		for _, data := range chunks {
			wire = AppendChunk(wire, data)
			want = append(want, data...)
		}
		trailers := []Field{{Name: []byte("X-A"), Value: []byte("1")}, {Name: []byte("X-B"), Value: []byte("")}}
		if !withTrailers {
			trailers = nil
		}
		wire = AppendLastChunk(wire, trailers)
		end := len(wire)
		wire = append(wire, rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "next")...)

		var c Chunked
		var got []byte
		used := 0
		for done := false; !done; {
			piece := rapid.IntRange(1, 40).Draw(t, "piece")
			in := bytes.Clone(wire[used:min(used+piece, len(wire))])
			for len(in) > 0 && !done {
				var data []byte
				var n int
				var err error
				data, n, done, err = c.Next(in)
				if err != nil || n == 0 && !done {
					t.Fatalf("%v, %d bytes before %q", err, n, in)
				}
				got = append(got, data...)
				in = in[n:]
				used += n
			}
		}
		if !bytes.Equal(got, want) || used != end {
			t.Fatalf("%q in %d bytes, want %q in %d", got, used, want, end)
		}
		if a, b := listFields(c.Trailers()), listFields(trailers); a != b {
			t.Fatalf("trailers %s, want %s", a, b)
		}
	})
}
