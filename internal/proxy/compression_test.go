package proxy_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// compressing turns compression on.
func compressing(o *proxy.Options) {
	o.Config.Compression = config.Compression{
		Codings: []string{"zstd", "gzip"}, Level: 4, MinSize: 100, Types: []string{"text/*", "application/json"}, Streams: 8,
	}
}

// decoder decodes what comes with the coding.
func decoder(t testing.TB, coding string, r io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	}
	return r
}

// ask sends a request with fields, and returns the answer with its body decoded.
func (c *client) ask(method, path, fields string) (*http.Response, string) {
	c.t.Helper()
	c.write(method + " " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")
	return c.decoded(method)
}

// decoded reads an answer and decodes its body.
func (c *client) decoded(method string) (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if len(raw) == 0 {
		return res, ""
	}
	body, err := io.ReadAll(decoder(c.t, res.Header.Get("Content-Encoding"), bytes.NewReader(raw)))
	if err != nil {
		c.t.Fatalf("%v of %q", err, raw)
	}
	return res, string(body)
}

var prose = strings.Repeat("What is written here is much the same as there. ", 40)

// lengthy is an answer with a length and more fields.
func lengthy(status, fields, body string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, fields, len(body), body)
}

func TestWhatIsCompressed(t *testing.T) {
	const text = "Content-Type: text/plain\r\n"
	const takes = "Accept-Encoding: gzip\r\n"
	tests := []struct {
		name, fields, answer string
		coding, vary         string
	}{
		{"gzip", takes, lengthy("200 OK", text, prose), "gzip", "Accept-Encoding"},
		{"zstd is preferred", "Accept-Encoding: gzip, zstd\r\n", lengthy("200 OK", text, prose), "zstd", "Accept-Encoding"},
		{"the client prefers gzip", "Accept-Encoding: gzip, zstd;q=0.1\r\n", lengthy("200 OK", text, prose), "gzip", "Accept-Encoding"},
		{"in two fields", "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", lengthy("200 OK", text, prose), "gzip", "Accept-Encoding"},
		{"an error's page", takes, lengthy("404 Not Found", text, prose), "gzip", "Accept-Encoding"},
		{"chunked", takes, "HTTP/1.1 200 OK\r\n" + text + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(prose), prose), "gzip", "Accept-Encoding"},
		{"the client takes none", "", lengthy("200 OK", text, prose), "", "Accept-Encoding"},
		{"the client wants none", "Accept-Encoding: gzip;q=0\r\n", lengthy("200 OK", text, prose), "", "Accept-Encoding"},
		{"small", takes, lengthy("200 OK", text, "small"), "", "Accept-Encoding"},
		{"small and chunked", takes, "HTTP/1.1 200 OK\r\n" + text + "Transfer-Encoding: chunked\r\n\r\n5\r\nsmall\r\n0\r\n\r\n", "", "Accept-Encoding"},
		{"empty", takes, lengthy("200 OK", text, ""), "", "Accept-Encoding"},
		{"another type", takes, lengthy("200 OK", "Content-Type: image/png\r\n", prose), "", ""},
		{"no type", takes, lengthy("200 OK", "", prose), "", ""},
		{"no-transform", takes, lengthy("200 OK", text+"Cache-Control: public, No-Transform\r\n", prose), "", ""},
		{"part", takes, lengthy("206 Partial Content", text+"Content-Range: bytes 0-9/20\r\n", prose), "", ""},
		{"Content-Range", takes, lengthy("200 OK", text+"Content-Range: bytes 0-9/20\r\n", prose), "", ""},
		{"Trailer", takes, lengthy("200 OK", text+"Trailer: x\r\n", prose), "", ""},
		{"Vary of the worker's", takes, lengthy("200 OK", text+"Vary: Cookie\r\nVary: Origin\r\n", prose), "gzip", "Cookie, Origin, Accept-Encoding"},
		{"Vary has it", takes, lengthy("200 OK", text+"Vary: accept-encoding, Cookie\r\n", prose), "gzip", "accept-encoding, Cookie"},
		{"Vary of all", takes, lengthy("200 OK", text+"Vary: *\r\n", prose), "gzip", "*"},
	}
	bothWays(t, compressing, func(t *testing.T, r *rig) {
		var answer string
		r.worker(handler(func(*http.Request) string { return answer }))
		c := r.dial()
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				answer, c.t = tt.answer, t
				c.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				_, plain := c.read("GET")
				res, body := c.ask("GET", "/", tt.fields)
				if got := res.Header.Get("Content-Encoding"); got != tt.coding || body != plain {
					t.Errorf("coding %q, want %q, with %d of %d bytes", got, tt.coding, len(body), len(plain))
				}
				if got := strings.Join(res.Header.Values("Vary"), "|"); got != tt.vary {
					t.Errorf("Vary: %q, want %q", got, tt.vary)
				}
				if tt.coding != "" && (res.ContentLength >= 0 || len(res.TransferEncoding) != 1) {
					t.Errorf("length %d", res.ContentLength)
				}
			})
		}
	})
}

