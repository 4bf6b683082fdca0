package worker

import "time"

// The bounds of Backoff.
const (
	BackoffFirst = time.Second      // before the second start in a row
	BackoffMax   = 30 * time.Second // the longest
	BackoffGood  = time.Minute      // a worker that was ready for so long starts the count anew
)

// backoffJitter is the part of a wait that chance may take off.
const backoffJitter = 0.2

// Backoff says how long to wait before a worker is started again: the first
// time not at all, then BackoffFirst, doubling up to BackoffMax, each shortened
// by up to a fifth at random, so that workers do not come back in step. It never
// gives up. It is for one goroutine.
type Backoff struct {
	random func() float64
	count  int
	ready  time.Time // zero: not since the last Next
}

// NewBackoff takes the random source: a function that returns numbers in [0, 1),
// as rand.Float64.
func NewBackoff(random func() float64) *Backoff { return &Backoff{random: random} }

// Ready notes that the worker became ready at now.
func (b *Backoff) Ready(now time.Time) { b.ready = now }

// Next gives the time to wait before the next start, after the worker ended at
// now, or could not be started.
func (b *Backoff) Next(now time.Time) time.Duration {
	if !b.ready.IsZero() && now.Sub(b.ready) >= BackoffGood {
		b.count = 0
	}
	b.ready = time.Time{}
	b.count++
	if b.count == 1 {
		return 0
	}
	wait := BackoffFirst
	for i := 2; i < b.count && wait < BackoffMax; i++ {
		wait *= 2
	}
	wait = min(wait, BackoffMax)
	return wait - time.Duration(float64(wait)*backoffJitter*b.random())
}

// Count is how many times Next was called since the worker was last good.
func (b *Backoff) Count() int { return b.count }
