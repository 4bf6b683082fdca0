package testkit

import (
	"sync"
	"testing"
	"time"
)

// FakeClock is a clock that moves only by Advance. Its methods use types of
// the standard library alone, so that a package can ask for the ones it needs
// through an interface of its own, for example:
//
//	type clock interface {
//		Now() time.Time
//		AfterFunc(d time.Duration, f func()) (stop func() bool)
//	}
//
// All methods may be called from several goroutines. The zero value is not
// usable; see NewFakeClock.
type FakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*fakeTimer // not sorted: a test has few
	serial int          // of the next timer, so that equal times fire in order
}

type fakeTimer struct {
	at     time.Time
	serial int
	fire   func(now time.Time)
}

// NewFakeClock returns a clock that stands at a fixed moment.
func NewFakeClock() *FakeClock {
	return &FakeClock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// Now returns the moment at which the clock stands.
func (c *FakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Since returns the time that has passed on this clock since t.
func (c *FakeClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// AfterFunc arranges for f to run inside of the Advance that passes d. stop
// takes it back, and reports whether it did so before f was started.
func (c *FakeClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return c.add(d, func(time.Time) { f() })
}

// NewTimer returns a channel that gets the time once d has passed, and a
// function that stops the timer, with time.Timer.Stop's result.
func (c *FakeClock) NewTimer(d time.Duration) (<-chan time.Time, func() bool) {
	ch := make(chan time.Time, 1)
	return ch, c.add(d, func(now time.Time) { ch <- now })
}

// After is NewTimer without a way to stop it.
func (c *FakeClock) After(d time.Duration) <-chan time.Time {
	ch, _ := c.NewTimer(d)
	return ch
}

// NewTicker returns a channel that gets the time every d, and a function that
// ends it. A tick that nobody has taken is not sent twice, as with
// time.Ticker.
func (c *FakeClock) NewTicker(d time.Duration) (<-chan time.Time, func()) {
	if d <= 0 {
		panic("testkit: a ticker needs a positive period")
	}
	ch := make(chan time.Time, 1)
	var mu sync.Mutex
	stopped, stop := false, func() bool { return false }
	var arm func()
	arm = func() {
		stop = c.add(d, func(now time.Time) {
			mu.Lock()
			defer mu.Unlock()
			if stopped {
				return
			}
			select {
			case ch <- now:
			default:
			}
			arm()
		})
	}
	mu.Lock()
	arm()
	mu.Unlock()
	return ch, func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		stop()
	}
}

func (c *FakeClock) add(d time.Duration, fire func(time.Time)) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := &fakeTimer{at: c.now.Add(max(d, 0)), serial: c.serial, fire: fire}
	c.serial++
	c.timers = append(c.timers, timer)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.remove(timer)
	}
}

// remove takes timer off the list; the caller holds mu.
func (c *FakeClock) remove(timer *fakeTimer) bool {
	for i, other := range c.timers {
		if other == timer {
			c.timers = append(c.timers[:i], c.timers[i+1:]...)
			return true
		}
	}
	return false
}

// Advance moves the clock by d and fires what is due, in the order of time,
// each with the clock standing at its moment. Functions run on the caller's
// goroutine, without the clock's lock; what they add is fired too when it is
// due. A timer of 0 fires at the next Advance, even of 0.
func (c *FakeClock) Advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	for {
		next := c.due(end)
		if next == nil {
			break
		}
		c.remove(next)
		if next.at.After(c.now) {
			c.now = next.at
		}
		now := c.now
		c.mu.Unlock()
		next.fire(now)
		c.mu.Lock()
	}
	if end.After(c.now) {
		c.now = end
	}
	c.mu.Unlock()
}

// due returns the earliest timer that is due at end; the caller holds mu.
func (c *FakeClock) due(end time.Time) *fakeTimer {
	var first *fakeTimer
	for _, timer := range c.timers {
		if timer.at.After(end) {
			continue
		}
		if first == nil || timer.at.Before(first.at) || timer.at.Equal(first.at) && timer.serial < first.serial {
			first = timer
		}
	}
	return first
}

// Pending returns how many timers wait.
func (c *FakeClock) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// WaitPending waits until at least n timers wait. A test calls it before
// Advance, so that the goroutine under test has armed its timer.
func (c *FakeClock) WaitPending(t testing.TB, n int) {
	t.Helper()
	Eventually(t, Timeout, func() bool { return c.Pending() >= n }, "%d pending timers", n)
}
