package box

import (
	"os"
	"slices"
	"testing"

	"ripd/internal/testkit"
)

// An app that is loaded once runs in the unit as it is: each worker that was forked
// has a control group of its own, and so has what it was forked from.
func TestPreload(t *testing.T) {
	Need(t)
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bareTree(t, release, LanguagesTree(t, release))
			for _, l := range spoken {
				if l.name == "ruby" || l.name == "python" {
					t.Run(l.name, func(t *testing.T) { b.in(t).preloads(l) })
				}
			}
		})
	}
}

func (b *Box) preloads(l language) {
	b.serveLanguage(l)
	b.Write("/etc/ripd/"+l.name+".toml", "app = \"/srv/"+l.name+"\"\n"+l.file+"[workers]\ncount = 2\npreload = true\n", 0o644)
	unit := "ripd@" + l.name + ".service"
	if out, err := b.Try("systemctl", "start", unit); err != nil {
		b.t.Fatalf("%v: %s\n%s", err, out, b.Journal(unit))
	}
	b.Answers(httpSocket(l.name), "/", l.want)
	b.grouped(unit, "ripd", "worker-0.1", "worker-1.1", "worker-2.1")
	answer, err := b.Get(httpSocket(l.name), "/")
	if err != nil {
		b.t.Fatal(err)
	}
	load := b.Load(httpSocket(l.name), "/", answer, 4)
	for range 3 {
		b.Run("systemctl", "reload", unit)
	}
	if good, bad, longest := load.End(); len(bad) > 0 || good == 0 {
		b.t.Errorf("%d good answers, others: %q", good, bad)
	} else {
		b.t.Logf("%d answers during 3 rolls, the longest took %v", good, longest)
	}
	b.grouped(unit, "ripd", "worker-0.4", "worker-1.4", "worker-2.4")
	b.t.Logf("%s%s", b.Run("ripctl", "status", l.name), b.Run("ripctl", "workers", l.name))

	b.Run("systemctl", "kill", "--kill-who=main", "--signal=KILL", unit)
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		return b.Property(unit, "NRestarts") == "1" && b.Property(unit, "ActiveState") == "active"
	}, "the next ripd")
	b.Answers(httpSocket(l.name), "/", l.want)
	b.grouped(unit, "ripd", "worker-0.1", "worker-1.1", "worker-2.1")
	b.Run("systemctl", "stop", "ripd@"+l.name+".socket", "ripd-control@"+l.name+".socket", unit)
}

// grouped waits until the service's control groups are these, with one process at least in each.
func (b *Box) grouped(unit string, want ...string) {
	b.t.Helper()
	dir := b.Path("/sys/fs/cgroup/ripd.slice/" + unit)
	var names []string
	ok := testkit.Within(testkit.Timeout, func() bool {
		names = nil
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			// ".control" is systemd's, for its own helpers.
			if pids, err := os.ReadFile(dir + "/" + e.Name() + "/cgroup.procs"); err == nil && len(pids) > 0 && e.Name() != ".control" {
				names = append(names, e.Name())
			}
		}
		return err == nil && slices.Equal(names, want)
	})
	if !ok {
		b.t.Errorf("the groups in which something runs are %q, not %q", names, want)
	}
}
