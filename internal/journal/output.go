package journal

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// WorkerOptions says what NewWorkerLog needs.
type WorkerOptions struct {
	// JSON writes one object a line instead of a line for people.
	JSON bool
	// Out takes the lines. With a *Sink the log never blocks; any other writer
	// is written to directly, one line at a time.
	Out io.Writer
	// Color paints the tag and lets the app's own colours through.
	Color bool
	// Stamp is the time that starts a line for people.
	Stamp Stamp
	// App is the field app (JSON).
	App string
}

// WorkerLine is one line of a worker's own output.
type WorkerLine struct {
	// Time is when ripd had read it.
	Time time.Time
	// Worker 0 is the process that loads the app for the others.
	Worker, Generation, PID int
	// Stream is stdout or stderr.
	Stream string
	// Text is the line without its end. It may hold any bytes.
	Text []byte
	// Truncated: the line was longer than limits.line, and its rest follows as
	// a line of its own.
	Truncated bool
}

// WorkerLog writes what the workers themselves write, each line with the
// worker's tag. Its methods may be called from several goroutines at once, and
// on a nil *WorkerLog, which writes nothing.
type WorkerLog struct {
	out   io.Writer
	sink  *Sink // out, when it is one
	json  bool
	color bool
	clock clock
	app   string
	start string // JSON: what follows the time
}

// NewWorkerLog returns a log that is ready.
func NewWorkerLog(o WorkerOptions) *WorkerLog {
	l := &WorkerLog{out: o.Out, json: o.JSON, color: o.Color, app: o.App}
	l.sink, _ = o.Out.(*Sink)
	l.clock.stamp = o.Stamp
	if o.JSON {
		l.clock.stamp = stampJSON
		l.start = jsonStart(MsgOutput, o.App) + `,"worker":`
	}
	return l
}

// Log writes one line and keeps nothing of w.
func (l *WorkerLog) Log(w *WorkerLine) {
	if l == nil || l.out == nil {
		return
	}
	var room [lineSize]byte
	line := room[:0]
	if l.sink != nil && l.sink.entries != nil {
		line = l.appendEntry(line, w)
	} else if l.json {
		line = l.appendJSON(line, w)
	} else {
		line = l.appendHuman(line, w)
	}
	if l.sink != nil {
		l.sink.put(line)
		return
	}
	// A copy, so that only this way costs an allocation.
	_, _ = l.out.Write(bytes.Clone(line))
}

// tagColumns is the width of a worker's tag in a line for people.
const tagColumns = 5

// appendHuman writes the worker's tag, a bar, and the text, which cannot leave
// its line: there is a tag before every line that a worker has written.
func (l *WorkerLog) appendHuman(b []byte, w *WorkerLine) []byte {
	b = l.clock.append(b, w.Time)
	if l.color {
		b = append(b, sgrCyan...)
	}
	b = append(appendTag(b, w.Worker, w.Generation, tagColumns), " │"...)
	if l.color {
		b = append(b, sgrReset...)
	}
	if len(w.Text) > 0 {
		b = appendText(append(b, ' '), w.Text, l.color)
	}
	if w.Truncated {
		b = append(b, ellipsis...)
	}
	return append(b, '\n')
}

// appendText writes an app's text for a person. Tabs stay. Colours stay on a
// terminal that has them and end with the line; elsewhere they are left out.
// Everything else that is not printable is escaped.
func appendText(dst, text []byte, color bool) []byte {
	text = bytes.TrimSuffix(text, []byte("\r"))
	painted := false
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < 0x7f || c == '\t' {
			dst = append(dst, c)
			i++
			continue
		}
		if n := sgrLength(text[i:]); n > 0 {
			if color {
				dst = append(dst, text[i:i+n]...)
				painted = true
			}
			i += n
			continue
		}
		_, size := utf8.DecodeRune(text[i:])
		dst = appendRune(dst, text[i:])
		i += size
	}
	if painted {
		dst = append(dst, sgrReset...)
	}
	return dst
}

// maxSGR bounds one colour sequence, in bytes.
const maxSGR = 32

// sgrLength is the length of the SGR sequence that b starts with, else 0:
// ESC [ digits, semicolons and colons, m.
func sgrLength(b []byte) int {
	if len(b) < 3 || b[0] != 0x1b || b[1] != '[' {
		return 0
	}
	for i := 2; i < min(len(b), maxSGR); i++ {
		switch c := b[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return 0
		}
	}
	return 0
}

// appendJSON writes one object. A line that is an object itself is its field
// record, as it is, so that the app's fields can still be read by a machine;
// any other line is the string text.
func (l *WorkerLog) appendJSON(b []byte, w *WorkerLine) []byte {
	b = l.clock.append(append(b, `{"time":"`...), w.Time)
	b = strconv.AppendInt(append(b, l.start...), int64(w.Worker), 10)
	b = strconv.AppendInt(append(b, `,"generation":`...), int64(w.Generation), 10)
	b = strconv.AppendInt(append(b, `,"pid":`...), int64(w.PID), 10)
	b = append(appendString(append(b, `,"stream":"`...), w.Stream), '"')
	text := bytes.TrimSuffix(w.Text, []byte("\r"))
	if isObject(text) {
		b = appendRecord(append(b, `,"record":`...), text)
	} else {
		b = append(appendString(append(b, `,"text":"`...), text), '"')
	}
	if w.Truncated {
		b = append(b, `,"truncated":true`...)
	}
	return append(b, "}\n"...)
}

// isObject reports whether text is one JSON object in UTF-8.
func isObject(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 1 && text[0] == '{' && text[len(text)-1] == '}' && utf8.Valid(text) && json.Valid(text)
}

// appendRecord copies a JSON object. What is not ASCII can only stand in its
// strings, where an escape means the same: what is not printable becomes one.
func appendRecord(dst, object []byte) []byte {
	for i := 0; i < len(object); {
		c := object[i]
		if c < 0x7f {
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(object[i:])
		if unicode.IsPrint(r) {
			dst = append(dst, object[i:i+size]...)
		} else {
			dst = appendUnicode(dst, r, size)
		}
		i += size
	}
	return dst
}

// appendEntry writes an entry for systemd's journal, under the worker's own
// identifier. The text may begin with its priority, as "<3>" (sd-daemon(3)). It is
// the line as it came, without colours and with everything else escaped that
// is not printable.
func (l *WorkerLog) appendEntry(b []byte, w *WorkerLine) []byte {
	text, priority, flags := w.Text, byte(priorityInfo), byte(entryOutput)
	if len(text) >= 3 && text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>' {
		priority, text, flags = text[1], text[3:], flags|entryOrdered
	}
	if len(text) > 0 && (text[0] == ' ' || text[0] == '\t') {
		flags |= entryGoesOn
	}
	if w.Truncated {
		flags |= entryOpen
	}
	start := len(b)
	b = openEntry(b, priority)
	b = append(append(append(b, "SYSLOG_IDENTIFIER="...), l.app...), "/worker-"...)
	b = append(strconv.AppendInt(b, int64(w.Worker), 10), '\n')
	b = appendField(appendField(b, "RIP_APP", l.app), "RIP_LINE", MsgOutput)
	b = appendIntField(b, "RIP_WORKER", int64(w.Worker))
	b = appendIntField(b, "RIP_GENERATION", int64(w.Generation))
	b = appendIntField(b, "OBJECT_PID", int64(w.PID))
	b = appendField(b, "RIP_STREAM", w.Stream)
	begin := len(b)
	return closeEntry(appendText(b, text, false), start, begin, flags)
}
