package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ripd/internal/pool"
)

func TestStart(t *testing.T) {
	w := newWorld(t, testConfig(3))
	if n := len(w.alive()); n != 3 {
		t.Fatalf("%d processes, want 3", n)
	}
	if w.hopeless {
		t.Error("hopeless while workers start")
	}
	w.makeReady(w.last(2))
	if w.total() != 1 || w.readies != 1 || w.settled != 0 {
		t.Errorf("serving %d, ready %d, settled %d; want 1, 1, 0", w.total(), w.readies, w.settled)
	}
	w.makeReady(w.last(1), w.last(3))
	if w.total() != 3 || w.readies != 1 || w.settled != 1 {
		t.Errorf("serving %d, ready %d, settled %d; want 3, 1, 1", w.total(), w.readies, w.settled)
	}
}

func TestRespawn(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	w.crash(w.last(1), "boom")
	w.advance(10 * time.Millisecond)
	if len(w.processes) != 2 {
		t.Fatalf("%d starts, want the first respawn at once", len(w.processes))
	}
	w.crash(w.last(1), "boom again")
	w.advance(500 * time.Millisecond)
	if len(w.processes) != 2 {
		t.Error("the second respawn did not wait")
	}
	if !w.hopeless || w.retryAfter <= 0 || w.retryAfter > time.Second {
		t.Errorf("hopeless %v, retry after %v; want true, up to 1 s", w.hopeless, w.retryAfter)
	}
	if sl := w.s.find(1); sl.crash.count != 2 || sl.crash.words[0] != "boom again" || sl.crash.exit != "exit status 1" {
		t.Errorf("crash is %+v", sl.crash)
	}
	w.advance(600 * time.Millisecond)
	if len(w.processes) != 3 || w.hopeless {
		t.Errorf("%d starts, hopeless %v; want 3, false", len(w.processes), w.hopeless)
	}
}

func TestCrashLoopIsPacedAndNeverGivenUp(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.onStart = func(p *fakeProcess) { p.over, p.exit = true, "exit status 1" }
	w.crash(w.last(1))
	w.advance(10 * time.Minute)
	if n := len(w.processes); n < 15 || n > 30 {
		t.Errorf("%d starts in 10 minutes, want 15 to 30", n)
	}
	w.onStart = nil
	w.advance(time.Minute)
	w.allReady()
	if w.total() != 1 {
		t.Error("it did not come back")
	}
	w.advance(2 * time.Minute)
	w.crash(w.last(1))
	if w.s.find(1).crash.count != 1 {
		t.Errorf("count is %d after a good minute, want 1", w.s.find(1).crash.count)
	}
}

func TestStartError(t *testing.T) {
	w := makeWorld(t, testConfig(2))
	w.startError = errors.New("program not found in PATH: puma")
	w.do(func() {})
	w.advance(time.Minute)
	if w.s.find(1).crash.exit != "program not found in PATH: puma" || w.settled != 1 {
		t.Errorf("crash is %+v, settled %d", w.s.find(1).crash, w.settled)
	}
	w.startError = nil
	w.advance(time.Minute)
	w.allReady()
	if w.total() != 2 {
		t.Errorf("%d serve, want 2", w.total())
	}
}

func TestStartTimeout(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.stubborn = func(*fakeProcess) bool { return true }
	first := w.last(1)
	first.words = []string{"waiting for the database"}
	w.advance(59 * time.Second)
	if first.over {
		t.Fatal("ended before its time")
	}
	w.advance(2 * time.Second)
	if !first.killed || len(w.processes) != 2 {
		t.Fatalf("killed %v, %d starts; want true, 2", first.killed, len(w.processes))
	}
	if c := w.s.find(1).crash; len(c.words) != 1 || c.words[0] != "waiting for the database" {
		t.Errorf("last words %q", c.words)
	}
}

