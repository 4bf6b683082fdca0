// Package journal is where ripd's lines go: one access line for each request,
// the workers' own output, and ripd's messages. All of them pass through one
// Sink, which keeps their order, has a bound, and never makes a caller wait.
package journal

import (
	"io"
	"log/slog"

	"ripd/internal/config"
)

// Options says what Open needs.
type Options struct {
	// Out takes all lines, see SinkOptions.
	Out io.Writer
	// Mode is the form of all lines: AccessJSON makes every line JSON,
	// AccessOff leaves out the access lines alone. The zero value is human.
	Mode config.Access
	// Look is what Out is, see LookAt. The zero value is a terminal without colours.
	Look Look
	// Level is the lowest level of ripd's own messages; nil means info.
	Level slog.Leveler
	// App is the app's name, a field of every JSON line.
	App string
}

// Journal is the three logs of one ripd on one sink.
type Journal struct {
	Sink    *Sink
	Access  *AccessLog
	Workers *WorkerLog
	Log     *slog.Logger
}

// Open returns the logs that o asks for. Close ends them.
func Open(o Options) *Journal {
	json := o.Mode == config.AccessJSON
	logger := LoggerOptions{
		Terminal: o.Look.Terminal, Color: o.Look.Color, Stamp: o.Look.Stamp,
		JSON: json, Level: o.Level, App: o.App,
	}
	sink := NewSink(SinkOptions{Out: o.Out, Report: logger})
	logger.Out = sink
	return &Journal{
		Sink: sink,
		Access: NewAccessLog(AccessOptions{
			Mode: o.Mode, Out: sink, App: o.App,
			Color: o.Look.Color, Stamp: o.Look.Stamp, Width: o.Look.Width,
		}),
		Workers: NewWorkerLog(WorkerOptions{
			JSON: json, Out: sink, App: o.App, Color: o.Look.Color, Stamp: o.Look.Stamp,
		}),
		Log: NewLogger(logger),
	}
}

// Dropped returns how many lines were lost since the start.
func (j *Journal) Dropped() uint64 { return j.Sink.Dropped() }

// Close writes what waits, for at most CloseTimeout, and ends the sink's
// goroutine. Lines that come later are counted as dropped.
func (j *Journal) Close() error { return j.Sink.Close() }
