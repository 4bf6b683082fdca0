package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

func quiet(out io.Writer) SinkOptions {
	return SinkOptions{Out: out, Report: LoggerOptions{Terminal: true, Stamp: None}}
}

// gate is an output that takes nothing until it is opened.
type gate struct {
	output
	open    chan struct{}
	entered chan struct{} // receives when a Write begins
}

func newGate() *gate { return &gate{open: make(chan struct{}), entered: make(chan struct{}, 1000)} }

func (g *gate) Write(p []byte) (int, error) {
	g.entered <- struct{}{}
	<-g.open
	return g.output.Write(p)
}

func TestSinkWritesTheFirstLineAtOnceAndThenGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		s := NewSink(quiet(&out))
		s.put([]byte("one\n"))
		synctest.Wait()
		if got := out.String(); got != "one\n" {
			t.Fatalf("at once: %q", got)
		}
		s.put([]byte("two\n"))
		s.put([]byte("three\n"))
		time.Sleep(FlushEvery - time.Millisecond) // the bubble's clock
		synctest.Wait()
		if got := out.String(); got != "one\n" {
			t.Fatalf("within the pause: %q", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := out.String(); got != "one\ntwo\nthree\n" {
			t.Fatalf("after it: %q", got)
		}
		big := append(bytes.Repeat([]byte("x"), flushBytes), '\n')
		s.put(big)
		synctest.Wait()
		if got := len(out.String()); got != 14+len(big) {
			t.Fatalf("much at once waits: %d bytes were written", got)
		}
		s.put([]byte("last\n"))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), "x\nlast\n") {
			t.Error("Close did not write what waited")
		}
	})
}

// Each goroutine's lines keep their order, and none is torn or lost.
func TestSinkKeepsOrder(t *testing.T) {
	var out output
	s := NewSink(quiet(&out))
	const writers, lines = 8, 2000
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range lines {
				line := fmt.Appendf(nil, "%d %d\n", w, i)
				if w%2 == 0 {
					s.put(line)
				} else {
					_, _ = s.Write(line)
				}
			}
		})
	}
	group.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	next := [writers]int{}
	for line := range strings.Lines(out.String()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil || i != next[w] {
			t.Fatalf("line %q, expected number %d", line, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines", w, n)
		}
	}
	if s.Dropped() != 0 {
		t.Errorf("%d dropped", s.Dropped())
	}
}

// An output that takes nothing costs lines, never time; ripd's own messages
// still find a place, and one message tells the loss where it happened.
func TestSinkDropsWhenTheOutputStalls(t *testing.T) {
	out := newGate()
	s := NewSink(quiet(out))
	s.put([]byte("first\n"))
	testkit.Receive(t, testkit.Timeout, out.entered)
	line := append(bytes.Repeat([]byte("a"), 999), '\n')
	const fit = (MaxBuffered - reserved) / 1000
	for range fit + 500 {
		s.put(line)
	}
	if got := s.Dropped(); got != 500 {
		t.Errorf("%d dropped, not 500", got)
	}
	if _, err := s.Write([]byte("important\n")); err != nil {
		t.Error(err)
	}
	if got := s.Dropped(); got != 500 {
		t.Error("the reserve was not kept for ripd's own messages")
	}
	close(out.open)
	testkit.Eventually(t, testkit.Timeout, func() bool { return strings.Contains(out.String(), "dropped=500 within_ms=") })
	s.put([]byte("last\n"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Count(text, "dropped") != 2 { // the message and its attribute
		t.Errorf("told more than once: %s", text[len(text)-300:])
	}
	if !strings.HasPrefix(text, "first\n") || !strings.HasSuffix(text, "\nlast\n") || strings.Count(text, string(line)) != fit {
		t.Errorf("lines were lost that had a place")
	}
	if i := strings.Index(text, "important\n"); i < 0 || i > strings.Index(text, "dropped=500") {
		t.Error("the message does not come before the report")
	}
}

// The same with a real pipe that nobody reads.
func TestSinkNeverBlocksOnAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := NewAccessLog(AccessOptions{Mode: config.AccessJSON, Out: w, App: "shop"})
	logged := uint64(0)
	for ; l.Dropped() == 0; logged++ {
		l.Log(sample())
	}
	var read bytes.Buffer
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(&read, r)
		done <- err
	}()
	dropped := l.Dropped()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	if err := testkit.Receive(t, testkit.Timeout, done); err != nil {
		t.Error(err)
	}
	_ = r.Close()
	requests, told := uint64(0), uint64(0)
	for line := range strings.Lines(read.String()) {
		var o struct {
			Msg     string
			Level   string
			Dropped uint64
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		switch {
		case o.Msg == MsgRequest:
			requests++
		case o.Level == "WARN":
			told += o.Dropped
		}
	}
	if requests+dropped != logged || told != dropped {
		t.Errorf("%d logged, %d read, %d dropped, %d told", logged, requests, dropped, told)
	}
}

func TestSinkCloseHasABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newGate()
		s := NewSink(quiet(out))
		s.put([]byte("line\n"))
		start := time.Now()
		if err := s.Close(); err == nil {
			t.Error("no error")
		}
		if took := time.Since(start); took != CloseTimeout {
			t.Errorf("it took %v", took)
		}
		s.put([]byte("late\n"))
		if s.Dropped() != 1 {
			t.Error("a line after Close is not counted")
		}
		close(out.open)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An output with deadlines, as a pipe of Go's own, lets its writer go.
func TestSinkCloseEndsAStalledPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(); _ = w.Close() }()
	s := NewSink(quiet(w))
	s.put(append(bytes.Repeat([]byte("x"), 1<<17), '\n'))
	if err := s.Close(); err == nil {
		t.Error("no error")
	}
	testkit.Closed(t, testkit.Timeout, s.done)
}

// faulty fails as often as told, after it took a part.
type faulty struct {
	output
	faults []int // bytes taken before each failure
}

func (f *faulty) Write(p []byte) (int, error) {
	if len(f.faults) == 0 {
		return f.output.Write(p)
	}
	n := min(f.faults[0], len(p))
	f.faults = f.faults[1:]
	_, _ = f.output.Write(p[:n])
	return n, errors.New("no space left on device")
}

// After a failed write no line runs into the rest of another.
func TestSinkSurvivesFailedWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &faulty{faults: []int{5, 0}}
		s := NewSink(quiet(out))
		for _, text := range []string{"one\ntwo\nthree\n", "four\n", "five\n"} {
			_, _ = s.Write([]byte(text))
			time.Sleep(FlushEvery) // the bubble's clock
			synctest.Wait()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		want := "one\nt\nfive\nWRN log lines were dropped, the output did not take them dropped=3 within_ms=100\n"
		if got := out.String(); got != want {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
		if s.Dropped() != 3 {
			t.Errorf("%d dropped", s.Dropped())
		}
	})
}
