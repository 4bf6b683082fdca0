package daemon

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/pool"
)

// TestHistories drives the supervisor through random histories. world.check holds
// the invariants after each turn; at the end every process has to be over, every
// caller has to have a verdict, and time alone has to have brought the workers up.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := testConfig(rapid.IntRange(1, 5).Draw(rt, "workers"))
		c.Workers.Surge = rapid.IntRange(1, 3).Draw(rt, "surge")
		c.Workers.MaxAge = time.Duration(rapid.IntRange(0, 3).Draw(rt, "max age")) * time.Minute
		w := makeWorld(rt, c)
		slow := rapid.IntRange(0, 3).Draw(rt, "stubborn, of 4")
		w.stubborn = func(p *fakeProcess) bool { return p.pid%4 < slow }
		w.do(func() {})
		h := &history{w: w, dirs: 1}
		n := rapid.IntRange(1, 60).Draw(rt, "events")
		for range n {
			h.event(rt)
		}
		h.recover(rt)
		h.stop(rt)
	})
}

type history struct {
	w        *world
	watchers []*watcher
	dirs     int
}

// pick draws one of the running processes, or nil.
func (h *history) pick(rt *rapid.T) *fakeProcess {
	alive := h.w.alive()
	if len(alive) == 0 {
		return nil
	}
	return rapid.SampledFrom(alive).Draw(rt, "process")
}

var historyEvents = []string{
	"ready", "ready", "ready", "all ready", "exit", "drop", "busy", "finish", "exhausted", "deregister",
	"advance", "advance", "restart", "new release", "new count", "prepare fails", "start fails", "changed", "scale", "drain", "resume",
}

func (h *history) event(rt *rapid.T) {
	w := h.w
	switch e := rapid.SampledFrom(historyEvents).Draw(rt, "event"); e {
	case "advance":
		w.advance(time.Duration(rapid.SampledFrom([]int{1, 500, 3000, 20000, 61000}).Draw(rt, "ms")) * time.Millisecond)
	case "all ready":
		w.allReady()
	case "restart", "new release":
		if e == "new release" {
			h.dirs++
			w.nextDir = fmt.Sprint("/srv/releases/", h.dirs)
		}
		h.watchers = append(h.watchers, w.roll(rapid.SampledFrom([]string{api.KindRestart, api.KindReload}).Draw(rt, "kind")))
	case "new count":
		c := *w.s.release.config
		c.Workers.Count = rapid.IntRange(1, 6).Draw(rt, "count")
		w.nextConfig = &c
		h.watchers = append(h.watchers, w.roll(api.KindReload))
	case "prepare fails":
		w.prepareErr = errors.New("bad file")
		h.watchers = append(h.watchers, w.roll(api.KindRestart))
		w.prepareErr = nil
	case "start fails":
		w.startError = errors.New("no such program")
		w.advance(time.Second)
		w.startError = nil
	case "changed":
		w.do(func() { w.s.changed("/srv/shop/app.rb") })
	case "scale":
		w.do(func() {
			watch, _, err := w.s.requestScale(fmt.Sprint(rapid.IntRange(1, 6).Draw(rt, "to")))
			if err != nil {
				rt.Fatal(err)
			}
			h.watchers = append(h.watchers, watch)
		})
	case "drain":
		w.do(func() { _ = w.s.drain(rapid.IntRange(0, 6).Draw(rt, "id"), false) })
	case "resume":
		w.do(func() { _ = w.s.resume(rapid.IntRange(0, 6).Draw(rt, "id")) })
	default:
		if p := h.pick(rt); p != nil {
			h.processEvent(e, p)
		}
	}
}

func (h *history) processEvent(event string, p *fakeProcess) {
	w := h.w
	f := w.seat(p)
	switch event {
	case "ready":
		w.makeReady(p)
	case "exit":
		w.crash(p)
	case "drop":
		f.drop(pool.CauseRead, "broke off")
		w.pump()
	case "busy":
		if f.state == pool.Ready {
			f.inFlight = 1
		}
	case "finish":
		f.finish()
		w.pump()
	case "exhausted":
		f.event(pool.Event{Kind: pool.Exhausted})
		w.pump()
	case "deregister":
		w.do(func() { _ = w.s.deregister(control.Peer{PID: p.pid}, api.Deregister{Token: p.l.Token}) })
	}
}

