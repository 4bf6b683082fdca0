package daemon

import (
	"errors"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
)

// When workers run by SCHED_BATCH.
func TestDecideScheduling(t *testing.T) {
	const short, long, between = 100 * time.Microsecond, 3 * time.Millisecond, 1500 * time.Microsecond
	type look struct {
		at       time.Duration
		requests int
		mean     time.Duration
		batch    bool
	}
	every := func(from, to int, requests int, mean time.Duration, batch bool) (list []look) {
		for s := from; s <= to; s++ {
			list = append(list, look{time.Duration(s) * time.Second, requests, mean, batch})
		}
		return list
	}
	for name, looks := range map[string][]look{
		"nothing to do":      every(1, 100, 0, 0, false),
		"few short requests": every(1, 100, batchFrom-1, short, false),
		"many long ones":     every(1, 100, batchFrom, batchBelow, false),
		"many short ones":    every(1, 100, batchFrom, short, true),
		"fewer, later":       append(every(1, 1, batchFrom, short, true), every(2, 100, batchTo, between, true)...),
		"calm": append(append(every(1, 1, batchFrom, short, true),
			every(2, batchCalm, batchTo-1, short, true)...), every(batchCalm+1, 100, batchTo-1, short, false)...),
		"not calm enough": append(append(every(1, batchCalm, batchFrom, short, true),
			every(batchCalm+1, 2*batchCalm-1, 0, short, true)...), every(2*batchCalm, 100, batchTo, short, true)...),
		"few that are long": append(every(1, 1, batchFrom, short, true), every(2, batchCalm, batchTo-1, long, true)...),
		"longer, and short again": {
			{1 * time.Second, batchFrom, short, true}, {2 * time.Second, batchTo, batchAbove, false},
			{11 * time.Second, batchFrom, short, false}, {12 * time.Second, batchFrom, short, true}, // 10 s
			{13 * time.Second, batchFrom, long, false},
			{32 * time.Second, batchFrom, short, false}, {33 * time.Second, batchFrom, short, true}, // 20 s
			{34 * time.Second, batchFrom, long, false},
			{73 * time.Second, batchFrom, short, false}, {74 * time.Second, batchFrom, short, true}, // 40 s
			{674 * time.Second, batchFrom, long, false}, // it was good for batchWaitMax
			{683 * time.Second, batchFrom, short, false}, {684 * time.Second, batchFrom, short, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var d scheduling
			for _, l := range looks {
				before := d.batch
				changed := d.decide(time.Unix(0, 0).Add(l.at), l.requests, time.Duration(l.requests)*l.mean)
				if d.batch != l.batch || changed != (before != d.batch) {
					t.Fatalf("after %v: batch %t, changed %t, want batch %t", l.at, d.batch, changed, l.batch)
				}
			}
		})
	}
	var d scheduling
	for range 100 { // the wait has a bound
		d.decide(time.Unix(0, 0).Add(d.wait), 0, 0)
		d.batch, d.since = true, d.notUntil
		d.decide(d.notUntil, batchFrom, batchFrom*long)
	}
	if d.wait != batchWaitMax {
		t.Errorf("it waits %v", d.wait)
	}
}

func automatic(count int) *config.Config {
	c := testConfig(count)
	c.Workers.Scheduling = config.SchedulingAuto
	return c
}

// serve has each serving seat serve as many requests.
func (w *world) serve(requests int, mean time.Duration) {
	for _, p := range w.alive() {
		f := w.seat(p)
		f.handled += requests
		f.served += time.Duration(requests) * mean
	}
}

// Workers are told to run by SCHED_BATCH while they have many short requests, the ones that
// come later, too; and by ripd's policy again.
func TestSchedulingFollowsTheLoad(t *testing.T) {
	w := newWorld(t, automatic(2))
	w.allReady()
	expect := func(batch bool) {
		t.Helper()
		if w.s.batch() != batch {
			t.Fatalf("batch is %t", w.s.batch())
		}
		for _, p := range w.alive() {
			if p.batch != batch {
				t.Fatalf("process %d: batch is %t", p.pid, p.batch)
			}
		}
	}
	w.advance(5 * time.Second)
	expect(false)
	w.serve(batchFrom/2, 100*time.Microsecond)
	w.advance(schedulingLook)
	expect(true)
	w.crash(w.last(1))
	w.advance(time.Minute / 4)
	w.makeReady(w.last(1))
	expect(true) // at once: with max_requests it may not live until the next look
	w.serve(batchFrom, 100*time.Microsecond)
	w.advance(schedulingLook)
	expect(true)
	w.serve(batchFrom, 5*time.Millisecond)
	w.advance(schedulingLook)
	expect(false)
}