// What the worker has compressed passes byte by byte.
func TestCodingOfTheWorker(t *testing.T) {
	r := newRig(t, compressing)
	r.worker(handler(func(*http.Request) string {
		return lengthy("200 OK", "Content-Type: text/plain\r\nContent-Encoding: br\r\nETag: \"a\"\r\n", prose)
	}))
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
	if res, body := c.read("GET"); body != prose || res.Header.Get("Content-Encoding") != "br" || res.Header.Get("Etag") != `"a"` || res.Header.Get("Vary") != "" {
		t.Fatal(res.Header, len(body))
	}
}

// Fields that tell of the bytes do not outlive them; without a coding they stay.
func TestFieldsOfCompressedAnswer(t *testing.T) {
	const fields = "Content-Type: text/plain\r\nAccept-Ranges: bytes\r\nContent-MD5: x\r\nDigest: x\r\nContent-Digest: x\r\nRepr-Digest: x\r\nETag: "
	r := newRig(t, compressing)
	r.worker(handler(func(req *http.Request) string {
		answer := lengthy("200 OK", fields+req.URL.Query().Get("etag")+"\r\n", prose)
		if req.Method == "HEAD" {
			answer = strings.TrimSuffix(answer, prose)
		}
		return answer
	}))
	c := r.dial()
	for sent, want := range map[string]string{`"a"`: `W/"a"`, `W/"a"`: `W/"a"`, `a`: ""} {
		for _, method := range []string{"GET", "HEAD"} {
			res, _ := c.ask(method, "/?etag="+sent, "Accept-Encoding: gzip\r\n")
			h := res.Header
			if h.Get("Etag") != want || h.Get("Content-Encoding") != "gzip" || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Length") != "" ||
				h.Get("Accept-Ranges")+h.Get("Content-MD5")+h.Get("Digest")+h.Get("Content-Digest")+h.Get("Repr-Digest") != "" {
				t.Errorf("%s: %v", method, h)
			}
			res, _ = c.ask(method, "/?etag="+sent, "")
			if h := res.Header; h.Get("Etag") != sent || h.Get("Content-Length") != fmt.Sprint(len(prose)) || h.Get("Digest") != "x" || h.Get("Content-Encoding") != "" {
				t.Errorf("%s without a coding: %v", method, h)
			}
		}
	}
}

// noise is of few letters.
var noise = func() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 1<<18)
	for i := range b {
		b[i] = "abcdefgh"[r.IntN(8)]
	}
	return b
}()

// random is n bytes that can be compressed somewhat.
func random(n int, seed uint64) []byte {
	b := bytes.Repeat(noise[:1<<16+seed%(1<<17)], n>>16+1)
	return b[:n]
}

