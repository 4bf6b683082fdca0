package http1

import (
	"bytes"
	"os"
	"testing"
)

// load reads one message of the corpus.
func load(tb testing.TB, path string) []byte {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + path + ".http")
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// What a request costs on the common path must not allocate.
func TestNoAllocations(t *testing.T) {
	wrk, browser := load(t, "requests/ok-wrk"), load(t, "requests/ok-browser")
	forged := load(t, "requests/ok-forged-forwarding")
	absolute := load(t, "requests/ok-absolute-query-only")
	bad := load(t, "requests/400-cl-te")
	puma, chunked := load(t, "responses/ok-puma"), load(t, "responses/ok-node")
	body := []byte("5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n")
	trailers := []byte("1\r\nx\r\n0\r\nX-A: 1\r\n\r\n")
	get, id := []byte("GET"), []byte("0123456789abcdef")

	var req Request
	var res Response
	var dec Chunked
	dst := make([]byte, 0, 8192)
	forward := Forward{For: []byte("192.0.2.1"), Proto: []byte("http"), Host: []byte("a"), RequestID: id, ContentLength: -1}
	parse := func(raw []byte) {
		if _, err := req.Parse(raw, Limits{}); err != nil {
			t.Fatal(err)
		}
		dst = AppendStart(req.AppendRequest(dst[:0], &forward), 1700000000123456)
	}
	pass := func(raw []byte) {
		if _, err := res.Parse(raw, get, Limits{}); err != nil {
			t.Fatal(err)
		}
		out := Out{Date: id, RequestID: id}
		res.Frame(&out, 1, true)
		dst = res.AppendResponse(dst[:0], &out)
	}
	unchunk := func(raw []byte) {
		dec.Reset()
		dst = dst[:0]
		for done := false; !done; {
			data, n, end, err := dec.Next(raw)
			if err != nil {
				t.Fatal(err)
			}
			dst = AppendChunk(dst, data)
			raw, done = raw[n:], end
		}
		dst = AppendLastChunk(dst, dec.Trailers())
	}
	for _, tt := range []struct {
		name string
		run  func()
	}{
		{"a request of wrk", func() { parse(wrk) }},
		{"a request of a browser", func() { parse(browser) }},
		{"a request that forges fields", func() { parse(forged) }},
		{"a request in absolute form", func() { parse(absolute) }},
		{"an incomplete request", func() { req.Reset(); _, _ = req.Parse(wrk[:20], Limits{}) }},
		{"a bad request", func() { _, _ = req.Parse(bad, Limits{}) }},
		{"an answer with a length", func() { pass(puma) }},
		{"an answer in chunks", func() { pass(chunked) }},
		{"chunks", func() { unchunk(body) }},
		{"chunks with trailers", func() { unchunk(trailers) }},
		{"an answer of ripd's own", func() {
			dst = AppendReply(dst[:0], &Reply{Status: 503, Minor: 1, RetryAfter: 1, Date: id, RequestID: id, Detail: "full"})
		}},
	} {
		if n := testing.AllocsPerRun(100, tt.run); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

func BenchmarkRequestParse(b *testing.B) {
	for _, name := range []string{"ok-wrk", "ok-curl", "ok-browser", "ok-forged-forwarding"} {
		b.Run(name[3:], func(b *testing.B) {
			raw := load(b, "requests/"+name)
			var r Request
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Parse(raw, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRequestForward(b *testing.B) {
	for _, name := range []string{"ok-wrk", "ok-browser"} {
		b.Run(name[3:], func(b *testing.B) {
			var r Request
			if _, err := r.Parse(load(b, "requests/"+name), Limits{}); err != nil {
				b.Fatal(err)
			}
			forward := Forward{For: []byte("192.0.2.1"), Proto: []byte("http"), Host: r.Host, RequestID: []byte("0123456789abcdef"), ContentLength: -1}
			dst := make([]byte, 0, 8192)
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendStart(r.AppendRequest(dst[:0], &forward), 1700000000123456)
			}
		})
	}
}

func BenchmarkResponse(b *testing.B) {
	for _, name := range []string{"ok-go", "ok-puma", "ok-express"} {
		raw := load(b, "responses/"+name)
		get := []byte("GET")
		b.Run(name[3:]+"/parse", func(b *testing.B) {
			var r Response
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Parse(raw, get, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name[3:]+"/append", func(b *testing.B) {
			var r Response
			if _, err := r.Parse(raw, get, Limits{}); err != nil {
				b.Fatal(err)
			}
			out := Out{Date: []byte("Sun, 06 Nov 1994 08:49:37 GMT"), RequestID: []byte("0123456789abcdef")}
			dst := make([]byte, 0, 8192)
			b.ReportAllocs()
			for b.Loop() {
				r.Frame(&out, 1, true)
				dst = r.AppendResponse(dst[:0], &out)
			}
		})
	}
}

func BenchmarkChunked(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"16B", 16}, {"4KB", 4 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			var wire []byte
			for range 64 {
				wire = AppendChunk(wire, bytes.Repeat([]byte("x"), size.bytes))
			}
			wire = append(wire, LastChunk...)
			var c Chunked
			b.SetBytes(int64(len(wire)))
			b.ReportAllocs()
			for b.Loop() {
				c.Reset()
				for in, done := wire, false; !done; {
					_, n, end, err := c.Next(in)
					if err != nil {
						b.Fatal(err)
					}
					in, done = in[n:], end
				}
			}
		})
	}
}

// A head that comes byte by byte.
func BenchmarkRequestTrickle(b *testing.B) {
	raw := load(b, "requests/ok-browser")
	var r Request
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		for i := 1; i <= len(raw); i++ {
			_, _ = r.Parse(raw[:i], Limits{})
		}
	}
}
