package journal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ripd/internal/config"
)

// sample is an ordinary request.
func sample() *Access {
	return &Access{
		Time: moment, Status: 200,
		Method: []byte("GET"), Path: []byte("/orders/17?sort=date"),
		RequestID: []byte("01JQ3Z8M4T"), Client: []byte("192.0.2.7"),
		Total: 12345 * time.Microsecond, Queue: 104 * time.Microsecond, Worker: 12200 * time.Microsecond,
		BytesOut: 1234, WorkerID: 3, Generation: 2, Proto: "HTTP/1.1",
	}
}

func humanLine(o AccessOptions, a *Access) string {
	var h human
	h.init(o)
	return string(h.append(nil, a))
}

func jsonText(a *Access) []byte {
	var j jsonLine
	j.init("shop")
	return j.append(nil, a)
}

func TestHumanLine(t *testing.T) {
	with := func(change func(*Access)) *Access {
		a := sample()
		change(a)
		return a
	}
	for _, test := range []struct {
		name string
		a    *Access
		want string
	}{
		{"ordinary", sample(),
			"200 GET     /orders/17?sort=date                       12.34    0.10   12.20  1.2KB w3.2   192.0.2.7       01JQ3Z8M4T\n"},
		{"refused", with(func(a *Access) {
			a.Status, a.Cause, a.WorkerID, a.Generation, a.Worker, a.BytesOut = 503, "queue-full", 0, 0, 0, 17
		}),
			"503 GET     /orders/17?sort=date                       12.34    0.10    0.00    17B -      192.0.2.7       01JQ3Z8M4T queue-full\n"},
		{"retried", with(func(a *Access) { a.Retried = true }),
			"200 GET     /orders/17?sort=date                       12.34    0.10   12.20  1.2KB w3.2   192.0.2.7       01JQ3Z8M4T retried\n"},
		{"no answer, no client, no id", with(func(a *Access) { a.Status, a.Client, a.RequestID, a.Cause = 0, nil, nil, "client-left" }),
			"--- GET     /orders/17?sort=date                       12.34    0.10   12.20  1.2KB w3.2   - client-left\n"},
		{"long", with(func(a *Access) {
			a.Method = []byte("PROPPATCH")
			a.Path = []byte("/assets/" + strings.Repeat("x", 100) + "/application.css")
			a.Client = []byte("2001:db8:aaaa:bbbb:cccc:dddd:eeee:1")
			a.Total, a.Worker = 30*time.Second, 3*time.Hour
			a.BytesOut = 5 << 30
		}),
			"200 PROP…CH /assets/xxxxxxxxxxxxxxxxxx…plication.css 30000.0    0.10 10800000  5.0GB w3.2   2001:db8:aaaa:bbbb:cccc:dddd:eeee:1 01JQ3Z8M4T\n"},
		{"forged", with(func(a *Access) {
			a.Path = []byte("/\r\n200 GET /\x1b[2J\\\u202e\xff")
			a.RequestID = []byte("a b\nc")
		}),
			`200 GET     /\x0d\x0a200\x20GET\x20/…J\\\u202e\xff     12.34    0.10   12.20  1.2KB w3.2   192.0.2.7       a\x20b\x0ac` + "\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := humanLine(AccessOptions{Stamp: None}, test.a); got != test.want {
				t.Errorf("\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestHumanLineColors(t *testing.T) {
	for status, sgr := range map[int]string{101: sgrMagenta, 204: sgrGreen, 304: sgrCyan, 404: sgrYellow, 500: sgrRed, 0: sgrMagenta} {
		a := sample()
		a.Status = status
		line := humanLine(AccessOptions{Stamp: None, Color: true}, a)
		if !strings.HasPrefix(line, sgr) {
			t.Errorf("status %d: %q", status, line)
		}
		plain := humanLine(AccessOptions{Stamp: None}, a)
		if strings.Contains(plain, "\x1b") {
			t.Errorf("status %d without colours: %q", status, plain)
		}
		if got := string(appendText(nil, []byte(strings.TrimSuffix(line, "\n")), false)) + "\n"; got != plain {
			t.Errorf("colours move columns:\n%s%s", got, plain)
		}
	}
}

func TestHumanLineTime(t *testing.T) {
	local := moment.Local()
	for stamp, layout := range map[Stamp]string{Clock: "15:04:05.000 ", Date: "2006-01-02 15:04:05.000 ", None: ""} {
		line := humanLine(AccessOptions{Stamp: stamp}, sample())
		if want := local.Format(layout) + "200 "; !strings.HasPrefix(line, want) {
			t.Errorf("stamp %d: %q does not start with %q", stamp, line, want)
		}
	}
}

// A line as long as the terminal is wide, where the terminal is wide enough.
func TestHumanLineFillsTheTerminal(t *testing.T) {
	const others = 100 // columns, with a request id of idColumns
	for _, width := range []int{80, 120, 140, 160, 300} {
		a := sample()
		a.Path = bytes.Repeat([]byte("/x"), 300)
		a.RequestID = bytes.Repeat([]byte("i"), idColumns)
		got := utf8.RuneCountInString(strings.TrimSuffix(humanLine(AccessOptions{Width: width}, a), "\n"))
		want := min(max(width, others+minPathColumns), others+maxPathColumns)
		if got != want {
			t.Errorf("terminal of %d columns: a line of %d, not %d", width, got, want)
		}
	}
}

func anyAccess(t *rapid.T) *Access {
	text := rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 300),
		rapid.Map(rapid.StringN(0, 300, -1), func(s string) []byte { return []byte(s) }),
		rapid.Map(rapid.StringMatching(`/[a-z/]{0,200}`), func(s string) []byte { return []byte(s) }),
	)
	span := rapid.Int64Range(-1e9, 1e12)
	return &Access{
		Time: moment, Status: rapid.IntRange(-1, 1000).Draw(t, "status"),
		Method: text.Draw(t, "method"), Path: text.Draw(t, "path"),
		RequestID: text.Draw(t, "id"), Client: []byte("192.0.2.7"),
		Total:  time.Duration(span.Draw(t, "total")),
		Queue:  time.Duration(span.Draw(t, "queue")),
		Worker: time.Duration(span.Draw(t, "worker")), BytesOut: rapid.Int64().Draw(t, "out"),
		WorkerID: rapid.IntRange(0, 99).Draw(t, "id"), Generation: rapid.IntRange(0, 99).Draw(t, "gen"),
		Cause: rapid.SampledFrom([]string{"", "queue-full", "client-left"}).Draw(t, "cause"),
	}
}

// Whatever a client sends, a line stays one line of printable characters with
// its columns in their places.
func TestHumanLineCannotBeForged(t *testing.T) {
	const clientAt = 4 + (methodColumns + 1) + (pathColumns + 1) + 3*(millisColumns+1) + (bytesColumns + 1) + (workerColumns + 1)
	rapid.Check(t, func(t *rapid.T) {
		a := anyAccess(t)
		line := humanLine(AccessOptions{Stamp: None}, a)
		if !strings.HasSuffix(line, "\n") {
			t.Fatalf("no line end: %q", line)
		}
		columns := []rune(line[:len(line)-1])
		for _, r := range columns {
			if !unicode.IsPrint(r) || r == utf8.RuneError && !bytes.Contains(append(append(bytes.Clone(a.Path), a.Method...), a.RequestID...), []byte("\ufffd")) {
				t.Fatalf("%q in %q", r, line)
			}
		}
		if got := string(columns[clientAt : clientAt+9]); got != "192.0.2.7" {
			t.Fatalf("the client's column holds %q: %q", got, line)
		}
		if fields := strings.Fields(line); len(fields) > 12 {
			t.Fatalf("%d fields: %q", len(fields), line)
		}
	})
}

func TestColumnIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "raw")
		width := rapid.IntRange(7, 80).Draw(t, "width")
		got := string(appendColumn(nil, raw, width, true))
		if n := utf8.RuneCountInString(got); n != width {
			t.Fatalf("%d columns instead of %d: %q", n, width, got)
		}
		if whole := string(appendUnits(nil, raw)); utf8.RuneCountInString(whole) <= width && strings.TrimRight(got, " ") != whole {
			t.Fatalf("%q has room, and is %q", whole, got)
		}
	})
}