// Whatever way a worker frames its body, and however it comes, the client decodes to it.
func TestBodyIsWhatTheWorkerSent(t *testing.T) {
	r := newRig(t, compressing)
	type answer struct {
		framing string
		pieces  [][]byte
	}
	answers := make(chan answer, 1)
	serve := func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			if _, err := readRequest(br); err != nil {
				return
			}
			a := <-answers
			total := 0
			for _, p := range a.pieces {
				total += len(p)
			}
			head := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			switch a.framing {
			case "length":
				head += fmt.Sprintf("Content-Length: %d\r\n", total)
			case "chunked":
				head += "Transfer-Encoding: chunked\r\n"
			}
			_, _ = io.WriteString(c, head+"\r\n")
			for _, p := range a.pieces {
				if a.framing == "chunked" {
					_, _ = fmt.Fprintf(c, "%x\r\n%s\r\n", len(p), p)
				} else {
					_, _ = c.Write(p)
				}
			}
			if a.framing == "chunked" {
				_, _ = io.WriteString(c, "0\r\n\r\n")
			}
			if a.framing == "end" {
				return
			}
		}
	}
	r.worker(serve)
	r.worker(serve)
	c := r.dial()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	pick := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		a := answer{framing: []string{"length", "chunked", "end"}[pick.IntN(3)]}
		var body []byte
		for range pick.IntN(6) {
			p := random([]int{1, 50, 2000, 30_000, 100_000}[pick.IntN(5)], pick.Uint64())
			a.pieces, body = append(a.pieces, p), append(body, p...)
		}
		coding := []string{"gzip", "zstd", "identity"}[pick.IntN(3)]
		answers <- a
		if pick.IntN(2) == 0 {
			c = r.dial()
			c.write("GET / HTTP/1.0\r\nAccept-Encoding: " + coding + "\r\nConnection: keep-alive\r\n\r\n")
		} else {
			c.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + coding + "\r\n\r\n")
		}
		res, got := c.decoded("GET")
		if got != string(body) {
			t.Fatalf("%d bytes of %d, %v", len(got), len(body), res.Header)
		}
		if res.Close {
			c = r.dial()
		}
	}
}

// Each piece can be read before the next one comes.
func TestPiecesPassCompressed(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd"} {
		bothWays(t, compressing, func(t *testing.T, r *rig) {
			more := make(chan int)
			stop := sync.OnceFunc(func() { close(more) })
			defer stop()
			r.worker(eventsWorker(more, ""))
			c := r.dial()
			c.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + coding + "\r\n\r\n")
			res, err := http.ReadResponse(c.br, nil) // before there is an event
			if err != nil || res.Header.Get("Content-Encoding") != coding {
				t.Fatal(err, res)
			}
			more <- 0
			events := bufio.NewReader(decoder(t, coding, res.Body))
			for n := range 5 {
				if n > 0 {
					more <- n
				}
				if line, err := events.ReadString('\n'); line != fmt.Sprintf("data: %d\n", n) {
					t.Fatal(line, err)
				}
			}
			stop()
			if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
				t.Fatal(rest, err)
			}
		})
	}
}

// eventsWorker sends a head of an event stream, with more fields, and an event for each
// number; it ends the answer when there are no more.
func eventsWorker(numbers <-chan int, fields string) func(net.Conn) {
	return func(c net.Conn) {
		br := bufio.NewReader(c)
		for {
			req, err := readRequest(br)
			if err != nil {
				return
			}
			if req.URL.Path != "/" {
				_, _ = io.WriteString(c, ok("plain "+req.URL.Path))
				continue
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"+fields+"\r\n")
			for n := range numbers {
				event := fmt.Sprintf("data: %d\n", n)
				if n < 0 {
					return // breaks off
				}
				if _, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(event), event); err != nil {
					return
				}
			}
			_, _ = io.WriteString(c, "0\r\n\r\n")
		}
	}
}

// An answer that breaks off has no proper end.
func TestCompressedAnswerBreaksOff(t *testing.T) {
	r := newRig(t, compressing)
	numbers := make(chan int)
	defer close(numbers)
	r.worker(eventsWorker(numbers, ""))
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	numbers <- 1
	events := bufio.NewReader(decoder(t, "gzip", res.Body))
	if line, err := events.ReadString('\n'); line != "data: 1\n" {
		t.Fatal(line, err)
	}
	numbers <- -1
	if _, err := io.ReadAll(events); err == nil {
		t.Fatal("it has a proper end")
	}
}

// Beyond compression.streams an answer in pieces passes as it is; a whole one does not
// count.
func TestCompressedStreamsAreBounded(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { compressing(o); o.Config.Compression.Streams = 1 })
	numbers := make(chan int)
	stop := sync.OnceFunc(func() { close(numbers) })
	defer stop()
	var all []*http.Response
	for range 3 {
		r.worker(eventsWorker(numbers, ""))
	}
	for range 3 {
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
		res, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res)
	}
	var coded []string
	for _, res := range all {
		coded = append(coded, res.Header.Get("Content-Encoding"))
	}
	if strings.Join(coded, "|") != "gzip||" {
		t.Fatal(coded)
	}
	r.worker(handler(func(*http.Request) string { return lengthy("200 OK", "Content-Type: text/plain\r\n", prose) }))
	if res, body := r.dial().ask("GET", "/", "Accept-Encoding: gzip\r\n"); res.Header.Get("Content-Encoding") != "gzip" || body != prose {
		t.Fatal(res.Header)
	}
	stop()
	for _, res := range all {
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Fatal(err)
		}
	}
}

