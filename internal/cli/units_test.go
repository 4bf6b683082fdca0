package cli

import (
	"math"
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1240), "1,240"}, {count(1234567), "1,234,567"}, {count(-1000), "-1,000"},
		{count(uint64(math.MaxUint64)), "18,446,744,073,709,551,615"},
		{counted(1, "worker"), "1 worker"}, {counted(0, "worker"), "0 workers"}, {counted(1500, "event"), "1,500 events"},
		{size(int64(0)), "0 B"}, {size(int64(999)), "999 B"}, {size(int64(1000)), "1.0 kB"}, {size(int64(12345678)), "12.3 MB"},
		{size(int64(99949999)), "99.9 MB"}, {size(int64(123456789)), "123 MB"}, {size(int64(999999)), "1.0 MB"},
		{size(int64(math.MaxInt64)), "9.2 EB"}, {size(uint64(math.MaxUint64)), "18.4 EB"},
		{perSecond(0), "0 req/s"}, {perSecond(0.04), "0 req/s"}, {perSecond(3.16), "3.2 req/s"}, {perSecond(9.97), "10 req/s"},
		{perSecond(1240.4), "1,240 req/s"}, {perSecond(math.NaN()), "? req/s"}, {perSecond(math.Inf(1)), "? req/s"},
		{span(-time.Second), "0 ms"}, {span(0), "0 ms"}, {span(840 * time.Millisecond), "840 ms"}, {span(3200 * time.Millisecond), "3.2 s"},
		{span(4 * time.Second), "4 s"}, {span(45 * time.Second), "45 s"}, {span(9960 * time.Millisecond), "10 s"}, {span(59600 * time.Millisecond), "1 m"},
		{span(125 * time.Second), "2 m 5 s"}, {span(2*time.Hour + 3*time.Minute), "2 h 3 m"}, {span(time.Hour), "1 h"},
		{span(97 * time.Hour), "4 d 1 h"}, {span(math.MaxInt64), "106751 d 23 h"},
		{ago(now.Add(-time.Minute), now), "1 m ago"}, {ago(now, now), "just now"}, {ago(now.Add(time.Hour), now), "just now"},
		{until(now.Add(12*time.Second), now), "in 12 s"}, {until(now.Add(-time.Second), now), "now"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain, äöü 漢字":         "plain, äöü 漢字",
		"\x1b[31mred\x1b[0m":    "red",
		"title\x1b]0;owned\x07": "title",
		"a\rb\nc":               "a·b·c",
		"tab\there":             "tab    here",
		"\u202eevil":            "·evil",
		"\xff\xfe":              "·",
		"c1 \u009b31m":          "c1 ·31m",
		"nul\x00":               "nul·",
		"two\u2028lines":        "two·lines",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}
