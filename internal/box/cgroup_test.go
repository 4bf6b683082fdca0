package box

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// grouped is a box in which the app shop has control groups.
type grouped struct {
	*Box
	controllers []string // of the service, as the machine has them
}

// shopGroup is the delegated group, as /proc/PID/cgroup has it.
const shopGroup = "/ripd.slice/ripd@shop.service"

const groupedFile = `app = "/srv/shop"
command = ["./app"]
[workers]
count = 2
max_memory_hard = "96MB"
scheduling = "batch"
`

// Each worker has a control group of its own: from its start to its end, and
// through all that can happen to ripd.
func TestControlGroups(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			b.Write("/etc/ripd/shop.toml", groupedFile, 0o644)
			b.Run("systemctl", "start", "ripd@shop.service")
			b.Answers(socket, "/ping", "200 pong")
			g := &grouped{Box: b}
			g.controllers = g.words("cgroup.controllers")
			for _, part := range []struct {
				name string
				test func(*grouped, *testing.T)
			}{
				{"what operators see", (*grouped).seen}, {"children go with their worker", (*grouped).children},
				{"a worker needs too much memory", (*grouped).tooMuch}, {"reload", (*grouped).reload},
				{"upgrade", (*grouped).upgrade}, {"ripd is killed", (*grouped).killed}, {"restart and stop", (*grouped).restart},
			} {
				if !t.Run(part.name, func(t *testing.T) { part.test(&grouped{b.in(t), g.controllers}, t) }) {
					t.Log(tail(b.Journal("ripd@shop")), b.Run("systemd-cgls", "--no-pager", "/ripd.slice"))
					return
				}
			}
		})
	}
}

// words reads a file of the delegated group.
func (g *grouped) words(file string) []string {
	g.t.Helper()
	text, err := os.ReadFile(g.Path("/sys/fs/cgroup" + shopGroup + "/" + file))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// again is the number that tells a worker's group from that of a process before
// it in the same slot, which is on its way out.
var again = regexp.MustCompile(`^(worker-\d+\.\d+)-\d+`)

// names gives the groups in the delegated one, such numbers left out.
func (g *grouped) names() (names []string) {
	entries, err := os.ReadDir(g.Path("/sys/fs/cgroup" + shopGroup))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != ".control" { // systemd's, for its own helpers
			names = append(names, again.ReplaceAllString(e.Name(), "$1"))
		}
	}
	slices.Sort(names)
	return names
}

// settles waits until the delegated group has these groups and no others, and
// no process of its own.
func (g *grouped) settles(want ...string) {
	g.t.Helper()
	slices.Sort(want)
	var names []string
	if !testkit.Within(testkit.Timeout, func() bool { names = g.names(); return slices.Equal(names, want) }) {
		g.t.Errorf("the groups are %q, not %q", names, want)
	}
	if pids := g.words("cgroup.procs"); len(pids) > 0 {
		g.t.Errorf("processes %q are in no group of their own", pids)
	}
	leaf := want[0] // "ripd" is before "worker"
	// As a process inside sees it: paths begin at the box's own group there.
	if text := g.Run("cat", "/proc/"+g.Property("ripd@shop", "MainPID")+"/cgroup"); !strings.Contains(text, "0::"+shopGroup+"/"+leaf+"\n") {
		g.t.Errorf("ripd is in %s", text)
	}
}

type groupsSeen struct {
	Groups struct {
		Path        string   `json:"path"`
		Controllers []string `json:"controllers"`
		Reason      string   `json:"reason"`
	} `json:"groups"`
	Notes []string `json:"notes"`
}

type workerSeen struct {
	ID     int    `json:"workerId"`
	PID    int    `json:"pid"`
	Memory int64  `json:"memoryBytes"`
	Group  string `json:"group"`
}

