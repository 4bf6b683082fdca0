package pool_test

import (
	"slices"
	"testing"

	"ripd/internal/pool"
	"ripd/internal/testkit"
)

// recorded returns a pool whose slots the test plays, and its events so far.
func recorded(size int) (*pool.Pool, *[]pool.Event) {
	events := new([]pool.Event)
	return pool.New(pool.Options{
		Size: size, Serve: func(*pool.Slot) {},
		Events: func(e pool.Event) { *events = append(*events, e) },
	}), events
}

func kinds(events []pool.Event) []pool.EventKind {
	var all []pool.EventKind
	for _, e := range events {
		all = append(all, e.Kind)
	}
	return all
}

func TestExhaustedIsToldOnce(t *testing.T) {
	p, events := recorded(10)
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Slots: 2, MaxRequests: 3})
	for n := range 6 {
		if v := p.Submit(ticket("n"), 0); v != pool.Queued {
			t.Fatal(v)
		}
		p.Turn(slots[n%2], 0)
	}
	// Six were taken. Each turn ends one; the third is the last that the worker owes.
	if want := []pool.EventKind{pool.Exhausted}; !slices.Equal(kinds(*events), want) {
		t.Fatalf("%v after %d", *events, p.Info(w, 0).Handled)
	}
}

func TestExhaustedIsNotToldOfOneThatGoesAnyway(t *testing.T) {
	p, events := recorded(10)
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, MaxRequests: 1})
	p.Submit(ticket("n"), 0)
	p.Turn(slots[0], 0)
	if err := p.Retire(w); err != nil {
		t.Fatal(err)
	}
	p.Turn(slots[0], 1)
	if want := []pool.EventKind{pool.Idle}; !slices.Equal(kinds(*events), want) {
		t.Fatal(*events)
	}
}

func TestFailTells(t *testing.T) {
	p, events := recorded(10)
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Slots: 2})
	for _, s := range slots {
		p.Submit(ticket("n"), 0)
		p.Turn(s, 0)
	}
	// Both slots meet the broken process; the first one's words count.
	for _, detail := range []string{"the first", "the second"} {
		if err := p.Fail(w, pool.CauseRead, detail); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range slots {
		if _, ended := p.Turn(s, 1); !ended {
			t.Fatal("a slot of a failed worker goes on")
		}
	}
	want := []pool.Event{{Worker: w, Kind: pool.Dropped, Cause: pool.CauseRead, Detail: "the first"}, {Worker: w, Kind: pool.Idle}}
	if !slices.Equal(*events, want) {
		t.Fatal(*events)
	}
}

func TestIdleIsToldOnceOfOneThatRetiresAndFails(t *testing.T) {
	p, events := recorded(10)
	w, _ := readyWorker(t, p, pool.WorkerSpec{ID: 1})
	if err := p.Retire(w); err != nil {
		t.Fatal(err)
	}
	if err := p.Fail(w, pool.CauseConnect, ""); err != nil {
		t.Fatal(err)
	}
	if want := []pool.EventKind{pool.Idle, pool.Dropped}; !slices.Equal(kinds(*events), want) {
		t.Fatal(*events)
	}
}

// While one goroutine tells Dropped, the last lease of the worker ends in
// another: Idle still comes after it.
func TestEventsDoNotOvertake(t *testing.T) {
	telling, goOn := make(chan struct{}), make(chan struct{})
	got := make(chan pool.EventKind, 4)
	p := pool.New(pool.Options{Size: 1, Serve: func(*pool.Slot) {}, Events: func(e pool.Event) {
		if e.Kind == pool.Dropped {
			close(telling)
			<-goOn
		}
		got <- e.Kind
	}})
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
	p.Submit(ticket("n"), 0)
	p.Turn(slots[0], 0)
	failed := make(chan struct{})
	go func() {
		defer close(failed)
		_ = p.Fail(w, pool.CauseRead, "")
	}()
	testkit.Closed(t, testkit.Timeout, telling)
	if _, ended := p.Turn(slots[0], 1); !ended {
		t.Fatal("the slot goes on")
	}
	close(goOn)
	testkit.Closed(t, testkit.Timeout, failed)
	for _, want := range []pool.EventKind{pool.Dropped, pool.Idle} {
		if kind := testkit.Receive(t, testkit.Timeout, got); kind != want {
			t.Fatalf("event %d, want %d", kind, want)
		}
	}
}

func TestEventsMayCallThePool(t *testing.T) {
	var p *pool.Pool
	var seen []pool.EventKind
	p = pool.New(pool.Options{Serve: func(*pool.Slot) {}, Events: func(e pool.Event) {
		seen = append(seen, e.Kind)
		switch e.Kind {
		case pool.Dropped:
			if err := p.Retire(p.Add(pool.WorkerSpec{ID: 2})); err != nil {
				t.Error(err)
			}
		case pool.Idle:
			if err := p.Remove(e.Worker); err != nil {
				t.Error(err)
			}
		}
	}})
	if err := p.Fail(p.Add(pool.WorkerSpec{ID: 1}), pool.CauseConnect, ""); err != nil {
		t.Fatal(err)
	}
	if want := []pool.EventKind{pool.Dropped, pool.Idle, pool.Idle}; !slices.Equal(seen, want) {
		t.Fatal(seen)
	}
	if left := p.Snapshot(0).Workers; len(left) > 0 {
		t.Fatal(left)
	}
}
