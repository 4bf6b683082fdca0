package journal

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func workerLine(text string) *WorkerLine {
	return &WorkerLine{Time: moment, Worker: 3, Generation: 2, PID: 4711, Stream: "stdout", Text: []byte(text)}
}

func TestWorkerLineForPeople(t *testing.T) {
	for _, test := range []struct {
		name, text string
		color      bool
		want       string
	}{
		{"text", "listening", false, "w3.2  │ listening\n"},
		{"empty", "", false, "w3.2  │\n"},
		{"tabs, backslashes, letters and a line end of two characters", "a\tC:\\x ä 語\r", false, "w3.2  │ a\tC:\\x ä 語\n"},
		{"JSON", `{"level":"info","msg":"up"}`, false, `w3.2  │ {"level":"info","msg":"up"}` + "\n"},
		{"colours without a terminal", "\x1b[1;31mred\x1b[0m", false, "w3.2  │ red\n"},
		{"colours", "\x1b[38;5;1mred", true, sgrCyan + "w3.2  │" + sgrReset + " \x1b[38;5;1mred" + sgrReset + "\n"},
		{"no colours on a terminal with colours", "plain", true, sgrCyan + "w3.2  │" + sgrReset + " plain\n"},
		{"what steers a terminal", "a\x1b[2Jb\x1b]0;title\x07\r\u009b\u202e\xffc", true,
			sgrCyan + "w3.2  │" + sgrReset + ` a\x1b[2Jb\x1b]0;title\x07\x0d\u009b\u202e\xffc` + "\n"},
		{"an endless colour", "\x1b[" + strings.Repeat("1;", 40) + "m", true,
			sgrCyan + "w3.2  │" + sgrReset + ` \x1b[` + strings.Repeat("1;", 40) + "m\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			NewWorkerLog(WorkerOptions{Out: &out, Color: test.color, Stamp: None}).Log(workerLine(test.text))
			if got := out.String(); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
}

// What loads the app for the workers is worker 0.
func TestWorkerLineOfTheLoader(t *testing.T) {
	w := workerLine("loading")
	w.Worker = 0
	var out bytes.Buffer
	NewWorkerLog(WorkerOptions{Out: &out, Stamp: None}).Log(w)
	if got := out.String(); got != "w0.2  │ loading\n" {
		t.Errorf("got %q", got)
	}
}

func TestWorkerLineTruncated(t *testing.T) {
	w := workerLine("begin")
	w.Truncated = true
	var human, object bytes.Buffer
	NewWorkerLog(WorkerOptions{Out: &human, Stamp: None}).Log(w)
	NewWorkerLog(WorkerOptions{Out: &object, JSON: true}).Log(w)
	if human.String() != "w3.2  │ begin…\n" || !strings.HasSuffix(object.String(), `,"text":"begin","truncated":true}`+"\n") {
		t.Errorf("%q %q", human.String(), object.String())
	}
}

func TestWorkerLineJSON(t *testing.T) {
	const start = `{"time":"2026-01-02T15:04:05.123Z","level":"INFO","msg":"output","app":"shop","worker":3,"generation":2,"pid":4711,"stream":"stdout",`
	for _, test := range []struct{ name, text, want string }{
		{"text", "say \"hi\"\t\x1b[31m\xff", `"text":"say \"hi\"\t\u001b[31m\ufffd"}`},
		{"object", ` {"level":"info", "n":1.50} ` + "\r", `"record": {"level":"info", "n":1.50} }`},
		{"object with what a terminal obeys", "{\"a\":\"\u009b\u202e\U000e0001é\"}", `"record":{"a":"\u009b\u202e\udb40\udc01é"}}`},
		{"not an object", `[1,2]`, `"text":"[1,2]"}`},
		{"two objects", `{"a":1}{"b":2}`, `"text":"{\"a\":1}{\"b\":2}"}`},
		{"broken", `{"a":1`, `"text":"{\"a\":1"}`},
		{"forged", `{}","msg":"request","x":"}`, `"text":"{}\",\"msg\":\"request\",\"x\":\"}"}`},
		{"not UTF-8", "{\"a\":\"\xff\"}", `"text":"{\"a\":\"\ufffd\"}"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			NewWorkerLog(WorkerOptions{Out: &out, JSON: true, App: "shop"}).Log(workerLine(test.text))
			if got := out.String(); got != start+test.want+"\n" {
				t.Errorf("\n got %s\nwant %s", got, start+test.want)
			}
			if !json.Valid(out.Bytes()) {
				t.Error("not JSON")
			}
		})
	}
}

// Any output stays within its line, behind its tag, in both forms.
func TestWorkerLineCannotBeForged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 200),
			rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
			rapid.Map(rapid.StringMatching(`(\x1b\[[0-9;:]{0,5}[mJK]|[{}"a]|\r)*`), func(s string) []byte { return []byte(s) }),
		).Draw(t, "text")
		w := workerLine(string(text))
		var human, object bytes.Buffer
		NewWorkerLog(WorkerOptions{Out: &human, Stamp: None}).Log(w)
		NewWorkerLog(WorkerOptions{Out: &object, JSON: true}).Log(w)
		line, ended := strings.CutSuffix(human.String(), "\n")
		if !ended || !strings.HasPrefix(line, "w3.2  │") {
			t.Fatalf("%q", line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) && r != '\t' {
				t.Fatalf("%q in %q", r, line)
			}
		}
		if line := object.Bytes(); !json.Valid(line) || bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("%q", line)
		}
	})
}

func TestWorkerLogAllocatesNothing(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		s := NewSink(quiet(&discard{}))
		l := NewWorkerLog(WorkerOptions{Out: s, JSON: asJSON})
		w := workerLine("GET /orders took 12 ms")
		l.Log(w)
		if n := testing.AllocsPerRun(1000, func() { l.Log(w) }); n != 0 {
			t.Errorf("JSON %v: %v allocations a line", asJSON, n)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWorkerLogNil(t *testing.T) {
	var none *WorkerLog
	none.Log(workerLine("x"))
	NewWorkerLog(WorkerOptions{}).Log(workerLine("x"))
}
