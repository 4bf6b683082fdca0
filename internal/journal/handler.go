package journal

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFieldValue bounds an attribute as a field, in bytes. The text has more of it.
const maxFieldValue = 2 << 10

// maxFieldName is the length of a field's name that systemd's journal takes.
const maxFieldName = 64

// fieldName is the name of an attribute's field. Some have a name of their own; that of
// any other is RIP_ and its name in capitals.
func fieldName(key string) string {
	switch key {
	case "request_id":
		return "REQUEST_ID"
	case "status":
		return "HTTP_STATUS"
	case "method":
		return "HTTP_METHOD"
	case "path":
		return "HTTP_PATH"
	case "client":
		return "HTTP_CLIENT"
	case "pid":
		return "OBJECT_PID"
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, "RIP_"+key)
	return name[:min(len(name), maxFieldName)]
}

// entryHandler writes ripd's own messages as entries for systemd's journal: each
// attribute is a field, and stands in the text too, for people.
type entryHandler struct {
	out    io.Writer
	level  slog.Leveler
	app    string
	prefix string // of attributes in groups: "group."
	fields []byte // of WithAttrs
	text   []byte
}

// Enabled reports whether the level is written.
func (h *entryHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle writes one entry.
func (h *entryHandler) Handle(_ context.Context, r slog.Record) error {
	b := openEntry(nil, priorityOf(r.Level))
	b = append(append(append(b, identity(h.app)...), "RIP_LINE=message\n"...), h.fields...)
	r.Attrs(func(a slog.Attr) bool {
		b = h.appendField(b, h.prefix, a)
		return true
	})
	text := len(b)
	b = append(appendText(b, []byte(shorten(r.Message)), false), h.text...)
	r.Attrs(func(a slog.Attr) bool {
		b = h.appendPair(b, h.prefix, a)
		return true
	})
	b = closeEntry(b, 0, text, 0)
	if sink, ok := h.out.(*Sink); ok {
		sink.add(b, 1, MaxBuffered)
		return nil
	}
	_, err := h.out.Write(b)
	return err
}

// WithAttrs gives a handler whose messages have these attributes too.
func (h *entryHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.fields, next.text = bytes.Clone(h.fields), bytes.Clone(h.text)
	for _, a := range attrs {
		next.fields = h.appendField(next.fields, h.prefix, a)
		next.text = h.appendPair(next.text, h.prefix, a)
	}
	return &next
}

// WithGroup gives a handler whose attributes have the group's name before theirs.
func (h *entryHandler) WithGroup(name string) slog.Handler {
	next := *h
	if name != "" {
		next.prefix += name + "."
	}
	return &next
}

func priorityOf(level slog.Level) byte {
	switch {
	case level >= slog.LevelError:
		return priorityErr
	case level >= slog.LevelWarn:
		return priorityWarning
	case level >= slog.LevelInfo:
		return priorityInfo
	}
	return priorityDebug
}

// each calls f for the attribute, or for those in it when it is a group.
func each(prefix string, a slog.Attr, f func(key, value string)) {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, in := range a.Value.Group() {
			each(prefix, in, f)
		}
		return
	case slog.KindDuration:
		a = millis(a)
		f(prefix+a.Key, strconv.FormatFloat(a.Value.Float64(), 'f', -1, 64))
		return
	case slog.KindFloat64:
		if v := a.Value.Float64(); !math.IsNaN(v) {
			f(prefix+a.Key, strconv.FormatFloat(v, 'g', -1, 64))
			return
		}
	case slog.KindString, slog.KindAny:
		f(prefix+a.Key, shorten(anyText(a.Value)))
		return
	}
	if a.Key != "" {
		f(prefix+a.Key, a.Value.String())
	}
}

func (h *entryHandler) appendField(b []byte, prefix string, a slog.Attr) []byte {
	each(prefix, a, func(key, value string) {
		if len(value) > maxFieldValue {
			value = strings.ToValidUTF8(value[:maxFieldValue], "") + ellipsis
		}
		b = appendAnyField(b, fieldName(key), value)
	})
	return b
}

func (h *entryHandler) appendPair(b []byte, prefix string, a slog.Attr) []byte {
	each(prefix, a, func(key, value string) {
		b = append(append(append(b, ' '), key...), '=')
		if plainValue(value) {
			b = append(b, value...)
		} else {
			b = strconv.AppendQuote(b, value)
		}
	})
	return b
}

// plainValue reports whether a value needs no quotes.
func plainValue(value string) bool {
	for i := 0; i < len(value); {
		r, size := utf8.DecodeRuneInString(value[i:])
		if r <= ' ' || r == '"' || r == '=' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
		i += size
	}
	return value != ""
}
