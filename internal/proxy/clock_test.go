package proxy

import (
	"testing"
	"time"
)

// The system's clock may be set, or the machine be suspended: what is told to
// people and to workers follows, and no moment of Now does.
func TestClockFollowsSteps(t *testing.T) {
	today := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := newClock(func() time.Time { return today })
	at := c.now()
	for _, step := range []time.Duration{0, 36 * time.Hour, -48 * time.Hour, time.Millisecond} {
		today = today.Add(step)
		at += time.Second // httpDate looks once a second
		if got, want := string(c.httpDate(at)), today.Format("Mon, 02 Jan 2006 15:04:05 GMT"); got != want {
			t.Errorf("after a step of %v: Date %q, want %q", step, got, want)
		}
		if late := c.wall(c.now()).Sub(today); late < 0 || late > testSlack {
			t.Errorf("after a step of %v: the wall clock is %v off", step, late)
		}
		if now := c.now(); now > testSlack || now <= 0 {
			t.Errorf("after a step of %v: monotonic time is %v", step, now)
		}
	}
}

// testSlack is more than the test takes.
const testSlack = time.Hour

func TestNoticesAreFew(t *testing.T) {
	var n notices
	at := time.Duration(1)
	for i := range 1000 {
		if hidden, ok := n.may(boundQueue, at); ok != (i == 0) || hidden != 0 {
			t.Fatalf("line %d: %v, %d left out", i, ok, hidden)
		}
	}
	if _, ok := n.may(boundBody, at); !ok {
		t.Error("one kind keeps another out")
	}
	at += noticePause
	if hidden, ok := n.may(boundQueue, at); !ok || hidden != 999 {
		t.Errorf("later: %v, %d left out", ok, hidden)
	}
	if hidden, ok := n.may(boundQueue, at+noticePause); !ok || hidden != 0 {
		t.Errorf("later again: %v, %d left out", ok, hidden)
	}
}