func (g *grouped) workers() []workerSeen {
	g.t.Helper()
	var list struct{ Workers []workerSeen }
	if err := json.Unmarshal([]byte(g.Run("ripctl", "workers", "shop", "--json")), &list); err != nil {
		g.t.Fatal(err)
	}
	return list.Workers
}

func (g *grouped) seen(t *testing.T) {
	g.settles("ripd", "worker-1.1", "worker-2.1")
	if got, err := g.Get(socket, "/group"); err != nil || !strings.Contains(got, "0::"+shopGroup+"/worker-") {
		t.Errorf("a worker is in %q, %v", got, err)
	}
	for _, w := range g.workers() {
		if !strings.HasPrefix(w.Group, fmt.Sprintf("%s/worker-%d.1", shopGroup, w.ID)) || w.Memory < 1<<20 {
			t.Errorf("%+v", w)
		}
		// The unit's filters of system calls let it pass; 3 is SCHED_BATCH.
		if policy := g.Run("cut", "-d ", "-f41", fmt.Sprintf("/proc/%d/stat", w.PID)); strings.TrimSpace(policy) != "3" {
			t.Errorf("worker %d has the scheduling policy %s", w.ID, policy)
		}
	}
	var status groupsSeen
	if err := json.Unmarshal([]byte(g.Run("ripctl", "status", "shop", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"cpu", "memory", "pids"} {
		if slices.Contains(g.controllers, name) {
			want = append(want, name)
		}
	}
	if status.Groups.Path != shopGroup || !slices.Equal(status.Groups.Controllers, want) || (len(want) == 3) != (status.Groups.Reason == "") {
		t.Errorf("%+v, and the controllers are %q", status.Groups, g.controllers)
	}
	if text := strings.Join(status.Notes, "\n"); strings.Contains(text, "workers.scheduling") {
		t.Errorf("notes: %s", text)
	}
	noted := strings.Contains(strings.Join(status.Notes, "\n"), "workers.max_memory_hard is not in force: the service's control group has no controller")
	if noted == g.counts() {
		t.Errorf("notes %q, and the controllers are %q", status.Notes, g.controllers)
	}
}

// counts tells whether the machine lets a box have the controller of memory.
func (g *grouped) counts() bool { return slices.Contains(g.controllers, "memory") }

func (g *grouped) children(t *testing.T) {
	if got, err := g.Get(socket, "/daemon"); err != nil || got != "200 <nil>" {
		t.Fatalf("%q, %v", got, err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(g.Processes("/bin/sleep 987")) == 1 }, "the daemon")
	for range 2 { // one of the two workers has started it
		if got, err := g.Get(socket, "/crash"); err != nil || !strings.HasPrefix(got, "502 ") {
			t.Errorf("%q, %v", got, err)
		}
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(g.Processes("/bin/sleep 987")) == 0 }, "the end of the daemon")
	g.Answers(socket, "/ping", "200 pong")
	g.settles("ripd", "worker-1.1", "worker-2.1")
}

// The kernel ends the one worker that needs too much. Where a box has no
// controller of memory, nothing is ended.
func (g *grouped) tooMuch(t *testing.T) {
	var before []string
	testkit.Eventually(t, testkit.Timeout, func() bool { before = g.Processes("./app"); return len(before) == 2 }, "both workers, after the crashes")
	got, err := g.Get(socket, "/eat?mb=300")
	if !g.counts() {
		if err != nil || !strings.HasPrefix(got, "200 ") || !slices.Equal(g.Processes("./app"), before) {
			t.Errorf("a limit that is not in force: %q, %v; processes %q, before %q", got, err, g.Processes("./app"), before)
		}
		t.Logf("the box has no controller of memory, only %q: the kernel's limit was not tried", g.controllers)
		return
	}
	if err != nil || !strings.HasPrefix(got, "502 ") {
		t.Errorf("%q, %v", got, err)
	}
	g.Answers(socket, "/ping", "200 pong")
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(g.Processes("./app")) == 2 }, "the successor")
	left := slices.DeleteFunc(g.Processes("./app"), func(pid string) bool { return !slices.Contains(before, pid) })
	if len(left) != 1 {
		t.Errorf("workers %q, before %q: one was to be replaced", g.Processes("./app"), before)
	}
	text := g.Journal("ripd@shop")
	for _, want := range []string{"out of memory (max_memory_hard 96MB)", "GET /eat?mb=300 (request ", "cause=out-of-memory"} {
		if !strings.Contains(text, want) {
			t.Errorf("the journal does not say %q", want)
		}
	}
	if out := g.Run("ripctl", "metrics", "shop"); !strings.Contains(out, `ripd_respawns_total{app="shop",cause="out-of-memory"} 1`) {
		t.Errorf("it was not counted:\n%s", out)
	}
	g.settles("ripd", "worker-1.1", "worker-2.1")
}

