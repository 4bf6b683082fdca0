package proxy_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// framer is a client of HTTP/2 that keeps to no rule.
type framer struct {
	t testing.TB
	*http2.Framer
	conn net.Conn
	enc  *hpack.Encoder
	buf  bytes.Buffer
	next uint32 // the stream that the next request has
	read chan answerFrame
	seen []answerFrame // heads of answers that came while something else was awaited
}

// answerFrame is a copy of what came.
type answerFrame struct {
	http2.FrameHeader
	code   http2.ErrCode // of RST_STREAM and GOAWAY
	last   uint32        // of GOAWAY
	status string        // of HEADERS
	data   string        // of DATA
}

// hostile is a siege by clients of HTTP/2, without workers.
func newStreamSiege(t *testing.T, configure func(*proxy.Options)) *siege {
	s := &siege{metrics: metrics.New(metrics.Options{App: "test"}), lines: &lines{}}
	s.rig = newSecureRig(t, func(o *proxy.Options) {
		o.Metrics, o.Log = s.metrics, slog.New(s.lines)
		if configure != nil {
			configure(o)
		}
		s.spool = o.SpoolDir
	})
	return s
}

// silent connects, and says nothing.
func (r *rig) silent() net.Conn {
	r.t.Helper()
	cfg := r.cert.Client("test.example")
	cfg.NextProtos = []string{"h2"}
	c, err := tls.Dial("tcp", r.addr, cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// frames connects, says what a client must, and reads what comes until the end.
func (r *rig) frames(settings ...http2.Setting) *framer { return r.framesOver(r.silent(), settings...) }

// framesOver is frames over a connection that is there.
func (r *rig) framesOver(c net.Conn, settings ...http2.Setting) *framer {
	r.t.Helper()
	f := &framer{t: r.t, Framer: http2.NewFramer(c, c), conn: c, next: 1, read: make(chan answerFrame, 100_000)}
	f.AllowIllegalWrites = true
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.enc = hpack.NewEncoder(&f.buf)
	if _, err := c.Write([]byte(http2.ClientPreface)); err != nil {
		r.t.Fatal(err)
	}
	if err := f.WriteSettings(settings...); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		defer close(f.read)
		for {
			got, err := f.ReadFrame()
			if err != nil {
				return
			}
			fr := answerFrame{FrameHeader: got.Header()}
			switch got := got.(type) {
			case *http2.MetaHeadersFrame:
				fr.status = got.PseudoValue("status")
			case *http2.DataFrame:
				fr.data = string(got.Data())
			case *http2.RSTStreamFrame:
				fr.code = got.ErrCode
			case *http2.GoAwayFrame:
				fr.code, fr.last = got.ErrCode, got.LastStreamID
			}
			f.read <- fr
		}
	}()
	return f
}

// block encodes the fields of a request; more are name and value in turn.
func (f *framer) block(method, path string, more ...string) []byte {
	f.buf.Reset()
	fields := append([]string{":method", method, ":scheme", "https", ":authority", "test.example", ":path", path}, more...)
	for i := 0; i < len(fields); i += 2 {
		_ = f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(f.buf.Bytes())
}

// ask sends a request, and returns its stream.
func (f *framer) ask(method, path string, body bool, more ...string) (id uint32) {
	f.t.Helper()
	id, f.next = f.next, f.next+2
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block(method, path, more...), EndHeaders: true, EndStream: !body})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// await returns the next frame for which want is true.
func (f *framer) await(want func(answerFrame) bool) answerFrame {
	f.t.Helper()
	limit := time.After(testkit.Timeout)
	for {
		select {
		case got, ok := <-f.read:
			if !ok {
				f.t.Fatal("the connection ended before")
			}
			if want(got) {
				return got
			}
			if got.Type == http2.FrameHeaders {
				f.seen = append(f.seen, got)
			}
		case <-limit:
			f.t.Fatal("it did not come")
		}
	}
}

// status awaits the answer of a stream.
func (f *framer) status(id uint32, want string) {
	f.t.Helper()
	var got answerFrame
	if i := slices.IndexFunc(f.seen, func(fr answerFrame) bool { return fr.StreamID == id }); i >= 0 {
		got = f.seen[i]
	} else {
		got = f.await(func(fr answerFrame) bool {
			return fr.StreamID == id && (fr.Type == http2.FrameHeaders || fr.Type == http2.FrameRSTStream)
		})
	}
	if got.status != want {
		f.t.Fatalf("stream %d: got %v %q %v, want %s", id, got.Type, got.status, got.code, want)
	}
}

// reset awaits the end of a stream without an answer.
func (f *framer) reset(id uint32, code http2.ErrCode) {
	f.t.Helper()
	got := f.await(func(fr answerFrame) bool { return fr.StreamID == id && fr.Type == http2.FrameRSTStream })
	if got.code != code {
		f.t.Fatalf("stream %d was reset with %v", id, got.code)
	}
}

// goAway awaits the last word.
func (f *framer) goAway(code http2.ErrCode) answerFrame {
	f.t.Helper()
	got := f.await(func(fr answerFrame) bool { return fr.Type == http2.FrameGoAway })
	if got.code != code {
		f.t.Fatalf("GOAWAY with %v, want %v", got.code, code)
	}
	return got
}

// closed awaits the end of the connection.
func (f *framer) closed() {
	f.t.Helper()
	limit := time.After(testkit.Timeout)
	for {
		select {
		case _, ok := <-f.read:
			if !ok {
				return
			}
		case <-limit:
			f.t.Fatal("the connection goes on")
		}
	}
}

// stuck is a worker that answers when told to.
func (r *rig) stuck() (free func()) {
	gate := make(chan struct{})
	r.worker(func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			<-gate
			if _, err := c.Write([]byte(ok("done"))); err != nil {
				return
			}
		}
	})
	free = sync.OnceFunc(func() { close(gate) })
	r.t.Cleanup(free)
	return free
}

