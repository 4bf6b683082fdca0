package pool_test

import (
	"testing"

	"ripd/internal/pool"
)

// asking is a ticket of a request that asks for another protocol.
func asking() *pool.Ticket { return &pool.Ticket{Request: named("upgrade"), Upgrade: true} }

// plain is one of a request that does not.
func plain() *pool.Ticket { return &pool.Ticket{Request: named("plain")} }

type named string

func (n named) Describe() string { return string(n) }

// onePool has one ready worker of one slot, whose goroutine the test plays.
func onePool(t *testing.T, upgrades int) (*pool.Pool, *pool.Worker, *pool.Slot, *[]pool.Event) {
	t.Helper()
	events := &[]pool.Event{}
	p := pool.New(pool.Options{Size: 8, Serve: func(*pool.Slot) {}, Events: func(e pool.Event) { *events = append(*events, e) }})
	w := p.Add(pool.WorkerSpec{ID: 1, Generation: 1, Slots: 1, Upgrades: upgrades})
	if err := p.Ready(w, ""); err != nil {
		t.Fatal(err)
	}
	s := p.Slots(w)[0]
	if got, ended := p.Turn(s, 0); got != nil || ended {
		t.Fatal("a new slot is not idle")
	}
	return p, w, s, events
}

func sound(t *testing.T, p *pool.Pool) {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestUpgradesLeaveTheirSlotAndCount(t *testing.T) {
	p, w, s, events := onePool(t, 1)
	first := asking()
	if v := p.Submit(first, 1); v != pool.Leased {
		t.Fatal(v)
	}
	sound(t, p)
	// It counts while it is asked for, too.
	if v := p.Submit(asking(), 2); v != pool.Crowded {
		t.Fatal(v)
	}
	ordinary := plain()
	if v := p.Submit(ordinary, 3); v != pool.Queued {
		t.Fatal(v)
	}
	s.Wait()
	if got, _ := p.Switch(s, 4); got != ordinary {
		t.Fatal("the slot is not free for the next request")
	}
	sound(t, p)
	if i := p.Info(w, 5); i.Upgraded != 1 || i.InFlight != 1 || i.Handled != 1 {
		t.Fatalf("%+v", i)
	}
	p.Turn(s, 6)
	if err := p.Retire(w); err != nil {
		t.Fatal(err)
	}
	if len(*events) != 0 {
		t.Fatalf("idle with an upgrade: %+v", *events)
	}
	p.EndUpgrade(w)
	if len(*events) != 1 || (*events)[0].Kind != pool.Idle {
		t.Fatalf("%+v", *events)
	}
	if p.Snapshot(7).Counts.RefusedCrowded != 1 {
		t.Fatal(p.Snapshot(7).Counts)
	}
}

// A worker without room takes what is behind an upgrade that waits; the upgrade goes to
// it as soon as there is room.
func TestUpgradeThatWaitsHoldsNobodyUp(t *testing.T) {
	p, w, s, _ := onePool(t, 1)
	running := plain()
	p.Submit(running, 1)
	s.Wait()
	// The slot is busy: the first upgrade and what follows wait.
	one, two, after := asking(), asking(), plain()
	for _, ticket := range []*pool.Ticket{one, two, after} {
		if v := p.Submit(ticket, 2); v != pool.Queued {
			t.Fatal(v)
		}
	}
	if got, _ := p.Turn(s, 3); got != one {
		t.Fatal("not the oldest")
	}
	if got, _ := p.Switch(s, 4); got != after {
		t.Fatal("the second upgrade holds up what is behind it")
	}
	if got, _ := p.Turn(s, 5); got != nil {
		t.Fatal("the worker has no room")
	}
	sound(t, p)
	p.EndUpgrade(w)
	if !s.Given() || s.Wait() != two {
		t.Fatal("the upgrade that waited was not given")
	}
	sound(t, p)
	// The worker answers it otherwise.
	if got, _ := p.Turn(s, 6); got != nil || p.Info(w, 6).Upgraded != 0 {
		t.Fatal("it counts for ever")
	}
	sound(t, p)
}

func TestHeldWorkers(t *testing.T) {
	p, w, _, _ := onePool(t, 1)
	for _, step := range []struct {
		do   func(*pool.Worker) error
		held bool
	}{{p.Drain, true}, {p.Resume, false}, {p.Retire, true}} {
		if err := step.do(w); err != nil || w.Held() != step.held {
			t.Fatal(err, w.Held())
		}
	}
}