func (g *grouped) reload(*testing.T) {
	g.Run("systemctl", "reload", "ripd@shop.service")
	g.settles("ripd", "worker-1.2", "worker-2.2")
}

func (g *grouped) upgrade(t *testing.T) {
	load := g.Load(socket, "/ping", "200 pong", 4)
	g.Run("ripctl", "upgrade", "shop")
	g.settles("ripd.u1", "worker-1.3.u1", "worker-2.3.u1")
	g.Run("systemctl", "reload", "ripd@shop.service")
	g.settles("ripd.u1", "worker-1.4.u1", "worker-2.4.u1")
	if _, code := g.Fail("ripctl", "upgrade", "shop", "--binary", "/bin/false"); code != 5 {
		t.Errorf("exit code %d", code)
	}
	g.Run("ripctl", "upgrade", "shop")
	g.settles("ripd.u2", "worker-1.5.u2", "worker-2.5.u2")
	// One that starts workers, and does not become ready, leaves none of their groups.
	g.Write("/srv/shop/broken", "no shelves\n", 0o644)
	if _, code := g.Fail("ripctl", "upgrade", "shop"); code != 5 {
		t.Errorf("exit code %d", code)
	}
	if err := os.Remove(g.Path("/srv/shop/broken")); err != nil {
		t.Fatal(err)
	}
	g.settles("ripd.u2", "worker-1.5.u2", "worker-2.5.u2")
	if good, bad, longest := load.End(); len(bad) > 0 || good == 0 {
		t.Errorf("%d good answers, others: %q", good, bad)
	} else {
		t.Logf("%d answers, the longest took %v", good, longest)
	}
	if state := g.Property("ripd@shop", "ActiveState") + " " + g.Property("ripd@shop", "NRestarts"); state != "active 0" {
		t.Errorf("it is %s", state)
	}
}

func (g *grouped) killed(t *testing.T) {
	if got, err := g.Get(socket, "/daemon"); err != nil || got != "200 <nil>" {
		t.Fatalf("%q, %v", got, err)
	}
	g.Run("systemctl", "kill", "--kill-who=main", "--signal=KILL", "ripd@shop")
	testkit.Eventually(t, testkit.Timeout, func() bool {
		return g.Property("ripd@shop", "NRestarts") == "1" && g.Property("ripd@shop", "ActiveState") == "active"
	}, "the next ripd")
	g.Answers(socket, "/ping", "200 pong")
	g.settles("ripd", "worker-1.1", "worker-2.1")
	if left := g.Processes("/bin/sleep 987"); len(left) > 0 {
		t.Errorf("processes %q have outlived their worker", left)
	}
}

func (g *grouped) restart(t *testing.T) {
	g.Run("systemctl", "restart", "ripd@shop.service")
	g.settles("ripd", "worker-1.1", "worker-2.1")
	g.Run("systemctl", "stop", "ripd@shop.socket", "ripd-control@shop.socket", "ripd@shop.service")
	if state := g.Property("ripd@shop", "ActiveState"); state != "inactive" {
		t.Errorf("it is %s", state)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(g.names()) == 0 }, "the end of the groups")
}