func TestDroppedWorkerIsEndedAndReplaced(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	w.stubborn = func(*fakeProcess) bool { return true }
	p := w.last(1)
	w.seat(p).drop(pool.CauseTimeout, "GET /slow: nothing for 30s")
	w.pump()
	w.advance(10 * time.Millisecond)
	if p.asked != 1 || p.killed {
		t.Fatalf("asked %d times, killed %v; want to be asked once", p.asked, p.killed)
	}
	next := w.last(1)
	if next == p {
		t.Fatal("no successor")
	}
	w.makeReady(next)
	if w.total() != 2 {
		t.Errorf("%d serve, want 2", w.total())
	}
	w.advance(failStop)
	if !p.killed {
		t.Error("the failed process was not killed")
	}
	if w.respawned[0] != "read-timeout" {
		t.Errorf("respawned for %q", w.respawned)
	}
}

func TestCrashAndDropAreOneLoss(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	p := w.last(1)
	w.seat(p).drop(pool.CauseRead, "GET /: EOF")
	p.ends("signal: segmentation fault", "core dumped")
	w.pump()
	w.advance(10 * time.Millisecond)
	if len(w.respawned) != 1 || w.s.find(1).crash.count != 1 || len(w.processes) != 2 {
		t.Errorf("respawned %v, count %d, %d starts; want one loss", w.respawned, w.s.find(1).crash.count, len(w.processes))
	}
}

// A worker that the kernel has ended for want of memory is lost for that reason,
// whichever sign of its end comes first.
func TestOutOfMemory(t *testing.T) {
	const why = "out of memory (max_memory_hard 64MB)"
	for name, end := range map[string]func(w *world, p *fakeProcess){
		"with a request": func(w *world, p *fakeProcess) {
			w.seat(p).drop(pool.CauseRead, "GET /big (request 7): EOF")
			p.ends("killed by SIGKILL (out of memory)")
		},
		"idle": func(_ *world, p *fakeProcess) { p.ends("killed by SIGKILL (out of memory)") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, testConfig(2))
			w.allReady()
			p := w.last(1)
			p.shortage = why
			end(w, p)
			w.pump()
			w.advance(10 * time.Millisecond)
			if !slices.Equal(w.respawned, []string{"out-of-memory"}) {
				t.Errorf("respawned for %q", w.respawned)
			}
			reason := w.s.find(1).crash.exit
			if !strings.HasPrefix(reason, why) || strings.Contains(reason, "GET /big (request 7)") != (name == "with a request") {
				t.Errorf("reason %q", reason)
			}
			w.makeReady(w.last(1))
			if w.total() != 2 {
				t.Errorf("%d serve, want 2", w.total())
			}
		})
	}
}

func TestKilledProcessThatStaysIsWrittenOff(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	p := w.last(1)
	exited := p.exited
	p.exited = func() {} // it hangs in the kernel
	w.stubborn = func(*fakeProcess) bool { return true }
	w.seat(p).drop(pool.CauseTimeout, "")
	w.pump()
	w.advance(failStop + killWait + time.Second)
	if n := len(w.s.find(1).leaving); n != 0 {
		t.Errorf("%d leave still", n)
	}
	exited()
	w.pump()
}

func TestStop(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.makeReady(w.last(1), w.last(2))
	stubborn := w.last(1)
	w.stubborn = func(p *fakeProcess) bool { return p == stubborn }
	w.do(w.s.beginStop)
	if w.s.finished() {
		t.Fatal("finished before the stubborn one has ended")
	}
	if n := len(w.alive()); n != 1 {
		t.Errorf("%d run, want 1", n)
	}
	w.advance(30 * time.Second)
	if !w.s.finished() || w.s.killed != 1 {
		t.Errorf("finished %v, killed %d; want true, 1", w.s.finished(), w.s.killed)
	}
	if len(w.processes) != 3 {
		t.Errorf("%d starts, want 3", len(w.processes))
	}
}
