package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"ripd/internal/config"
)

func logged(o LoggerOptions, log func(*slog.Logger)) string {
	var out bytes.Buffer
	o.Out = &out
	log(NewLogger(o))
	return out.String()
}

func TestLoggerForms(t *testing.T) {
	log := func(l *slog.Logger) {
		l.With("worker", 3).Info("worker ready", "took", 840123456*time.Nanosecond, "error", errors.New("a b"))
	}
	for _, test := range []struct {
		name string
		o    LoggerOptions
		want string
	}{
		{"terminal", LoggerOptions{Terminal: true, Stamp: None}, "INF worker ready worker=3 took_ms=840.123 error=\"a b\"\n"},
		{"terminal with colours", LoggerOptions{Terminal: true, Color: true, Stamp: None},
			"\x1b[92mINF\x1b[0m worker ready \x1b[2mworker=\x1b[0m3 \x1b[2mtook_ms=\x1b[0m840.123 \x1b[2merror=\x1b[0m\"a b\"\n"},
		{"text", LoggerOptions{Stamp: None}, "level=INFO msg=\"worker ready\" worker=3 took_ms=840.123 error=\"a b\"\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := logged(test.o, log); got != test.want {
				t.Errorf("\n got %q\nwant %q", got, test.want)
			}
		})
	}
	var line struct {
		Time, Level, Msg, App, Error string
		Worker                       int
		Took                         float64 `json:"took_ms"`
	}
	text := logged(LoggerOptions{JSON: true, App: "shop", Terminal: true}, log)
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if line.Level != "INFO" || line.Msg != "worker ready" || line.App != "shop" || line.Error != "a b" || line.Worker != 3 || line.Took != 840.123 {
		t.Errorf("%s", text)
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000Z", line.Time); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("time %q", line.Time)
	}
}

func TestLoggerStamps(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		for stamp, layout := range map[Stamp]string{Clock: "15:04:05.000", Date: "2006-01-02 15:04:05.000"} {
			text := logged(LoggerOptions{Terminal: terminal, Stamp: stamp}, func(l *slog.Logger) { l.Info("up") })
			if !terminal {
				text = strings.TrimPrefix(text, "time=")
				text = strings.TrimPrefix(text, `"`)
			}
			if _, err := time.Parse(layout, text[:min(len(layout), len(text))]); err != nil {
				t.Errorf("terminal %v, stamp %d: %q: %v", terminal, stamp, text, err)
			}
		}
	}
}

func TestLoggerLevel(t *testing.T) {
	var level slog.LevelVar
	for _, o := range []LoggerOptions{{Level: &level}, {Level: &level, JSON: true}, {Level: &level, Terminal: true}} {
		level.Set(slog.LevelWarn)
		if got := logged(o, func(l *slog.Logger) { l.Info("no"); l.Debug("no") }); got != "" {
			t.Errorf("below its level: %q", got)
		}
		level.Set(slog.LevelDebug)
		if got := logged(o, func(l *slog.Logger) { l.Debug("yes") }); !strings.Contains(got, "yes") {
			t.Errorf("at its level: %q", got)
		}
	}
	NewLogger(LoggerOptions{}).Error("to nobody")
}

// Neither a message nor an attribute leaves its line or steers a terminal.
func TestLoggerCannotBeForged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 100), func(b []byte) string { return string(b) }),
			rapid.String(),
			rapid.StringMatching(`(\x1b\[[0-9;]{0,3}[mJ]|\\x1b|\\\\x1b|\n| |=|")*`),
		).Draw(t, "text")
		log := func(l *slog.Logger) {
			l.Info(text, "s", text, "e", errors.New(text), "b", []byte(text), "any", struct{ A string }{text})
		}
		plain := logged(LoggerOptions{Terminal: true, Stamp: None}, log)
		colored := logged(LoggerOptions{Terminal: true, Color: true, Stamp: None}, log)
		keyed := logged(LoggerOptions{Stamp: None}, log)
		for name, line := range map[string]string{"plain": plain, "colored": colored, "text": keyed} {
			line, ended := strings.CutSuffix(line, "\n")
			if !ended {
				t.Fatalf("%s: no line end", name)
			}
			if name == "colored" {
				// The only escapes are tint's own: one pair for the level, one for each key.
				if n := strings.Count(line, "\x1b"); n != 10 {
					t.Fatalf("%d escapes: %q", n, line)
				}
				line = strings.ReplaceAll(line, "\x1b", "")
			}
			for _, r := range line {
				if !unicode.IsPrint(r) && r != '\t' {
					t.Fatalf("%s: %q in %q", name, r, line)
				}
			}
		}
		if line := logged(LoggerOptions{JSON: true}, log); !json.Valid([]byte(line)) || strings.Count(line, "\n") != 1 {
			t.Fatalf("%q", line)
		}
	})
}

func TestLoggerBoundsValues(t *testing.T) {
	long := strings.Repeat("ä", maxValue)
	for _, o := range []LoggerOptions{{}, {JSON: true}, {Terminal: true}} {
		line := logged(o, func(l *slog.Logger) { l.Info(long, "output", long, "error", errors.New(long)) })
		if len(line) > 4*maxValue || strings.Count(line, ellipsis) != 3 || !strings.HasSuffix(line, "\n") {
			t.Errorf("%+v: %d bytes", o, len(line))
		}
	}
}

type nilError struct{}

func (e *nilError) Error() string { panic("nil") }

func TestLoggerSurvivesNil(t *testing.T) {
	var broken *nilError
	for _, o := range []LoggerOptions{{}, {JSON: true}, {Terminal: true}, {Terminal: true, Color: true}} {
		line := logged(o, func(l *slog.Logger) {
			l.Info("nil", "error", error(broken), "none", nil, "group", slog.GroupValue(slog.Duration("d", time.Second)))
		})
		if !strings.HasSuffix(line, "\n") || !strings.Contains(line, "nil") || !strings.Contains(line, "d_ms") {
			t.Errorf("%+v: %q", o, line)
		}
	}
}

// All three logs keep their order on their one sink.
func TestOpen(t *testing.T) {
	for mode, want := range map[config.Access]string{
		config.AccessHuman: "INF up\n" + humanLine(AccessOptions{Stamp: None}, sample()) + "w3.2  │ text\nERR down worker=3\n",
		config.AccessOff:   "INF up\nw3.2  │ text\nERR down worker=3\n",
	} {
		var out output
		j := Open(Options{Out: &out, Mode: mode, App: "shop", Look: Look{Terminal: true, Stamp: None}})
		use(j)
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		if got := out.String(); got != want || j.Dropped() != 0 {
			t.Errorf("%s:\n got %q\nwant %q", mode, got, want)
		}
	}
	var out output
	j := Open(Options{Out: &out, Mode: config.AccessJSON, App: "shop", Look: Look{Terminal: true, Color: true}})
	use(j)
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	var messages []string
	for text := range strings.Lines(out.String()) {
		var line struct{ Time, Level, Msg, App string }
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.App != "shop" || line.Time == "" || line.Level == "" {
			t.Errorf("%v: %s", err, text)
		}
		messages = append(messages, line.Msg)
	}
	if got := strings.Join(messages, " "); got != "up request output down" {
		t.Errorf("%s", got)
	}
}

func use(j *Journal) {
	j.Log.Info("up")
	j.Access.Log(sample())
	j.Workers.Log(workerLine("text"))
	j.Log.Error("down", "worker", 3)
}
