package journal

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// MaxBuffered bounds the lines that wait for the writer, in bytes. As many
	// again may be on their way to the output.
	MaxBuffered = 1 << 20
	// reserved is the part of MaxBuffered, in bytes, that only ripd's own
	// messages may use, so that access lines do not crowd them out.
	reserved = 64 << 10
	// FlushEvery is how long lines gather before they are written. The first
	// line after a pause is written at once.
	FlushEvery = 50 * time.Millisecond
	// gatherFor is how long the first entry for systemd's journal waits for lines
	// that may belong to it.
	gatherFor = 5 * time.Millisecond
	// flushBytes is how much may gather before it is written early, in bytes.
	flushBytes = 64 << 10
	// CloseTimeout bounds Close: an output that takes nothing for so long
	// loses what waits.
	CloseTimeout = 2 * time.Second
)

// SinkOptions says what NewSink needs.
type SinkOptions struct {
	// Out takes the lines. Its Write is called from one goroutine, with many
	// lines at once, and may block for as long as it likes.
	Out io.Writer
	// Entries takes the lines in place of Out, when it is not nil: they are
	// entries of systemd's journal. The sink closes it.
	Entries *Sender
	// Report shapes the one message that the sink writes itself, about lines
	// that were dropped; its Out and Level are not used.
	Report LoggerOptions
}

// Sink is the one way out for all lines: a bounded buffer that a goroutine
// empties. It is an io.Writer for whole lines. Its methods may be called from
// several goroutines at once.
type Sink struct {
	out     io.Writer
	entries *Sender // in place of out
	app     string  // of entries
	report  *slog.Logger
	reports bytes.Buffer // what report has written; the goroutine's own
	torn    bool         // the output ends within a line; the goroutine's own

	wake    chan struct{} // holds one: the buffer is not empty any more
	full    chan struct{} // holds one: flushBytes have gathered
	closing chan struct{} // closed by Close
	done    chan struct{} // closed at the goroutine's end

	mu      sync.Mutex
	buf     []byte    // lines that wait
	lines   int       // their number
	spare   []byte    // the other buffer, while nobody writes it
	closed  bool      // nothing is taken any more
	dropped uint64    // lines lost since the start
	untold  uint64    // those of them that no message has told yet
	since   time.Time // when the first untold one was lost
}

// NewSink starts the goroutine that writes to o.Out. Close ends it.
func NewSink(o SinkOptions) *Sink {
	s := &Sink{
		out:     o.Out,
		entries: o.Entries,
		app:     o.Report.App,
		wake:    make(chan struct{}, 1),
		full:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		buf:     make([]byte, 0, 2*flushBytes),
		spare:   make([]byte, 0, 2*flushBytes),
	}
	o.Report.Out, o.Report.Level, o.Report.Entries = &s.reports, nil, s.entries != nil
	s.report = NewLogger(o.Report)
	go s.run()
	return s
}

// Write takes whole lines. It never blocks and never fails: what finds no
// place is counted. Lines given to Write may use the reserve.
func (s *Sink) Write(p []byte) (int, error) {
	if s.entries != nil {
		for line := range bytes.Lines(p) {
			s.entry(bytes.TrimRight(line, "\n"))
		}
		return len(p), nil
	}
	s.add(p, bytes.Count(p, newline), MaxBuffered)
	return len(p), nil
}

// entry takes a line that nobody has made an entry of.
func (s *Sink) entry(line []byte) {
	b := append(append(openEntry(nil, priorityInfo), identity(s.app)...), "RIP_LINE=message\n"...)
	text := len(b)
	s.add(closeEntry(append(b, line...), 0, text, 0), 1, MaxBuffered)
}

var newline = []byte("\n")

// put takes one access line or one line of a worker.
func (s *Sink) put(line []byte) { s.add(line, 1, MaxBuffered-reserved) }

