package pool_test

import (
	"testing"

	"ripd/internal/pool"
)

func TestStreamsLeaveTheirSlotAndCount(t *testing.T) {
	var events []pool.Event
	p := pool.New(pool.Options{Size: 8, Serve: func(*pool.Slot) {}, Events: func(e pool.Event) { events = append(events, e) }})
	w := p.Add(pool.WorkerSpec{ID: 1, Generation: 1, Slots: 1, Streams: 1})
	if err := p.Ready(w, ""); err != nil {
		t.Fatal(err)
	}
	s := p.Slots(w)[0]
	p.Turn(s, 0)
	first, second := plain(), plain()
	if v := p.Submit(first, 1); v != pool.Leased {
		t.Fatal(v)
	}
	if v := p.Submit(second, 2); v != pool.Queued {
		t.Fatal(v)
	}
	s.Wait()
	if !p.Detach(s) {
		t.Fatal("no room for a stream")
	}
	if got, _ := p.Turn(s, 3); got != second {
		t.Fatal("the slot is not free for the next request")
	}
	sound(t, p)
	if p.Detach(s) {
		t.Fatal("one more than there may be")
	}
	if i := p.Info(w, 4); i.Streams != 1 || i.InFlight != 1 || i.Handled != 1 {
		t.Fatalf("%+v", i)
	}
	p.Turn(s, 5)
	if err := p.Retire(w); err != nil {
		t.Fatal(err)
	}
	if len(events) != 0 {
		t.Fatalf("idle with a stream: %+v", events)
	}
	p.EndStream(w)
	if len(events) != 1 || events[0].Kind != pool.Idle {
		t.Fatalf("%+v", events)
	}
	sound(t, p)
}
