package worker

import "time"

// The bounds of Backoff.
const (
	BackoffFirst = time.Second      // before the second start in a row
	BackoffMax   = 30 * time.Second // the longest
	BackoffGood  = time.Minute      // a worker that was ready for so long starts the count anew
)

// Backoff says how long to wait before a worker is started again: the first
// time not at all, then BackoffFirst, doubling up to BackoffMax, each shortened
// by up to a fifth at random so that workers do not come back in step. It never
// gives up. It is for one goroutine.
type Backoff struct{}

// NewBackoff takes the random source: a function that returns numbers in [0, 1),
// as rand.Float64.
func NewBackoff(random func() float64) *Backoff { return &Backoff{} }

// Ready notes that the worker became ready at now.
func (b *Backoff) Ready(now time.Time) {}

// Next gives the time to wait before the next start, after the worker ended at
// now.
func (b *Backoff) Next(now time.Time) time.Duration { return 0 }

// Count is how many times Next was called since the worker was last good.
func (b *Backoff) Count() int { return 0 }