// add is the only way into the buffer. It is on the way of every request.
func (s *Sink) add(text []byte, lines, limit int) {
	s.mu.Lock()
	before := len(s.buf)
	after := before + len(text)
	if s.closed || after > limit {
		s.lose(lines)
		s.mu.Unlock()
		return
	}
	s.buf = append(s.buf, text...)
	s.lines += lines
	s.mu.Unlock()
	if before == 0 {
		signal(s.wake)
	}
	if before < flushBytes && after >= flushBytes {
		signal(s.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// lose counts lines that nobody will read; the caller holds mu.
func (s *Sink) lose(lines int) {
	if s.untold == 0 {
		s.since = time.Now()
	}
	s.dropped += uint64(lines)
	s.untold += uint64(lines)
}

// Dropped returns how many lines were lost since the start.
func (s *Sink) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dropped
}

// run writes batches until the sink is closed and empty. Between two batches
// lines gather, so that many requests share one system call.
func (s *Sink) run() {
	defer close(s.done)
	pause := time.NewTimer(FlushEvery)
	defer pause.Stop()
	for {
		select {
		case <-s.wake:
		case <-s.closing:
		}
		if s.entries != nil {
			s.wait(pause, gatherFor)
		}
		if !s.flush() && s.ending() {
			return
		}
		s.wait(pause, FlushEvery)
	}
}

// wait lets lines gather.
func (s *Sink) wait(pause *time.Timer, d time.Duration) {
	pause.Reset(d)
	select {
	case <-pause.C:
	case <-s.full:
	case <-s.closing:
	}
}

func (s *Sink) ending() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// flush writes what waits, and then, when the output took it, how many lines
// were lost before. It reports whether there was anything to write.
func (s *Sink) flush() bool {
	s.mu.Lock()
	batch, lines, lost := s.buf, s.lines, s.untold
	s.buf, s.lines, s.spare = s.spare[:0], 0, nil
	s.mu.Unlock()

	told := s.write(batch, lines)
	if told && lost > 0 {
		told = s.tell(lost)
	}

	s.mu.Lock()
	s.spare = batch[:0]
	if told {
		s.untold -= lost
		s.since = time.Now() // of the next one, if some were lost meanwhile
	}
	s.mu.Unlock()
	return len(batch) > 0
}

// write writes one batch and counts the lines that the output did not take.
func (s *Sink) write(batch []byte, lines int) bool {
	if len(batch) == 0 {
		return true
	}
	if s.entries != nil {
		if lost := s.entries.send(batch); lost > 0 {
			return s.failed(lost)
		}
		return true
	}
	if s.torn {
		// The rest of a line is lost: its start must not run into the next.
		if _, err := s.out.Write(newline); err != nil {
			return s.failed(lines)
		}
		s.torn = false
	}
	n, err := s.out.Write(batch)
	if err == nil && n == len(batch) {
		return true
	}
	n = min(max(n, 0), len(batch))
	if n > 0 {
		s.torn = batch[n-1] != '\n'
	}
	return s.failed(lines - bytes.Count(batch[:n], newline))
}

func (s *Sink) failed(lines int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose(lines)
	return false
}

// tell writes the message about lost lines.
func (s *Sink) tell(lost uint64) bool {
	s.mu.Lock()
	since := s.since
	s.mu.Unlock()
	s.reports.Reset()
	s.report.Warn("log lines were dropped, the output did not take them",
		"dropped", lost, "within_ms", time.Since(since))
	if s.entries != nil {
		return s.entries.send(s.reports.Bytes()) == 0
	}
	_, err := s.out.Write(s.reports.Bytes())
	return err == nil
}

// Close writes what waits, for at most CloseTimeout, and ends the goroutine.
// It returns an error when lines were lost by that. A second Close waits as
// the first does.
func (s *Sink) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	if first {
		close(s.closing)
	}
	s.mu.Unlock()

	timeout := time.NewTimer(CloseTimeout)
	defer timeout.Stop()
	select {
	case <-s.done:
		return s.end()
	case <-timeout.C:
	}
	var deadlines any = s.out
	if s.entries != nil {
		deadlines = s.entries
	}
	if out, ok := deadlines.(interface{ SetWriteDeadline(time.Time) error }); ok {
		// A pipe or socket that has deadlines lets its writer go.
		if out.SetWriteDeadline(time.Now()) == nil {
			<-s.done
			_ = s.end()
		}
	}
	return fmt.Errorf("the log's output took nothing for %v: its last lines are lost", CloseTimeout)
}

// end closes what the sink owns, once nothing is written any more.
func (s *Sink) end() error {
	if s.entries == nil {
		return nil
	}
	return s.entries.Close()
}
