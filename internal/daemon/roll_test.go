package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
)

func TestRollSlotBySlot(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.allReady()
	watch := w.roll(api.KindRestart)
	if n := len(w.alive()); n != 4 {
		t.Fatalf("%d processes, want the old ones and one new", n)
	}
	w.seat(w.processes[0]).inFlight = 1
	w.advance(840 * time.Millisecond)
	first := w.last(1)
	w.makeReady(first)
	want := "worker 1: ready in 840 ms, draining the old one (1 in flight)"
	if got := messages(watch); got[len(got)-1] != want {
		t.Errorf("the step says %q, want %q", got[len(got)-1], want)
	}
	if len(w.alive()) != 4 {
		t.Errorf("%d processes while the old one drains, want 4: memory is bounded", len(w.alive()))
	}
	w.seat(w.processes[0]).finish()
	w.pump()
	if !w.processes[0].over || w.last(2).l.Generation != 2 {
		t.Fatal("the roll did not go on to worker 2")
	}
	w.makeReady(w.last(2))
	w.makeReady(w.last(3))
	v := w.verdict(watch)
	if !v.OK || v.Verdict != api.VerdictDone || v.Generation != 2 {
		t.Errorf("verdict %+v", v)
	}
	if w.total() != 3 || w.serving()[2] != 3 || len(w.alive()) != 3 {
		t.Errorf("serving %v, %d alive", w.serving(), len(w.alive()))
	}
}

func TestRollThatDoesNotStart(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	watch := w.roll(api.KindRestart)
	w.crash(w.last(1), "SyntaxError: unexpected end", "app.rb:12")
	v := w.verdict(watch)
	if v.OK || v.Verdict != api.VerdictRolledBack || len(v.Output) != 2 || v.Generation != 1 || !strings.Contains(v.Reason, "exit status 1") {
		t.Errorf("verdict %+v", v)
	}
	if w.serving()[1] != 2 || len(w.alive()) != 2 {
		t.Errorf("serving %v, alive %d; want the old ones", w.serving(), len(w.alive()))
	}
	w.crash(w.last(2))
	w.advance(10 * time.Millisecond)
	if g := w.last(2).l.Generation; g != 1 {
		t.Errorf("a respawn after a roll back is of generation %d, want 1", g)
	}
}

func TestRollStartTimeout(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	watch := w.roll(api.KindRestart)
	w.last(1).words = []string{"migrating"}
	w.advance(61 * time.Second)
	v := w.verdict(watch)
	if v.Verdict != api.VerdictRolledBack || v.Output[0] != "migrating" || !strings.Contains(v.Reason, "start_timeout") {
		t.Errorf("verdict %+v", v)
	}
	if !w.last(1).killed || w.total() != 1 {
		t.Error("the new worker was not killed, or the old one does not serve")
	}
}

func TestRollPrepareFails(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	w.prepareErr = errors.New("/srv/shop/ripd.toml:3: unknown key")
	v := w.verdict(w.roll(api.KindReload))
	if v.Verdict != api.VerdictFailed || v.Reason != "/srv/shop/ripd.toml:3: unknown key" || len(w.processes) != 1 {
		t.Errorf("verdict %+v, %d starts", v, len(w.processes))
	}
}

func TestRollStuckWorker(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	old := w.processes[0]
	w.seat(old).inFlight = 1
	watch := w.roll(api.KindRestart)
	w.makeReady(w.last(1))
	w.advance(29 * time.Second)
	if w.last(2).l.Generation != 1 {
		t.Fatal("the roll did not wait for the old worker")
	}
	w.advance(2 * time.Second)
	if !old.killed || w.last(2).l.Generation != 2 {
		t.Fatalf("killed %v, worker 2 of generation %d; want true, 2", old.killed, w.last(2).l.Generation)
	}
	w.makeReady(w.last(2))
	if v := w.verdict(watch); !v.OK {
		t.Errorf("verdict %+v", v)
	}
}

func TestRollSurge(t *testing.T) {
	c := testConfig(5)
	c.Workers.Surge = 2
	w := newWorld(t, c)
	w.allReady()
	w.roll(api.KindRestart)
	if len(w.alive()) != 6 {
		t.Fatalf("%d alive, want one new worker before the first is ready", len(w.alive()))
	}
	w.makeReady(w.last(1))
	if len(w.alive()) != 7 {
		t.Errorf("%d alive, want two starting", len(w.alive()))
	}
}

// replaceFirst rolls until worker 1 of 3 is replaced and worker 2 starts.
func replaceFirst(t *testing.T, w *world) *watcher {
	t.Helper()
	w.allReady()
	watch := w.roll(api.KindRestart)
	w.makeReady(w.last(1))
	if w.last(2).l.Generation != 2 {
		t.Fatal("worker 2 is not started")
	}
	return watch
}

