package compress

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"ripd/internal/testkit"
)

func both(levels ...int) *Compressor {
	level := 4
	if len(levels) > 0 {
		level = levels[0]
	}
	return New(Options{Codings: []Coding{Zstd, Gzip}, Level: level, MinSize: 1024, Types: []string{"text/*", "application/*+json", "application/json"}, Streams: 2})
}

func TestChoose(t *testing.T) {
	c := both()
	tests := []struct {
		fields string // separated by |
		want   Coding
	}{
		{"", Identity},
		{"gzip", Gzip},
		{"zstd", Zstd},
		{"gzip, zstd", Zstd},
		{"gzip, deflate, br, zstd", Zstd},
		{"GZip", Gzip},
		{"x-gzip", Gzip},
		{"*", Zstd},
		{"*;q=0", Identity},
		{"gzip;q=0", Identity},
		{"gzip;q=0.000", Identity},
		{"gzip;q=0.001", Gzip},
		{"gzip;q=1.000", Gzip},
		{"zstd;q=0.5, gzip;q=0.6", Gzip},
		{"zstd;q=0.5,gzip;q=0.5", Zstd},
		{"zstd;q=0, *", Gzip},
		{"zstd;q=0, *;q=0", Identity},
		{"gzip;q=0.5, identity", Identity},
		{"gzip;q=0.5, identity;q=0.5", Gzip},
		{"gzip, identity;q=0", Gzip},
		{"identity;q=0", Identity}, // the answer is sent as it is: better than none
		{"identity", Identity},
		{"br", Identity},
		{"gzip;q=2", Identity},
		{"gzip;q=1.001", Identity},
		{"gzip;q=0.0001", Identity},
		{"gzip;q=", Identity},
		{"gzip;q=x", Identity},
		{"gzip;x=1", Identity},
		{"gzip;q=0.5;x=1", Identity},
		{" gzip ; q=0.8 ", Gzip},
		{"gzip;Q=0.8", Gzip},
		{",,gzip,", Gzip},
		{"gzi p", Identity},
		{"br|gzip", Gzip},
		{strings.Repeat("a,", maxElements) + "gzip", Identity},
	}
	for _, tt := range tests {
		var a Accept
		a.Begin()
		if tt.fields != "" {
			for f := range strings.SplitSeq(tt.fields, "|") {
				a.Add([]byte(f))
			}
		}
		if got := c.Choose(&a); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.fields, got, tt.want)
		}
	}
}