func TestMillisColumn(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "   0.00", -5: "   0.00", 9999: "   0.00", 10 * time.Microsecond: "   0.01",
		999990 * time.Microsecond: " 999.99", 9999999 * time.Microsecond: "9999.99",
		10 * time.Second: "10000.0", 100 * time.Second: " 100000", 9999 * time.Second: "9999000", 10000 * time.Second: "10000000",
	} {
		if got := string(appendMillisColumn(nil, d)); got != want {
			t.Errorf("%v: %q, not %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		-1: "    0B", 0: "    0B", 1023: " 1023B", 1024: " 1.0KB", 1234: " 1.2KB", 12345: "12.0KB", 123456: " 120KB",
		1 << 20: " 1.0MB", 1<<20 - 1: "1023KB", 5 << 30: " 5.0GB", 1<<63 - 1: " 7.9EB",
	} {
		if got := string(appendSize(nil, n)); got != want {
			t.Errorf("%d: %q, not %q", n, got, want)
		}
	}
}

func TestJSONLine(t *testing.T) {
	a := sample()
	a.Cause, a.Retried = "client-left", true
	want := `{"time":"2026-01-02T15:04:05.123Z","level":"INFO","msg":"request","app":"shop","status":200,"method":"GET",` +
		`"path":"/orders/17?sort=date","total_ms":12.345,"queue_ms":0.104,"worker_ms":12.200,"bytes_in":0,"bytes_out":1234,` +
		`"worker":3,"generation":2,"client":"192.0.2.7","request_id":"01JQ3Z8M4T","proto":"HTTP/1.1","cause":"client-left","retried":true}` + "\n"
	if got := string(jsonText(a)); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestJSONLineCutsLongPaths(t *testing.T) {
	a := sample()
	a.Path = []byte(strings.Repeat("/äöü", 1000))
	var line struct {
		Path  string `json:"path"`
		Bytes int    `json:"path_bytes"`
	}
	if err := json.Unmarshal(jsonText(a), &line); err != nil {
		t.Fatal(err)
	}
	if line.Bytes != len(a.Path) || len(line.Path) > maxPath+len(ellipsis) || strings.Contains(line.Path, "\ufffd") {
		t.Errorf("%d bytes of %d, told as %d: %s", len(line.Path), len(a.Path), line.Bytes, line.Path)
	}
}

// checkJSON compares a line with what encoding/json reads out of it.
func checkJSON(t interface{ Fatalf(string, ...any) }, text []byte) {
	a := sample()
	a.Path, a.RequestID = text, text
	line := jsonText(a)
	if bytes.IndexByte(line, '\n') != len(line)-1 {
		t.Fatalf("not one line: %q", line)
	}
	var read map[string]any
	if err := json.Unmarshal(line, &read); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	// What encoding/json makes of the same bytes.
	quoted, err := json.Marshal(string(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	var want string
	if err := json.Unmarshal(quoted, &want); err != nil {
		t.Fatalf("%v", err)
	}
	if len(text) <= maxPath && read["path"] != want {
		t.Fatalf("%q was read as %q", text, read["path"])
	}
	for _, r := range string(line[:len(line)-1]) {
		if !unicode.IsPrint(r) {
			t.Fatalf("%q in %q", r, line)
		}
	}
}

func TestJSONLineAnyBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkJSON(t, rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 300),
			rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "text"))
	})
}

func FuzzJSONLine(f *testing.F) {
	for _, seed := range []string{"/", "\"\\\n\x00\x7f", "\xff\xe2\x82", "\u2028\u202e\U000e0001😀", strings.Repeat("ä", 3000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) { checkJSON(t, text) })
}

func TestLogOffAndNil(t *testing.T) {
	var none *AccessLog
	for name, l := range map[string]*AccessLog{
		"nil": none, "off": NewAccessLog(AccessOptions{Mode: config.AccessOff, Out: &output{}}), "no output": NewAccessLog(AccessOptions{}),
	} {
		l.Log(sample())
		if l.Enabled() || l.Dropped() != 0 || l.Close() != nil {
			t.Errorf("%s: it is not off", name)
		}
	}
}

func TestLogAllocatesNothing(t *testing.T) {
	for _, mode := range []config.Access{config.AccessHuman, config.AccessJSON} {
		l := NewAccessLog(AccessOptions{Mode: mode, Out: &discard{}, App: "shop", Color: true})
		a := sample()
		a.Cause, a.Retried = "client-left", true
		l.Log(a)
		if n := testing.AllocsPerRun(1000, func() { l.Log(a) }); n != 0 {
			t.Errorf("%s: %v allocations a line", mode, n)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
