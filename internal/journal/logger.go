package journal

import (
	"context"
	"encoding"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/lmittmann/tint"
)

// maxValue bounds one attribute of ripd's own messages, in bytes; a longer one
// is cut. The message itself has the same bound.
const maxValue = 16 << 10

// LoggerOptions says what NewLogger needs.
type LoggerOptions struct {
	// Out takes the lines. With a *Sink the logger never blocks; any other
	// writer is written to directly, one line at a time.
	Out io.Writer
	// Terminal chooses the form for a person at a terminal, JSON the other one
	// (JSON wins); with neither lines are key=value.
	Terminal, JSON bool
	// Color allows colours (Terminal).
	Color bool
	// Stamp is the time at the start of a line; JSON lines always have one.
	Stamp Stamp
	// Level is the lowest level that is written; nil means info.
	Level slog.Leveler
	// App is the field app (JSON); "" leaves it out.
	App string
	// Entries makes the lines entries of systemd's journal, for a Sink that sends
	// them. It wins over Terminal and JSON.
	Entries bool
}

// NewLogger returns ripd's own logger. It writes time spans in milliseconds,
// with _ms at the end of the attribute's name, and lets nothing unprintable
// out. A nil Out discards everything.
func NewLogger(o LoggerOptions) *slog.Logger {
	if o.Out == nil {
		return slog.New(slog.DiscardHandler)
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	switch {
	case o.Entries:
		return slog.New(&entryHandler{out: o.Out, level: o.Level, app: o.App})
	case o.JSON:
		logger := slog.New(slog.NewJSONHandler(o.Out, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: replaceJSON}))
		if o.App != "" {
			logger = logger.With("app", o.App)
		}
		return logger
	case o.Terminal:
		return slog.New(stamped{o.Stamp == None, tint.NewTextHandler(o.Out, &tint.Options{
			Level:       o.Level,
			NoColor:     !o.Color,
			TimeFormat:  o.Stamp.layout() + ".000",
			ReplaceAttr: replaceTint,
		})})
	}
	layout := o.Stamp.layout() + ".000"
	return slog.New(stamped{o.Stamp == None, slog.NewTextHandler(o.Out, &slog.HandlerOptions{
		Level: o.Level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
				return slog.String(a.Key, a.Value.Time().Local().Format(layout))
			}
			return replaceText(groups, a)
		},
	})})
}

// stamped is a handler that leaves the time to what reads the lines.
type stamped struct {
	never bool
	slog.Handler
}

// Handle passes r on, without its time where none is wanted.
func (s stamped) Handle(ctx context.Context, r slog.Record) error {
	if s.never {
		r.Time = time.Time{}
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs keeps the wrapper around the new handler.
func (s stamped) WithAttrs(attrs []slog.Attr) slog.Handler {
	return stamped{s.never, s.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the wrapper around the new handler.
func (s stamped) WithGroup(name string) slog.Handler {
	return stamped{s.never, s.Handler.WithGroup(name)}
}

// replaceJSON writes the time as access lines have it.
func replaceJSON(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.String(a.Key, a.Value.Time().UTC().Format(stampJSON.layout()+".000Z"))
	}
	return replaceLong(a)
}

// replaceText is replaceLong for key=value lines, in which log/slog escapes
// everything but DEL.
func replaceText(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.LevelKey {
		return a
	}
	a = replaceLong(a)
	switch a.Value.Kind() {
	case slog.KindString, slog.KindAny:
		if s := anyText(a.Value); strings.Contains(s, "\x7f") {
			return slog.String(a.Key, strings.ReplaceAll(s, "\x7f", `\x7f`))
		}
	}
	return a
}

// replaceLong brings spans to milliseconds and long values to their bound.
func replaceLong(a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		return millis(a)
	case slog.KindString, slog.KindAny:
		if s, ok := text(a.Value); ok && len(s) > maxValue {
			return slog.String(a.Key, shorten(s))
		}
	}
	return a
}

// replaceTint is replaceLong for tint, which passes on escape sequences and
// the line ends of a message: they are written as text here.
func replaceTint(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return a
	}
	switch a.Value.Kind() {
	case slog.KindDuration:
		return millis(a)
	case slog.KindString, slog.KindAny:
		return slog.String(a.Key, printable(shorten(anyText(a.Value))))
	}
	return a
}

// text is v's text, when it has one: a string, an error, or what marshals
// itself into text.
func text(v slog.Value) (s string, ok bool) {
	if v.Kind() == slog.KindString {
		return v.String(), true
	}
	defer func() {
		// A nil pointer in an interface: the handler has its own way with it.
		if recover() != nil {
			s, ok = "", false
		}
	}()
	switch a := v.Any().(type) {
	case error:
		return a.Error(), true
	case encoding.TextMarshaler:
		b, err := a.MarshalText()
		return string(b), err == nil
	case []byte:
		return string(a), true
	}
	return "", false
}

// anyText is v's text, made by package fmt when it has none of its own.
func anyText(v slog.Value) string {
	if s, ok := text(v); ok {
		return s
	}
	return fmt.Sprintf("%+v", v.Any())
}

// millis is a span as a number of milliseconds, to the microsecond.
func millis(a slog.Attr) slog.Attr {
	key := a.Key
	if !strings.HasSuffix(key, "_ms") {
		key += "_ms"
	}
	return slog.Float64(key, math.Round(float64(a.Value.Duration())/1e3)/1e3)
}

func shorten(s string) string {
	if len(s) <= maxValue {
		return s
	}
	return strings.ToValidUTF8(s[:maxValue], "") + ellipsis
}

// printable is s with everything escaped that steers a terminal or ends a
// line. ESC is written as \u001b: tint turns the text \x1b into the character,
// also where it was text from the start, so that it is rewritten too.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if r < ' ' || r >= 0x7f || r == '\\' {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	s = strings.NewReplacer("\x1b", `\u001b`, "\n", `\n`, "\r", `\r`).Replace(s)
	b := appendText(nil, []byte(s), false)
	return strings.ReplaceAll(string(b), `\x1b`, `\u001b`)
}
