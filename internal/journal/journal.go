// Package journal is where ripd's lines go: one access line for each request,
// the workers' own output, and ripd's messages. All of them pass through one
// Sink, which keeps their order, has a bound, and never makes a caller wait.
package journal

import (
	"errors"
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
	// Choice chooses the access lines; nil takes all of them.
	Choice *Choice
	// File takes the access lines, all of them, in place of Out. The journal
	// closes it.
	File *File
	// Entries is systemd's own journal, which takes entries in place of the lines for
	// Out; nil where that is not the journal. The journal closes it.
	Entries *Sender
}

// Journal is the three logs of one ripd on one sink.
type Journal struct {
	Sink    *Sink
	Access  *AccessLog
	Workers *WorkerLog
	Log     *slog.Logger

	file *File
}

// Open returns the logs that o asks for. Close ends them.
func Open(o Options) *Journal {
	json := o.Mode == config.AccessJSON
	logger := LoggerOptions{
		Terminal: o.Look.Terminal, Color: o.Look.Color, Stamp: o.Look.Stamp,
		JSON: json, Level: o.Level, App: o.App, Entries: o.Entries != nil,
	}
	sink := NewSink(SinkOptions{Out: o.Out, Entries: o.Entries, Report: logger})
	logger.Out = sink
	access := AccessOptions{
		Mode: o.Mode, Out: sink, App: o.App, Choice: o.Choice,
		Color: o.Look.Color, Stamp: o.Look.Stamp, Width: o.Look.Width,
	}
	if o.File != nil {
		access = AccessOptions{Mode: o.Mode, Out: o.File, App: o.App, Stamp: Date}
	}
	return &Journal{
		Sink: sink, file: o.File,
		Access: NewAccessLog(access),
		Workers: NewWorkerLog(WorkerOptions{
			JSON: json, Out: sink, App: o.App, Color: o.Look.Color, Stamp: o.Look.Stamp,
		}),
		Log: NewLogger(logger),
	}
}

// Dropped returns how many lines were lost since the start.
func (j *Journal) Dropped() uint64 {
	dropped := j.Sink.Dropped()
	if j.file != nil {
		dropped += j.Access.Dropped()
	}
	return dropped
}

// Reopen opens the access log's file under its name. It does nothing when there
// is none.
func (j *Journal) Reopen() error {
	if j.file == nil {
		return nil
	}
	return j.file.Reopen()
}

// Close writes what waits, for at most CloseTimeout for each output, and ends the
// goroutines. Lines that come later are counted as dropped.
func (j *Journal) Close() error {
	err := j.Sink.Close()
	if j.file == nil {
		return err
	}
	if failed := j.Access.Close(); failed != nil {
		return errors.Join(err, failed) // its goroutine may still write to the file
	}
	return errors.Join(err, j.file.Close())
}