// recover lets everything become good, and wants all workers to serve and every
// caller to have an answer.
func (h *history) recover(rt *rapid.T) {
	w := h.w
	w.do(func() { _ = w.s.resume(0) })
	how := rapid.SampledFrom([]string{"time", "restart", "changed"}).Draw(rt, "recovery")
	switch {
	case how == "changed" || w.s.release.generation < w.s.required && how == "time":
		w.do(func() { w.s.changed("/srv/shop/fixed.rb") })
	case how == "restart":
		h.watchers = append(h.watchers, w.roll(api.KindRestart))
	}
	// Stubborn processes hold up each step of each roll for the stop timeout.
	for range 1000 {
		if w.s.roll == nil && len(w.s.waiting) == 0 && w.s.scaling == nil && w.total() == w.s.wanted {
			break
		}
		w.allReady()
		for _, f := range w.seats {
			if f.inFlight > 0 {
				f.finish()
			}
		}
		w.pump()
		w.advance(2 * time.Second)
	}
	if w.s.roll != nil || len(w.s.waiting) > 0 {
		rt.Fatalf("a roll does not end: %+v", w.s.roll)
	}
	if w.total() != w.s.wanted || how != "time" && w.serving()[w.s.generation] != w.s.wanted {
		rt.Fatalf("serving %v, wanted %d", w.serving(), w.s.wanted)
	}
	for generation := range w.serving() {
		if generation < w.s.required {
			rt.Fatalf("serving %v, required %d", w.serving(), w.s.required)
		}
	}
	if w.hopeless {
		rt.Fatal("hopeless while all serve")
	}
	for i, watch := range h.watchers {
		select {
		case <-watch.verdict:
		default:
			rt.Fatalf("caller %d of %d has no verdict", i+1, len(h.watchers))
		}
	}
}

func (h *history) stop(rt *rapid.T) {
	w := h.w
	w.do(w.s.beginStop)
	w.advance(30*time.Second + killWait + time.Second)
	if !w.s.finished() {
		rt.Fatal("not finished")
	}
	for _, p := range w.processes {
		if !p.over {
			rt.Fatalf("process %d of slot %d runs after the stop", p.pid, p.l.ID)
		}
	}
}

// TestGoodRollKeepsCapacity: in a roll in which all goes well there are never
// fewer workers that serve than before, and never more processes than surge allows.
func TestGoodRollKeepsCapacity(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, surge := rapid.IntRange(1, 6).Draw(rt, "workers"), rapid.IntRange(1, 3).Draw(rt, "surge")
		c := testConfig(n)
		c.Workers.Surge = surge
		w := makeWorld(rt, c)
		w.do(func() {})
		w.allReady()
		watch := w.roll(api.KindRestart)
		for range 1000 {
			if len(watch.verdict) > 0 {
				break
			}
			alive := w.alive()
			p := rapid.SampledFrom(alive).Draw(rt, "process")
			switch f := w.seat(p); rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				w.makeReady(p)
			case 1:
				if f.state == pool.Ready {
					f.inFlight = 1
				}
			case 2:
				f.finish()
				w.pump()
			case 3:
				w.advance(50 * time.Millisecond)
			}
			if w.total() < n {
				rt.Fatalf("%d serve, before the roll there were %d", w.total(), n)
			}
			if len(w.alive()) > n+surge {
				rt.Fatalf("%d processes, with %d workers and surge %d", len(w.alive()), n, surge)
			}
		}
		for range 2 * n {
			w.allReady()
			for _, f := range w.seats {
				f.finish()
			}
			w.pump()
		}
		if v := <-watch.verdict; !v.OK || w.serving()[2] != n {
			rt.Fatalf("verdict %+v, serving %v", v, w.serving())
		}
	})
}

func TestIllegalStepChangesNothing(t *testing.T) {
	w := newWorld(t, testConfig(1))
	w.allReady()
	in := w.s.find(1).current
	if w.s.step(in, phaseStarting) || in.phase != phaseReady || w.s.illegal != 1 {
		t.Errorf("phase %v, %d illegal steps", in.phase, w.s.illegal)
	}
	r := &roll{stage: rollEnded}
	if w.s.enter(r, rollProving) || r.stage != rollEnded {
		t.Errorf("stage %v", r.stage)
	}
}
