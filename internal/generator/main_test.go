package generator

import (
	"bytes"
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	for _, test := range []struct {
		args []string
		want bool
	}{
		{nil, false}, {[]string{"ripd"}, false}, {[]string{"/usr/bin/ripd", "ripd-generator"}, false},
		{[]string{"ripd-generator"}, true}, {[]string{"/usr/lib/systemd/system-generators/ripd-generator", "a", "b", "c"}, true},
		{[]string{"/etc/systemd/system-generators/50-ripd"}, true},
	} {
		if got := Is(test.args); got != test.want {
			t.Errorf("%q: %v", test.args, got)
		}
	}
}

func TestMainByHand(t *testing.T) {
	var said bytes.Buffer
	if code := Main([]string{Name}, &said); code != exitUsage || !strings.HasPrefix(said.String(), "usage: ripd-generator FOLDER") {
		t.Errorf("%d, %s", code, &said)
	}
}

func TestReports(t *testing.T) {
	var log bytes.Buffer
	r := newReporter(&log, 7)
	r.warn("one\ntwo\x1b[31m" + strings.Repeat("x", 2000))
	for range maxReports + 2 {
		r.warn("more")
	}
	r.end()
	r.fail("bad")
	lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
	if len(lines) != maxReports+2 || !strings.HasPrefix(lines[0], "<4>ripd-generator[7]: one two [31mxx") || len(lines[0]) > 900 {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	if got := lines[maxReports]; got != "<4>ripd-generator[7]: and 3 more" {
		t.Error(got)
	}
	if got := lines[maxReports+1]; got != "<3>ripd-generator[7]: bad" {
		t.Error(got)
	}
}