// Floods of every kind of frame that makes ripd work and brings nothing end with the
// word to calm down, are counted, and told once.
func TestFrameFloods(t *testing.T) {
	const many = 4000
	floods := map[string]struct {
		limit string
		send  func(f *framer) error
	}{
		"ping":         {"http2-frames", func(f *framer) error { return f.WritePing(false, [8]byte{1}) }},
		"ping answers": {"http2-frames", func(f *framer) error { return f.WritePing(true, [8]byte{1}) }},
		"settings": {"http2-frames", func(f *framer) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
		}},
		"priority":        {"http2-frames", func(f *framer) error { return f.WritePriority(101, http2.PriorityParam{Weight: 7}) }},
		"window":          {"http2-frames", func(f *framer) error { return f.WriteWindowUpdate(0, 1) }},
		"window of none":  {"http2-frames", func(f *framer) error { return f.WriteWindowUpdate(1, 1) }},
		"unknown":         {"http2-frames", func(f *framer) error { return f.WriteRawFrame(0xbe, 0, 0, nil) }},
		"empty data":      {"http2-frames", func(f *framer) error { return f.WriteData(1, false, nil) }},
		"priority update": {"http2-frames", func(f *framer) error { return f.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x01u=1")) }},
		"resets": {"http2-resets", func(f *framer) error {
			return f.WriteRSTStream(f.ask("GET", "/", false), http2.ErrCodeCancel)
		}},
		"resets of one":   {"http2-resets", func(f *framer) error { return f.WriteRSTStream(1, http2.ErrCodeCancel) }},
		"continuations":   {"http2-continuations", func(f *framer) error { return f.WriteContinuation(3, false, nil) }},
		"pieces of heads": {"http2-continuations", func(f *framer) error { return f.WriteContinuation(3, false, []byte("\x00\x01a\x01b")) }},
	}
	for name, flood := range floods {
		t.Run(name, func(t *testing.T) {
			s := newStreamSiege(t, nil)
			free := s.stuck()
			f := s.frames()
			f.ask("POST", "/", true) // so that there is a stream
			if strings.Contains(flood.limit, "continuations") {
				err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: f.block("GET", "/")})
				if err != nil {
					t.Fatal(err)
				}
			}
			for range many {
				if flood.send(f) != nil {
					break
				}
			}
			f.goAway(http2.ErrCodeEnhanceYourCalm)
			f.closed()
			s.told(flood.limit, 1)
			free()
			// Others are served.
			s.fetch(s.browser(), "GET", "/", nil, 200, "done")
			f.conn.Close()
			testkit.Eventually(t, testkit.Timeout, func() bool { return s.inFlight() == 0 && s.server.Stats().Streams == 0 })
		})
	}
}

