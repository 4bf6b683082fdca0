package pool_test

import (
	"testing"
	"time"

	"ripd/internal/pool"
)

// Served has nothing of a request of which the pool does not know when it was leased, and of a
// long one no more than ServedMost.
func TestServed(t *testing.T) {
	p := still(1)
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
	now := time.Hour
	p.Turn(slots[0], now)
	expect := func(handled int, served time.Duration) {
		t.Helper()
		if i := p.Info(w, now); i.Handled != handled || i.Served != served {
			t.Fatalf("%d requests in %v, want %d in %v", i.Handled, i.Served, handled, served)
		}
	}
	if err := p.Drain(w); err != nil {
		t.Fatal(err)
	}
	if v := p.Submit(ticket("waits"), now); v != pool.Queued {
		t.Fatal(v)
	}
	if err := p.Resume(w); err != nil { // it has no clock
		t.Fatal(err)
	}
	want := time.Duration(0)
	for n, took := range []time.Duration{time.Millisecond, 4 * time.Millisecond, time.Minute, 0} {
		if n > 0 {
			if v := p.Submit(ticket("leased"), now); v != pool.Leased {
				t.Fatal(v)
			}
			want += min(took, pool.ServedMost)
		}
		take(t, slots[0])
		now += took
		p.Turn(slots[0], now)
		expect(n+1, want)
	}
}
