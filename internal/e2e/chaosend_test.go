package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ripd/internal/testkit"
)

// settle ends what the chaos has left undone, and waits until all workers are well
// and answer.
func (c *chaos) settle() {
	c.t.Helper()
	for _, pid := range c.processes() {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may be gone
	}
	testkit.Eventually(c.t, startMost, func() bool { return c.order("scale", strconv.Itoa(chaosWorkers)) }, "ripctl scale")
	for slot := range chaosWorkers {
		c.order("resume", strconv.Itoa(slot+1))
	}
	testkit.Eventually(c.t, startMost, func() bool {
		s, err := c.status()
		return err == nil && s.Workers.Ready == chaosWorkers && s.Workers.Wanted == chaosWorkers && s.Queue.Length == 0
	}, "%d workers ready", chaosWorkers)
	for i := range 50 {
		id := fmt.Sprintf("calm-%d", i)
		if got := c.do("GET", "/work?id="+id, ""); got != "200 "+chaosBody(id, 0, "") {
			c.t.Errorf("after the chaos: %q", got)
		}
	}
}

// begun is one request that a worker has begun.
type begun struct {
	id    string
	stamp int64 // microseconds since 1970 at which it was complete at ripd
}

// readNotes returns what each worker has begun, in its order.
func (c *chaos) readNotes() map[string][]begun {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.notes, "*"))
	if err != nil || len(files) == 0 {
		c.t.Fatal(files, err)
	}
	all := map[string][]begun{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			words := strings.Fields(line)
			if words[0] == noteTwoAtOne {
				c.t.Errorf("worker %s had two requests at a time: %v", filepath.Base(file), words[1:])
				continue
			}
			stamp, err := strconv.ParseInt(words[len(words)-1], 10, 64)
			if err != nil || len(words) != 3 {
				c.t.Fatalf("the note %q: %v", line, err)
			}
			all[filepath.Base(file)] = append(all[filepath.Base(file)], begun{words[1], stamp})
		}
	}
	return all
}

// check compares what the clients saw with what the workers did.
func (c *chaos) check(notes map[string][]begun) {
	c.t.Helper()
	executed, latest := map[string]int{}, time.Duration(0)
	for worker, requests := range notes {
		newest := int64(0)
		for _, r := range requests {
			if executed[r.id]++; executed[r.id] > 1 {
				c.t.Errorf("%s was executed %d times, the last time by %s", r.id, executed[r.id], worker)
			}
			if late := time.Duration(newest-r.stamp) * time.Microsecond; late > latest {
				latest = late
			}
			newest = max(newest, r.stamp)
		}
	}
	if latest > chaosOrder {
		c.t.Errorf("a worker began a request %v after one that had come later", latest)
	}
	var counts [abandoned + 1]int
	for id, what := range c.ledger.saw {
		counts[what]++
		switch n := executed[id]; {
		case what == answered && n != 1, what == cutShort && n != 1, what == refused && n != 0:
			c.t.Errorf("%s: outcome %d, executed %d times", id, what, n)
		}
	}
	for _, wrong := range c.ledger.wrong {
		c.t.Error(wrong)
	}
	if counts[answered] < 100 {
		c.t.Errorf("only %d requests were answered", counts[answered])
	}
	c.t.Logf("%d answered, %d refused (503), %d failed (502, 504), %d cut short, %d abandoned; %d executed by %d processes; out of order by %v at most; %v",
		counts[answered], counts[refused], counts[failed], counts[cutShort], counts[abandoned], len(executed), len(notes), latest, c.done)
}

// processes are all processes of this run's workers.
func (c *chaos) processes() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && c.isOurs(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// leavesNothing stops ripd and looks for what it might have left.
func (c *chaos) leavesNothing() {
	c.t.Helper()
	s, err := c.status()
	if err != nil {
		c.t.Fatal(err)
	}
	c.endsElsewhere(c.t, s.PID)
	if !testkit.Within(startMost, func() bool { return len(c.processes()) == 0 }) {
		c.t.Errorf("processes stay: %v", c.processes())
	}
	if code := c.ripd.Wait(c.t, startMost); code != 0 {
		c.t.Errorf("the first ripd ended with %d", code)
	}
}