// Where the kernel denies it, workers run as they did, and it is not tried again.
func TestSchedulingDenied(t *testing.T) {
	w := newWorld(t, automatic(2))
	w.batchDenied = errors.New("operation not permitted")
	w.allReady()
	w.serve(batchFrom, 100*time.Microsecond)
	w.advance(schedulingLook)
	if w.s.batch() || !w.s.scheduling.lookAt.IsZero() {
		t.Fatalf("batch %t, looks at %v", w.s.batch(), w.s.scheduling.lookAt)
	}
	w.batchDenied = nil
	w.serve(batchFrom, 100*time.Microsecond)
	w.advance(time.Minute)
	for _, p := range w.alive() {
		if p.batch {
			t.Fatal("it was tried again")
		}
	}
	reloadWith(w, config.SchedulingBatch) // each worker asks for itself
	if !w.s.batch() {
		t.Error("what was denied to ripd is taken for denied to its workers")
	}
}

// Workers that were told before it was denied run as they did, too.
func TestSchedulingDeniedLater(t *testing.T) {
	w := newWorld(t, automatic(2))
	w.allReady()
	w.serve(batchFrom, 100*time.Microsecond)
	w.advance(schedulingLook)
	w.batchDenied = errors.New("operation not permitted")
	w.crash(w.last(1))
	w.advance(time.Minute / 4)
	w.makeReady(w.last(1))
	w.serve(batchFrom, 100*time.Microsecond)
	w.advance(schedulingLook)
	if w.s.batch() || w.last(2).batch {
		t.Errorf("batch %t, of a worker that was told %t", w.s.batch(), w.last(2).batch)
	}
}

func TestBatchNotes(t *testing.T) {
	c, problem := &config.Config{}, errors.New("operation not permitted")
	if notes := batchNotes(c, problem); notes != nil {
		t.Errorf("%q, of a setting that nobody made", notes)
	}
	c.Workers.Scheduling = config.SchedulingBatch
	if notes := batchNotes(c, problem); len(notes) != 1 || notes[0] != `workers.scheduling "batch" is not in force: operation not permitted` {
		t.Errorf("%q", notes)
	}
}

// reloadWith makes all workers anew with another workers.scheduling.
func reloadWith(w *world, word string) {
	c := testConfig(2)
	c.Workers.Scheduling = word
	w.nextConfig = c
	w.onStart = func(p *fakeProcess) { p.batch = word == config.SchedulingBatch }
	w.do(func() { w.s.requestRoll(api.KindReload) })
	for range 2 {
		w.allReady()
	}
}

// A reload to another word and back begins anew: nothing is left of what was decided before.
func TestSchedulingReloads(t *testing.T) {
	w := newWorld(t, automatic(2))
	w.allReady()
	for _, word := range []string{config.SchedulingInherit, config.SchedulingBatch} {
		w.serve(batchFrom, 100*time.Microsecond)
		w.advance(schedulingLook)
		if !w.s.batch() {
			t.Fatal("no batch with many requests")
		}
		reloadWith(w, word)
		w.advance(2 * schedulingLook)
		if got := w.s.batch(); got != (word == config.SchedulingBatch) || !w.s.scheduling.lookAt.IsZero() {
			t.Errorf("%s: batch %t, looks at %v", word, got, w.s.scheduling.lookAt)
		}
		reloadWith(w, config.SchedulingAuto)
		if w.s.batch() {
			t.Errorf("%s, and auto again: batch without requests", word)
		}
		w.advance(2 * schedulingLook)
		for _, p := range w.alive() {
			if p.batch || w.s.batch() {
				t.Fatalf("%s, and auto again: batch of the worker %t, of all %t", word, p.batch, w.s.batch())
			}
		}
	}
}

// Of workers that run as somebody has said nothing is asked.
func TestSchedulingAsSaid(t *testing.T) {
	for _, word := range []string{config.SchedulingInherit, config.SchedulingBatch} {
		c := testConfig(1)
		c.Workers.Scheduling = word
		w := newWorld(t, c)
		w.allReady()
		w.serve(batchFrom, 100*time.Microsecond)
		w.advance(time.Minute)
		if !w.s.scheduling.lookAt.IsZero() || w.last(1).batch || w.s.batch() != (word == config.SchedulingBatch) {
			t.Errorf("%s: looks at %v, batch %t", word, w.s.scheduling.lookAt, w.s.batch())
		}
	}
}