// A slow client of a large answer holds no worker, and gets all of it.
func TestSlowClientOfCompressedAnswer(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { compressing(o); o.Config.Limits.Buffer = 4 << 10 })
	body := random(3<<20, 1)
	r.worker(handler(func(req *http.Request) string {
		if req.URL.Path == "/" {
			return lengthy("200 OK", "Content-Type: text/plain\r\n", string(body))
		}
		return ok("small")
	}))
	slow := r.dialUnix()
	slow.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: zstd\r\n\r\n")
	r.dial().get("/small", 200, "small")
	res, err := http.ReadResponse(slow.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(decoder(t, "zstd", res.Body)); err != nil || !bytes.Equal(got, body) {
		t.Fatal(len(got), err)
	}
	slow.get("/small", 200, "small")
}

// The record has the bytes that were sent, and the metrics what was saved.
func TestRecordOfCompressedAnswer(t *testing.T) {
	lines := make(chan string, 1)
	access := journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: lineWriter(lines), App: "test"})
	r := newRig(t, func(o *proxy.Options) { compressing(o); o.Access = access })
	t.Cleanup(func() { access.Close() })
	r.worker(handler(func(*http.Request) string { return lengthy("200 OK", "Content-Type: text/plain\r\n", prose) }))
	c := r.dial()
	c.write("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
	_, raw := c.read("GET")
	var rec map[string]any
	if err := json.Unmarshal([]byte(testkit.Receive(t, testkit.Timeout, lines)), &rec); err != nil {
		t.Fatal(err)
	}
	if got := rec["bytes_out"]; got != float64(len(raw)) || len(raw) >= len(prose)/4 {
		t.Fatal(got, len(raw), len(prose))
	}
}

// Settings that change hold for what begins after that.
func TestCompressionIsConfigured(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(func(*http.Request) string { return lengthy("200 OK", "Content-Type: text/plain\r\n", prose) }))
	c := r.dial()
	want := func(coding string) {
		t.Helper()
		if res, body := c.ask("GET", "/", "Accept-Encoding: gzip\r\n"); res.Header.Get("Content-Encoding") != coding || body != prose {
			t.Fatal(res.Header)
		}
	}
	want("")
	o := proxy.Options{Config: settings()}
	compressing(&o)
	r.server.Configure(o.Config)
	want("gzip")
	r.server.Configure(settings())
	want("")
}

func TestClientsDecode(t *testing.T) {
	r := newRig(t, compressing)
	body := string(random(100_000, 3))
	r.worker(handler(func(*http.Request) string { return lengthy("200 OK", "Content-Type: text/plain\r\n", body) }))
	url := "http://" + r.addr + "/"
	t.Run("curl", func(t *testing.T) {
		testkit.Need(t, "curl")
		for _, version := range []string{"--http1.1", "--http1.0"} {
			if out := output(t, "curl", "-sS", "--compressed", version, url); out != body {
				t.Fatalf("%d bytes", len(out))
			}
		}
	})
	t.Run("node", func(t *testing.T) {
		testkit.Need(t, "node")
		const script = `fetch(process.argv[1]).then(async (r) => {
			if (r.headers.get("content-encoding") !== "gzip") throw new Error(r.headers.get("content-encoding"));
			process.stdout.write(await r.text()); })`
		if out := output(t, "node", "-e", script, url); out != body {
			t.Fatalf("%d bytes", len(out))
		}
	})
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, errors.String())
	}
	return string(out)
}

// BenchmarkCompressed is one client and one worker, with an answer of 20 KB.
func BenchmarkCompressed(b *testing.B) {
	body := string(random(20<<10, 4))
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			r := newRig(b, compressing)
			answer := []byte(lengthy("200 OK", "Content-Type: text/plain\r\n", body))
			r.worker(func(c net.Conn) {
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			})
			c := r.dial()
			request := []byte("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: " + coding + "\r\n\r\n")
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := c.Write(request); err != nil {
					b.Fatal(err)
				}
				res, err := http.ReadResponse(c.br, nil)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