func TestRollFailsInTheMiddleInPlace(t *testing.T) {
	w := newWorld(t, testConfig(3))
	watch := replaceFirst(t, w)
	for range rollRetries + 1 {
		w.crash(w.last(2), "no memory")
		w.advance(2 * rollRetryWait)
	}
	v := w.verdict(watch)
	if v.Verdict != api.VerdictRolledBack || !strings.Contains(v.Reason, "in place, so worker 1 keeps the new generation") || v.Output[0] != "no memory" {
		t.Errorf("verdict %+v", v)
	}
	if s := w.serving(); s[1] != 2 || s[2] != 1 {
		t.Errorf("serving %v, want two old and one new", s)
	}
}

func TestRollFailsInTheMiddleWithAnOldRelease(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.nextDir = "/srv/releases/43"
	watch := replaceFirst(t, w)
	for range rollRetries {
		w.crash(w.last(2), "no memory")
		w.advance(2 * rollRetryWait)
	}
	w.crash(w.last(2), "no memory")
	w.noVerdict(watch)
	back := w.last(1)
	if back.l.Generation != 1 || back.l.Release.dir != "/srv/shop" {
		t.Fatalf("worker 1 goes back to generation %d in %s", back.l.Generation, back.l.Release.dir)
	}
	w.makeReady(back)
	v := w.verdict(watch)
	if v.Verdict != api.VerdictRolledBack || w.serving()[1] != 3 || len(w.alive()) != 3 {
		t.Errorf("verdict %+v, serving %v", v, w.serving())
	}
	if len(w.commits) != 2 || w.commits[1].dir != "/srv/shop" {
		t.Errorf("commits %v", w.commits)
	}
}

func TestRollGoingBackFailsToo(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.nextDir = "/srv/releases/43"
	watch := replaceFirst(t, w)
	for range 2 * (rollRetries + 1) {
		for _, p := range w.alive() {
			if w.seat(p).state == 0 { // starting
				w.crash(p, "no memory")
			}
		}
		w.advance(2 * rollRetryWait)
	}
	v := w.verdict(watch)
	if v.Verdict != api.VerdictFailed || w.total() != 3 {
		t.Errorf("verdict %+v, %d serve", v, w.total())
	}
}

func TestRollRetriesInTheMiddle(t *testing.T) {
	w := newWorld(t, testConfig(2))
	watch := replaceFirst(t, w)
	w.crash(w.last(2), "port in use")
	w.advance(2 * rollRetryWait)
	w.makeReady(w.last(2))
	if v := w.verdict(watch); !v.OK {
		t.Errorf("verdict %+v", v)
	}
}

func TestRollNewCodeDiesWhileServing(t *testing.T) {
	w := newWorld(t, testConfig(4))
	w.nextDir = "/srv/releases/43"
	watch := replaceFirst(t, w)
	for range rollRetries + 1 {
		w.crash(w.last(1), "nil is not a cart")
		w.advance(3 * time.Second)
		w.makeReady(w.last(1))
	}
	for range 4 {
		w.allReady()
		w.advance(time.Second)
	}
	v := w.verdict(watch)
	if v.Verdict != api.VerdictRolledBack || w.serving()[1] != 4 {
		t.Errorf("verdict %+v, serving %v", v, w.serving())
	}
}

func TestRespawnDuringARoll(t *testing.T) {
	w := newWorld(t, testConfig(4))
	w.nextDir = "/srv/releases/43"
	watch := replaceFirst(t, w)
	w.crash(w.last(4))
	w.advance(10 * time.Millisecond)
	if p := w.last(4); p.l.Generation != 2 || p.l.Release.dir != "/srv/releases/43" {
		t.Errorf("the respawn is of generation %d in %s", p.l.Generation, p.l.Release.dir)
	}
	for range 4 {
		w.allReady()
	}
	if v := w.verdict(watch); !v.OK || w.serving()[2] != 4 {
		t.Errorf("verdict %+v, serving %v", v, w.serving())
	}
	w.crash(w.last(3))
	w.advance(10 * time.Millisecond)
	if p := w.last(3); p.l.Generation != 2 || p.l.Release.dir != "/srv/releases/43" {
		t.Errorf("the respawn after the roll is of generation %d in %s", p.l.Generation, p.l.Release.dir)
	}
}

func TestRollOfACrashLoop(t *testing.T) {
	w := newWorld(t, testConfig(2))
	for range 4 {
		for _, p := range w.alive() {
			w.crash(p, "broken")
		}
		w.advance(9 * time.Second)
	}
	for _, p := range w.alive() {
		w.crash(p, "broken")
	}
	watch := w.roll(api.KindRestart)
	w.makeReady(w.last(1))
	w.advance(10 * time.Millisecond)
	w.makeReady(w.last(2))
	if v := w.verdict(watch); !v.OK || w.serving()[2] != 2 {
		t.Errorf("verdict %+v, serving %v", v, w.serving())
	}
}

