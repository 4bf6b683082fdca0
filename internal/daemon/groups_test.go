package daemon

import (
	"errors"
	"strings"
	"testing"

	"ripd/internal/cgroup"
	"ripd/internal/config"
)

// What is not in force is said.
func TestNotesOfGroups(t *testing.T) {
	c := &config.Config{}
	g := groups{err: errors.New("nothing was delegated")}
	if notes := g.notes(c); notes != nil {
		t.Errorf("%q, of a setting that nobody made", notes)
	}
	c.Workers.MaxMemoryHard = 1 << 30
	if notes := g.notes(c); len(notes) != 1 || notes[0] != "workers.max_memory_hard is not in force: nothing was delegated" {
		t.Errorf("%q", notes)
	}
	if s := g.status(); s.Path != "" || len(s.Controllers) != 0 || s.Controllers == nil || s.Reason != "nothing was delegated" {
		t.Errorf("%+v", s)
	}
}

func TestShortageInWords(t *testing.T) {
	for s, want := range map[cgroup.Shortage]string{
		cgroup.NoShortage: "", cgroup.OwnLimit: "out of memory (max_memory_hard 512MB)",
		cgroup.Elsewhere: "out of memory (the limit of the service, or the machine's)",
	} {
		if got := shortage(s, 512<<20); got != want {
			t.Errorf("%v: %q", s, got)
		}
	}
}

// A ripd in the foreground leaves control groups alone, and says so.
func TestNoGroupsInTheForeground(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 1\nmax_memory_hard = \"1GB\"")
	o := operator{l.app}
	status := o.Status()
	if g := status.Groups; g == nil || g.Path != "" || !strings.Contains(g.Reason, "in the foreground") {
		t.Errorf("%+v", g)
	}
	if notes := strings.Join(status.Notes, "\n"); !strings.Contains(notes, "workers.max_memory_hard is not in force: ripd is in the foreground") {
		t.Errorf("notes: %s", notes)
	}
	workers := o.Workers()
	if len(workers) != 1 || workers[0].Memory <= 0 || workers[0].Group != "" {
		t.Errorf("%+v", workers)
	}
	if uses := l.gauges().Uses; len(uses) != 1 || uses[0].Worker != 1 || uses[0].Memory <= 0 {
		t.Errorf("%+v", uses)
	}
}
