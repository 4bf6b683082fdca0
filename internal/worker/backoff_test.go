package worker

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBackoffSteps(t *testing.T) {
	none := func() float64 { return 0 }
	b := NewBackoff(none)
	now := time.Unix(1000, 0)
	for i, want := range []time.Duration{0, 1, 2, 4, 8, 16, 30, 30, 30} {
		if got := b.Next(now); got != want*time.Second {
			t.Errorf("wait %d is %v, want %v s", i, got, int(want))
		}
	}
	b.Ready(now)
	if got := b.Next(now.Add(BackoffGood - 1)); got != BackoffMax {
		t.Errorf("after less than a good minute: %v", got)
	}
	b.Ready(now)
	if got := b.Next(now.Add(BackoffGood)); got != 0 || b.Count() != 1 {
		t.Errorf("after a good minute: %v, count %d", got, b.Count())
	}
	if got := b.Next(now.Add(BackoffGood)); got != BackoffFirst {
		t.Errorf("and then: %v", got)
	}
}

// TestBackoffProperties holds over any history: the first wait is none, each is
// within its step's jitter, none is longer than the cap, and only a good minute
// starts anew.
func TestBackoffProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBackoff(func() float64 { return rapid.Float64Range(0, 0.999999).Draw(t, "chance") })
		now := time.Unix(1000, 0)
		inARow := 0
		for range rapid.IntRange(1, 60).Draw(t, "crashes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "boot ms")) * time.Millisecond)
			if rapid.Bool().Draw(t, "became ready") {
				b.Ready(now)
				lived := time.Duration(rapid.IntRange(0, 120_000).Draw(t, "lived ms")) * time.Millisecond
				now = now.Add(lived)
				if lived >= BackoffGood {
					inARow = 0
				}
			}
			got := b.Next(now)
			inARow++
			if b.Count() != inARow {
				t.Fatalf("count %d, want %d", b.Count(), inARow)
			}
			step := time.Duration(0)
			if inARow > 1 {
				step = min(BackoffFirst<<min(inARow-2, 10), BackoffMax)
			}
			if got > step || got < step*8/10 {
				t.Fatalf("wait %d is %v, the step is %v", inARow, got, step)
			}
			now = now.Add(got)
		}
	})
}