// What a client does all the time is no flood.
func TestNoFrameFlood(t *testing.T) {
	r := newSecureRig(t, nil)
	r.worker(handler(echo))
	f := r.frames()
	for range 1000 {
		id := f.ask("POST", "/", true)
		for range 3 {
			if err := f.WritePriority(id, http2.PriorityParam{Weight: 7}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.WriteData(id, true, []byte("x")); err != nil {
			t.Fatal(err)
		}
		f.status(id, "200")
	}
}

// A head that unfolds to many times its size is not kept.
func TestHeadBombs(t *testing.T) {
	s := newStreamSiege(t, nil)
	s.worker(handler(echo))
	t.Run("references", func(t *testing.T) {
		f := s.frames()
		first := f.ask("GET", "/", false, "x-bomb", strings.Repeat("b", 4000))
		f.status(first, "200")
		block := f.block("GET", "/")
		block = append(block, bytes.Repeat([]byte{0x80 | 62}, 16000)...) // the field that was indexed last
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
		f.status(3, "431")
		f.next = 5
		f.status(f.ask("GET", "/", false), "200") // the compression is still in step
	})
	t.Run("one value", func(t *testing.T) {
		f := s.frames()
		f.ask("GET", "/", false)
		// A length of 1 GB is announced.
		block := append(f.block("GET", "/"), 0x00, 0x01, 'a', 0x7f, 0x80, 0x80, 0x80, 0x80, 0x04)
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
		f.goAway(http2.ErrCodeCompression)
	})
	t.Run("many fields", func(t *testing.T) {
		f := s.frames()
		var more []string
		for range 140 {
			more = append(more, "a", "b")
		}
		f.status(f.ask("GET", "/", false, more...), "431")
	})
	s.told("limits.header", 3)
}

// What would be two requests, or another one, for a worker is refused.
func TestStreamsDoNotSmuggle(t *testing.T) {
	r := newSecureRig(t, nil)
	got := make(chan string, 100)
	r.worker(func(c net.Conn) {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			got <- string(buf[:n])
			if _, err := c.Write([]byte(ok("x"))); err != nil {
				return
			}
		}
	})
	for name, c := range map[string]struct {
		path   string
		fields []string
		method string
		want   string // a status, or nothing for a reset
	}{
		"line end in a value":     {"/", []string{"x", "a\r\nY: b"}, "GET", ""},
		"NUL in a value":          {"/", []string{"x", "a\x00b"}, "GET", ""},
		"line end in a name":      {"/", []string{"x\r\ny", "a"}, "GET", ""},
		"colon in a name":         {"/", []string{"x:y", "a"}, "GET", ""},
		"space in the path":       {"/ HTTP/1.1", nil, "GET", "400"},
		"line end in the path":    {"/\r\nX:y", nil, "GET", ""},
		"absolute path":           {"http://other.example/", nil, "GET", "400"},
		"space in the method":     {"/", nil, "GET / HTTP/1.1", "400"},
		"another host":            {"/", []string{"host", "other.example"}, "GET", "400"},
		"transfer-encoding":       {"/", []string{"transfer-encoding", "chunked"}, "POST", ""},
		"connection":              {"/", []string{"connection", "x"}, "GET", ""},
		"upgrade":                 {"/", []string{"upgrade", "websocket"}, "GET", ""},
		"te":                      {"/", []string{"te", "gzip"}, "GET", ""},
		"length without a body":   {"/", []string{"content-length", "5"}, "POST", ""},
		"lengths":                 {"/", []string{"content-length", "0", "content-length", "5"}, "POST", ""},
		"expectation":             {"/", []string{"expect", "miracles"}, "GET", "417"},
		"CONNECT":                 {"/", nil, "CONNECT", ""},
		"a protocol":              {"/", []string{}, "CONNECT2", "200"},
		"no authority but a host": {"/", nil, "GET", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			f := r.frames()
			id := f.ask(c.method, c.path, false, c.fields...)
			if c.want != "" {
				f.status(id, c.want)
			} else {
				f.reset(id, http2.ErrCodeProtocol)
			}
			if c.want != "200" {
				select {
				case head := <-got:
					t.Errorf("a worker got %q", head)
				default:
				}
				return
			}
			<-got
		})
	}
}
