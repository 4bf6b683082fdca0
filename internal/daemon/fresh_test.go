package daemon

import (
	"errors"
	"testing"
	"time"

	"ripd/internal/api"
)

func TestChangedFile(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.allReady()
	w.seat(w.last(1)).inFlight = 1
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	if w.required != 2 || w.hopeless {
		t.Fatalf("required %d, hopeless %v; want 2, false", w.required, w.hopeless)
	}
	if len(w.alive()) != 4 {
		t.Errorf("%d alive, want one of the new generation", len(w.alive()))
	}
	w.makeReady(w.last(1))
	w.advance(10 * time.Millisecond)
	w.allReady()
	if w.serving()[2] != 3 || w.s.roll != nil {
		t.Errorf("serving %v", w.serving())
	}
}

func TestChangedFileIsBroken(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	w.crash(w.last(1), "SyntaxError")
	w.advance(saveMost) // half of a save looks like this too: once more
	if w.s.trouble() != nil || w.hopeless {
		t.Fatalf("trouble %+v, hopeless %v before the second try", w.s.trouble(), w.hopeless)
	}
	w.crash(w.last(1), "SyntaxError")
	if f := w.s.trouble(); f == nil || f.words[0] != "SyntaxError" || !w.hopeless {
		t.Fatalf("trouble %+v, hopeless %v", f, w.hopeless)
	}
	w.crash(w.last(2))
	starts := len(w.processes)
	w.advance(time.Minute)
	if len(w.processes) != starts {
		t.Error("workers of a generation that gets no requests are started")
	}
	w.do(func() {
		w.s.changed("/srv/shop/app.rb")
		if w.hopeless {
			t.Error("the request that has seen the change would be refused")
		}
	})
	if w.s.trouble() != nil || w.hopeless || w.required != 3 {
		t.Errorf("trouble %+v, hopeless %v, required %d", w.s.trouble(), w.hopeless, w.required)
	}
	for range 3 {
		w.allReady()
		w.advance(10 * time.Millisecond)
	}
	if w.serving()[3] != 2 || w.s.trouble() != nil {
		t.Errorf("serving %v, trouble %+v", w.serving(), w.s.trouble())
	}
}

func TestChangedFileDuringARoll(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	watch, queued := w.roll(api.KindRestart), w.roll(api.KindReload)
	stale := w.last(1)
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	if !stale.over {
		t.Error("the process that started before the change goes on")
	}
	w.noVerdict(watch)
	for range 4 {
		w.allReady()
		w.advance(10 * time.Millisecond)
	}
	if a, b := w.verdict(watch), w.verdict(queued); !a.OK || !b.OK || a.Generation != 3 || w.serving()[3] != 2 {
		t.Errorf("verdicts %+v, %+v, serving %v", a, b, w.serving())
	}
}

func TestChangedFileOfACrashLoop(t *testing.T) {
	w := newWorld(t, testConfig(2))
	for range 3 {
		for _, p := range w.alive() {
			w.crash(p, "broken")
		}
		w.advance(1100 * time.Millisecond)
	}
	for _, p := range w.alive() {
		w.crash(p, "broken")
	}
	if f := w.s.trouble(); f == nil || f.words[0] != "broken" {
		t.Fatalf("trouble %+v", f)
	}
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	if len(w.alive()) != 1 {
		t.Errorf("%d alive, want the proof alone", len(w.alive()))
	}
	for range 3 {
		w.allReady()
		w.advance(10 * time.Millisecond)
	}
	if w.serving()[2] != 2 {
		t.Errorf("serving %v", w.serving())
	}
}

// A file that is away for a moment while it is saved is no trouble.
func TestChangedFileIsHalfSaved(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	w.prepareErr = errors.New("no such file")
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	if w.s.trouble() != nil || w.hopeless {
		t.Fatalf("trouble %+v, hopeless %v", w.s.trouble(), w.hopeless)
	}
	w.prepareErr = nil
	w.advance(saveMost)
	w.crash(w.last(1), "an empty file") // the one other try was the preparing
	if f := w.s.trouble(); f == nil {
		t.Fatal("no trouble")
	}
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	w.crash(w.last(1), "an empty file")
	w.advance(saveMost)
	for range 3 {
		w.allReady()
		w.advance(10 * time.Millisecond)
	}
	if w.serving()[3] != 2 || w.s.trouble() != nil {
		t.Errorf("serving %v, trouble %+v", w.serving(), w.s.trouble())
	}
}

func TestChangedFileStaysAway(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	w.prepareErr = errors.New("no such file")
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	w.advance(saveMost)
	if f := w.s.trouble(); f == nil || f.reason != "no such file" || w.prepared != 2 {
		t.Errorf("trouble %+v after %d tries", f, w.prepared)
	}
}

// A request that hangs holds back neither this change nor the next.
func TestChangedFileWhileARequestHangs(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	hanging := w.last(1)
	w.seat(hanging).inFlight = 1
	for generation := 2; generation <= 3; generation++ {
		w.do(func() { w.s.changed("/srv/shop/app.rb") })
		w.makeReady(w.last(1))
		w.advance(10 * time.Millisecond)
		if w.serving()[generation] != 1 || hanging.over {
			t.Errorf("serving %v, the old process is gone: %v", w.serving(), hanging.over)
		}
	}
	w.advance(time.Minute)
	if !hanging.over {
		t.Error("the old process was not killed in the end")
	}
}

// What changes while the first process starts is in force before it serves.
func TestChangedFileDuringTheStart(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	again := true
	w.s.newest = func() (string, bool) { return "/srv/shop/lib.rb", again }
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	half := w.last(1)
	w.makeReady(half)
	if !half.over || w.required != 3 || w.serving()[2] != 0 {
		t.Fatalf("over %v, required %d, serving %v", half.over, w.required, w.serving())
	}
	again = false
	w.makeReady(w.last(1))
	if w.serving()[3] != 1 {
		t.Errorf("serving %v", w.serving())
	}
}
