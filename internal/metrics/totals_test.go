package metrics

import (
	"testing"
	"time"
)

func TestTotals(t *testing.T) {
	m := New(Options{App: "shop"})
	m.Done(200, time.Millisecond, time.Second, 3, 5)
	m.Done(502, time.Millisecond, time.Second, 0, 7)
	m.Rejected("read-timeout")
	m.Retried("connect-failed")
	m.Retried("something new")
	want := Totals{Errors: 1, ReadTimeouts: 1, Retries: 2, BytesIn: 3, BytesOut: 12}
	if got := m.Totals(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (*Metrics)(nil).Totals(); got != (Totals{}) {
		t.Errorf("nil gives %+v", got)
	}
}
