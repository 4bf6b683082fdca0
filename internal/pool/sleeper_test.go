package pool_test

import (
	"slices"
	"testing"

	"ripd/internal/pool"
)

// sleeper notes how it is called, and whether its slot was given something by then.
type sleeper struct {
	slot  *pool.Slot
	calls []string
}

func (s *sleeper) Start() { s.note("start") }
func (s *sleeper) Rouse() { s.note("rouse") }

func (s *sleeper) note(call string) {
	if !s.slot.Given() {
		call += " for nothing"
	}
	s.calls = append(s.calls, call)
}

// A goroutine that sleeps elsewhere is told of all that its idle slot is given, once.
func TestSleeperIsTold(t *testing.T) {
	p := still(10)
	defer checked(t, p)
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
	slot := slots[0]
	s := &sleeper{slot: slot}
	slot.Sleeper = s
	turn := func() {
		t.Helper()
		if got, ended := p.Turn(slot, 1); got != nil || ended {
			t.Fatalf("%v, %v", got, ended)
		}
	}
	turn()
	if v := p.Submit(ticket("submitted"), 1); v != pool.Leased {
		t.Fatal(v)
	}
	take(t, slot)
	turn()
	if err := p.Drain(w); err != nil {
		t.Fatal(err)
	}
	if v := p.Submit(ticket("queued"), 1); v != pool.Queued {
		t.Fatal(v)
	}
	if err := p.Resume(w); err != nil {
		t.Fatal(err)
	}
	take(t, slot)
	turn()
	if err := p.Retire(w); err != nil {
		t.Fatal(err)
	}
	if got := slot.Wait(); got != nil {
		t.Fatalf("given %v at its end", got)
	}
	if want := []string{"start", "rouse", "rouse"}; !slices.Equal(s.calls, want) {
		t.Fatalf("calls %q, want %q", s.calls, want)
	}
}
