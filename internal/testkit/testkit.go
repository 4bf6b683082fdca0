// Package testkit holds what tests of several packages need: waiting for a
// condition with a deadline, short directories for unix sockets, programs that
// a machine may lack, a clock that only moves when told to, and child
// processes that end with their test. Nothing outside of tests imports it.
package testkit

import (
	"testing"
	"time"
)

// Timeout is a bound for waiting on something that takes milliseconds on a
// quiet machine. It is long, because a test that waits for an event loses
// nothing by a long bound, and a busy machine may need it.
const Timeout = 20 * time.Second

// pollEvery is how often Eventually looks. It starts short, for what is about
// to happen, and grows to pollAtMost, so that long waits cost little.
const (
	pollEvery  = 500 * time.Microsecond
	pollAtMost = 20 * time.Millisecond
)

// Eventually returns as soon as condition holds, and fails the test when it
// does not within timeout. The condition runs on the test's own goroutine.
// The optional message (format and arguments) says what was waited for.
func Eventually(t testing.TB, timeout time.Duration, condition func() bool, message ...any) {
	t.Helper()
	if Within(timeout, condition) {
		return
	}
	t.Fatalf("not within %v%s", timeout, waitedFor(message))
}

// Within reports whether condition came to hold within timeout. It is
// Eventually for goroutines that must not end the test, and for negative
// checks.
func Within(timeout time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(timeout)
	for wait := pollEvery; ; wait = min(wait*2, pollAtMost) {
		if condition() {
			return true
		}
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		time.Sleep(min(wait, left))
	}
}

// Receive returns the next value of c, and fails the test when none comes
// within timeout or when c is closed.
func Receive[T any](t testing.TB, timeout time.Duration, c <-chan T, message ...any) T {
	t.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case v, open := <-c:
		if !open {
			t.Fatalf("the channel is closed%s", waitedFor(message))
		}
		return v
	case <-timer.C:
		t.Fatalf("nothing received within %v%s", timeout, waitedFor(message))
	}
	panic("unreachable")
}

// Closed waits until c is closed (values on the way are dropped), and fails
// the test when that does not happen within timeout.
func Closed[T any](t testing.TB, timeout time.Duration, c <-chan T, message ...any) {
	t.Helper()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		select {
		case _, open := <-c:
			if !open {
				return
			}
		case <-timer.C:
			t.Fatalf("not closed within %v%s", timeout, waitedFor(message))
		}
	}
}