func TestSecondRestartQueues(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	first := w.roll(api.KindRestart)
	second, third := w.roll(api.KindRestart), w.roll(api.KindRestart)
	if len(w.s.waiting) != 1 {
		t.Fatalf("%d rolls wait, want 1", len(w.s.waiting))
	}
	w.makeReady(w.last(1))
	if v := w.verdict(first); !v.OK || v.Generation != 2 {
		t.Errorf("first verdict %+v", v)
	}
	w.noVerdict(second)
	w.crash(w.last(1), "bad")
	for i, watch := range []*watcher{second, third} {
		if v := w.verdict(watch); v.Verdict != api.VerdictRolledBack || v.Generation != 2 {
			t.Errorf("verdict %d: %+v", i+2, v)
		}
	}
	if w.s.roll != nil || w.total() != 1 {
		t.Error("something goes on")
	}
}

func TestSecondRestartJoinsWhatHasNotBegun(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	var held []func()
	w.s.aside = func(f func()) { held = append(held, f) }
	first, second := w.roll(api.KindRestart), w.roll(api.KindRestart)
	if len(w.s.waiting) != 0 || len(held) != 1 {
		t.Fatalf("%d wait, %d preparations", len(w.s.waiting), len(held))
	}
	w.s.aside = func(f func()) { f() }
	held[0]()
	w.pump()
	if w.prepared != 2 {
		t.Errorf("prepared %d times, want again for the one that joined", w.prepared)
	}
	w.makeReady(w.last(1))
	if a, b := w.verdict(first), w.verdict(second); a.Generation != 2 || b.Generation != 2 {
		t.Errorf("verdicts %+v, %+v", a, b)
	}
}

func TestRollOfAllDrained(t *testing.T) {
	w := newWorld(t, testConfig(2))
	w.allReady()
	w.do(func() { _ = w.s.drain(0, false) })
	watch := w.roll(api.KindRestart)
	w.makeReady(w.last(1))
	w.makeReady(w.last(2))
	if v := w.verdict(watch); !v.OK || w.total() != 0 {
		t.Fatalf("verdict %+v, %d serve", v, w.total())
	}
	w.do(func() { _ = w.s.resume(0) })
	if w.serving()[2] != 2 {
		t.Errorf("serving %v after resume", w.serving())
	}
}

func TestStopDuringARoll(t *testing.T) {
	w := newWorld(t, testConfig(2))
	watch := replaceFirst(t, w)
	queued := w.roll(api.KindRestart)
	w.do(w.s.beginStop)
	for _, x := range []*watcher{watch, queued} {
		if v := w.verdict(x); v.OK || v.Reason != "ripd is stopping" {
			t.Errorf("verdict %+v", v)
		}
	}
	if !w.s.finished() {
		t.Error("not finished")
	}
	if v := w.verdict(w.roll(api.KindRestart)); v.OK {
		t.Error("a roll begins after stop")
	}
}

func TestReloadChangesTheNumber(t *testing.T) {
	for _, n := range []int{1, 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, testConfig(3))
			w.allReady()
			w.nextConfig = testConfig(n)
			watch := w.roll(api.KindReload)
			for range 8 {
				w.allReady()
				w.advance(10 * time.Millisecond)
			}
			if v := w.verdict(watch); !v.OK || w.serving()[2] != n || len(w.alive()) != n {
				t.Errorf("verdict %+v, serving %v", v, w.serving())
			}
		})
	}
}

func TestRollWithASlotThatIsReadyBeforeItsTurn(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	old := w.last(1)
	w.seat(old).inFlight = 1
	w.nextConfig = testConfig(2)
	watch := w.roll(api.KindReload)
	w.makeReady(w.last(1))
	w.makeReady(w.last(2))
	w.noVerdict(watch)
	w.seat(old).finish()
	w.pump()
	if v := w.verdict(watch); !v.OK {
		t.Errorf("verdict %+v", v)
	}
}

// In the reload mode process an old worker that may not answer is not kept.
func TestRollFailsInTheMiddleWhileOldCodeIsBarred(t *testing.T) {
	w := newWorld(t, testConfig(3))
	w.allReady()
	w.do(func() { w.s.changed("/srv/shop/app.rb") })
	w.crash(w.last(1), "broken")
	w.advance(saveMost)
	w.crash(w.last(1), "broken")
	watch := w.roll(api.KindRestart)
	w.makeReady(w.last(1))
	for range rollRetries + 1 {
		w.crash(w.last(2), "no memory")
		w.advance(2 * rollRetryWait)
	}
	if v := w.verdict(watch); v.Verdict != api.VerdictFailed {
		t.Errorf("verdict %+v", v)
	}
	for range 8 {
		w.allReady()
		w.advance(5 * time.Second)
	}
	if w.serving()[3] != 3 || w.total() != 3 {
		t.Errorf("serving %v", w.serving())
	}
}