func TestTypes(t *testing.T) {
	c := both()
	for text, want := range map[string]bool{
		"text/html": true, "Text/HTML; charset=utf-8": true, "text/plain ;x": true, "application/json": true, "application/problem+json": true,
		"": false, "text": false, "application/jsonx": false, "image/png": false, "application/octet-stream": false, "xtext/html": false,
	} {
		if got := c.Takes([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if c.Worth(1023) || !c.Worth(1024) || !c.Worth(-1) {
		t.Error("the least size")
	}
}

func TestParse(t *testing.T) {
	for _, name := range []string{"gzip", "zstd"} {
		if c, err := Parse(name); err != nil || c.String() != name {
			t.Error(name, c, err)
		}
	}
	for _, name := range []string{"identity", "br", "GZIP", ""} {
		if _, err := Parse(name); err == nil {
			t.Error(name)
		}
	}
	if New(Options{}) != nil {
		t.Error("there is something that compresses nothing")
	}
}

// decode decodes a whole body, or what there is of one.
func decode(coding Coding, b []byte) ([]byte, error) {
	if coding == Gzip {
		r, err := stdgzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(WindowSize))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Whatever the pieces are, all that was given in can be decoded after each of them,
// and the whole is the body.
func TestPiecesDecodeToTheBody(t *testing.T) {
	for _, coding := range []Coding{Gzip, Zstd} {
		for _, level := range []int{1, 4, 7} {
			t.Run(fmt.Sprint(coding, level), func(t *testing.T) {
				c := both(level)
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				pick := rand.New(rand.NewPCG(seed, 0))
				for range 10 {
					e := c.Stream(coding)
					var body, out []byte
					for i := range pick.IntN(7) {
						piece := text([]int{0, 1, 10, 1000, 20_000, 70_000}[pick.IntN(6)], pick.Uint64())
						body = append(body, piece...)
						out = e.Encode(out, piece, false)
						if i%2 == 0 && len(body) > 0 {
							if got, err := decode(coding, out); err == nil || !bytes.Equal(got, body) {
								t.Fatalf("after %d bytes %d can be decoded (%v)", len(body), len(got), err)
							}
						}
					}
					out = e.Encode(out, nil, true)
					if got, err := decode(coding, out); err != nil || !bytes.Equal(got, body) {
						t.Fatalf("%d bytes became %d: %v", len(body), len(got), err)
					}
					e.Free()
				}
			})
		}
	}
}

// text is n bytes of something like text.
func text(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := []string{"the ", "worker ", "answers ", "<div class=\"row\">", "</div>\n", "queue ", "a ", "lease ", "{\"id\":", "12, "}
	b := make([]byte, 0, n+20)
	for len(b) < n {
		if r.IntN(4) == 0 {
			b = append(b, byte(r.IntN(256)))
		}
		b = append(b, words[r.IntN(len(words))]...)
	}
	return b[:n]
}

// An encoder that was given up in the middle serves the next body as a new one.
func TestEncoderIsUsedAgain(t *testing.T) {
	for _, coding := range []Coding{Gzip, Zstd} {
		c := both()
		for i := range 20 {
			e := c.Body(coding)
			body := text(10_000, uint64(i))
			if i%2 == 0 {
				e.Encode(nil, body, false)
			} else if got, err := decode(coding, e.Encode(nil, body, true)); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%s: %v", coding, err)
			}
			e.Free()
		}
	}
}

func TestEncodersAreBounded(t *testing.T) {
	c := both()
	one, two := c.Stream(Gzip), c.Stream(Zstd)
	if one == nil || two == nil || c.Stream(Gzip) != nil {
		t.Fatal("two streams are what may be")
	}
	one.Free()
	if three := c.Stream(Zstd); three == nil {
		t.Fatal("a place that was given back is not there")
	}
	two.Free()
	all := make([]*Encoder, cap(c.bodies))
	for i := range all {
		all[i] = c.Body(Gzip)
	}
	more := make(chan *Encoder)
	go func() { more <- c.Body(Zstd) }()
	select {
	case <-more:
		t.Fatal("one more than there may be")
	default:
	}
	all[0].Free()
	testkit.Receive(t, testkit.Timeout, more).Free()
}

// encoderMemory bounds what an encoder in use takes, in bytes.
const encoderMemory = 5 << 20

func TestEncoderMemory(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	body := text(1<<17, 1)
	for _, coding := range []Coding{Gzip, Zstd} {
		for level := 1; level <= 9; level++ {
			const n = 2
			var all [n]*Encoder
			out := make([]byte, 0, 2<<20)
			before := heap()
			for i := range all {
				all[i] = newEncoder(coding, level)
				for at := 0; at < len(body); at += 64 << 10 {
					out = all[i].Encode(out[:0], body[at:at+64<<10], false)
				}
			}
			each := (heap() - before) / n
			t.Logf("%s level %d: %d KB", coding, level, each>>10)
			if each > encoderMemory {
				t.Errorf("%s level %d: an encoder has %d bytes", coding, level, each)
			}
			runtime.KeepAlive(all)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{2 << 10, 20 << 10, 200 << 10} {
		body := text(size, 1)
		for _, coding := range []Coding{Gzip, Zstd} {
			for _, level := range []int{1, 3, 4, 5, 6, 9} {
				b.Run(fmt.Sprintf("%dKB/%s/%d", size>>10, coding, level), func(b *testing.B) {
					c := both(level)
					b.SetBytes(int64(size))
					b.ReportAllocs()
					var out []byte
					for b.Loop() {
						e := c.Body(coding)
						out = e.Encode(out[:0], body, true)
						e.Free()
					}
					b.ReportMetric(float64(len(out))/float64(size), "ratio")
				})
			}
		}
	}
}
