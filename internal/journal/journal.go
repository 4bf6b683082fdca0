// Package journal is where ripd's lines go: one access line for each request,
// the workers' own output, and ripd's messages. All of them pass through one
// Sink, which keeps their order, has a bound, and never makes a caller wait.
package journal

import (
	"io"
	"log/slog"
	"time"
)

// Mode says how lines look.
type Mode uint8

// The modes. The zero value is Human.
const (
	// Human lines have columns of fixed width.
	Human Mode = iota
	// JSON lines are one object each.
	JSON
	// Off writes no access lines.
	Off
)

// Stamp says which time starts a line for people. JSON lines always carry the
// full time in UTC.
type Stamp uint8

// The stamps. The zero value is Clock.
const (
	// Clock is the local time of day, 15:04:05.000: for terminals.
	Clock Stamp = iota
	// Date is the local date and time, 2006-01-02 15:04:05.000: for files and pipes.
	Date
	// None leaves the time to what reads the lines: for systemd's journal.
	None
)

// SinkOptions says what NewSink needs.
type SinkOptions struct {
	// Out takes the lines. Its Write is called from one goroutine, with many
	// lines at once, and may block for as long as it likes.
	Out io.Writer
	// JSON, Color and Stamp shape the one line that the sink writes itself,
	// about lines that were dropped.
	JSON  bool
	Color bool
	Stamp Stamp
	// App is the app's name, for that line.
	App string
}

// Sink is the one way out for all lines. It is an io.Writer for whole lines.
type Sink struct{}

// NewSink starts the goroutine that writes to o.Out. Close ends it.
func NewSink(o SinkOptions) *Sink { return &Sink{} }

// Write takes whole lines and never blocks.
func (s *Sink) Write(line []byte) (int, error) { return len(line), nil }

// Dropped returns how many lines were dropped since the start.
func (s *Sink) Dropped() uint64 { return 0 }

// Close writes what waits, for at most CloseTimeout.
func (s *Sink) Close() error { return nil }

// AccessOptions says what NewAccessLog needs.
type AccessOptions struct {
	// Mode is Human, JSON or Off.
	Mode Mode
	// Out takes the lines. A *Sink is shared with the other logs and stays
	// open; with any other writer the log has a sink of its own.
	Out io.Writer
	// Color paints the status by its class (Human).
	Color bool
	// App is the field app (JSON).
	App string
	// Stamp is the time at the start of the line (Human).
	Stamp Stamp
	// Width is the terminal's width in columns (Human): the path takes what
	// the other columns leave. 0 means that the path has 40 columns.
	Width int
}

// Access is one request as the access log tells it. All byte slices are views
// that need to be valid only during Log.
type Access struct {
	// Time is when the request's answer was complete.
	Time time.Time
	// Status is the answer's; 0 when the client left before there was one.
	Status int
	// Method, Path (with its query), RequestID and Client (the address without
	// the port) may hold any bytes.
	Method, Path, RequestID, Client []byte
	// Total runs from the request's first byte to the end of its answer, Queue
	// is the time in the queue, Worker the time of the lease.
	Total, Queue, Worker time.Duration
	// BytesIn and BytesOut count the bodies.
	BytesIn, BytesOut int64
	// WorkerID is 0 when no worker had the request.
	WorkerID, Generation int
	// Cause says why ripd itself answered or broke off: queue-full,
	// queue-timeout, no-worker, client-left, …; "" when all went well.
	Cause string
	// Retried: the request was given to a second worker.
	Retried bool
	// Proto is HTTP/1.0, HTTP/1.1, …
	Proto string
}

// AccessLog writes one line for each request. A nil *AccessLog writes nothing.
type AccessLog struct{}

// NewAccessLog returns a log that is ready.
func NewAccessLog(o AccessOptions) *AccessLog { return &AccessLog{} }

// Enabled reports whether Log does anything.
func (l *AccessLog) Enabled() bool { return false }

// Log writes one line. It never blocks and keeps nothing of a.
func (l *AccessLog) Log(a *Access) {}

// Dropped returns how many lines the log's sink has dropped since the start.
func (l *AccessLog) Dropped() uint64 { return 0 }

// Close writes what waits when the log's sink is its own.
func (l *AccessLog) Close() error { return nil }

// LoggerOptions says what NewLogger needs.
type LoggerOptions struct {
	// Out takes the lines. With a *Sink the logger never blocks; any other
	// writer is written to directly, as tests like it.
	Out io.Writer
	// Terminal chooses the form for people at a terminal, JSON the other one;
	// with neither lines are key=value.
	Terminal, JSON bool
	// Color allows colours (Terminal).
	Color bool
	// Stamp is the time at the start of a line; JSON lines always have one.
	Stamp Stamp
	// Level is the lowest level that is written; nil means slog.LevelInfo.
	Level slog.Leveler
	// App is the field app (JSON); "" leaves it out.
	App string
}

// NewLogger returns ripd's own logger.
func NewLogger(o LoggerOptions) *slog.Logger { return slog.New(slog.DiscardHandler) }

// WorkerOptions says what NewWorkerLog needs.
type WorkerOptions struct {
	// Mode is Human or JSON; Off is Human.
	Mode Mode
	// Out is as in AccessOptions, but a *Sink is needed for it never to block.
	Out io.Writer
	// Color paints the tag and lets the app's own colours through (Human).
	Color bool
	// Stamp is the time at the start of the line (Human).
	Stamp Stamp
	// App is the field app (JSON).
	App string
}

// WorkerLine is one line of a worker's own output.
type WorkerLine struct {
	Time                    time.Time
	Worker, Generation, PID int
	// Stream is stdout or stderr.
	Stream string
	// Text is the line without its end. It may hold any bytes.
	Text []byte
	// Truncated: the line was longer than limits.line, the rest follows as
	// another line.
	Truncated bool
}

// WorkerLog writes the workers' output. A nil *WorkerLog writes nothing.
type WorkerLog struct{}

// NewWorkerLog returns a log that is ready.
func NewWorkerLog(o WorkerOptions) *WorkerLog { return &WorkerLog{} }

// Log writes one line. It keeps nothing of w.
func (l *WorkerLog) Log(w *WorkerLine) {}
