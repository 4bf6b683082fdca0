package control

import (
	"log/slog"
	"testing"
	"time"
)

// held makes a gate in which users hold connections. A positive age is a silent
// connection of that age, a negative one is busy.
func held(max int, users map[int][]time.Duration) *gate {
	g := newGate(nil, max, &refusals{log: slog.New(slog.DiscardHandler)})
	for uid, ages := range users {
		for _, age := range ages {
			c := &conn{gate: g, peer: Peer{UID: uid}, silent: age > 0, since: time.Now().Add(-max0(age))}
			g.open[c] = struct{}{}
		}
	}
	return g
}

func max0(d time.Duration) time.Duration { return max(d, 0) }

func TestWhoHasToLeave(t *testing.T) {
	const old, older, young, busy = time.Minute, time.Hour, time.Millisecond, -1
	for _, c := range []struct {
		name  string
		users map[int][]time.Duration
		comer int
		uid   int           // who has to leave; -1: nobody
		age   time.Duration // how long that one was silent
	}{
		{"the one that is silent longest", map[int][]time.Duration{7: {old, older, young}}, 7, 7, older},
		{"nobody while all are busy", map[int][]time.Duration{7: {busy, busy}}, 7, -1, 0},
		{"nobody who has just come", map[int][]time.Duration{7: {young, young}}, 7, -1, 0},
		{"the user who holds most", map[int][]time.Duration{7: {old, old, old}, 8: {older}}, 9, 7, old},
		{"a hoarder leaves even when busy", map[int][]time.Duration{7: {busy, busy, busy, busy}}, 0, 7, 0},
		{"a hoarder takes nothing from the modest", map[int][]time.Duration{7: {busy, busy, busy}, 8: {older}}, 7, -1, 0},
		{"a busy one stays among equals", map[int][]time.Duration{7: {busy}, 8: {busy}}, 9, -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := held(0, c.users).victim(&conn{peer: Peer{UID: c.comer}})
			switch {
			case v == nil && c.uid != -1:
				t.Errorf("nobody leaves, want user %d", c.uid)
			case v != nil && v.peer.UID != c.uid:
				t.Errorf("user %d leaves, want %d", v.peer.UID, c.uid)
			case v != nil && time.Since(v.since).Round(time.Second) != c.age:
				t.Errorf("one of %v leaves, want %v", time.Since(v.since), c.age)
			}
		})
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	r := &refusals{log: slog.New(slog.DiscardHandler)}
	start := time.Now()
	written := 0
	for range 1000 {
		if ok, _ := r.allow(start); ok {
			written++
		}
	}
	if written != refusalsPerSecond {
		t.Errorf("%d lines in a second", written)
	}
	if ok, skipped := r.allow(start.Add(time.Second)); !ok || skipped != 1000-refusalsPerSecond {
		t.Errorf("next second: %v, %d left out", ok, skipped)
	}
}

func TestPending(t *testing.T) {
	if _, ok := func() *pending { p := newPending(); p.end(); return p }().next(); ok {
		t.Error("a step from nowhere")
	}
}
