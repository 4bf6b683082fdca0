package worker

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// policies are those of all threads of a worker and its children, as numbers.
func policies(t *testing.T, p *Process) (list []string) {
	t.Helper()
	for _, member := range p.family.look() {
		dir := "/proc/" + strconv.Itoa(member.pid) + "/task"
		threads, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			tid, err := strconv.Atoi(thread.Name())
			if err != nil {
				t.Fatal(err)
			}
			attr, err := unix.SchedGetAttr(tid, 0)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, strconv.Itoa(int(attr.Policy)))
		}
	}
	return list
}

// All threads of a worker and its children change how they run, and back; one whose
// policy somebody has chosen keeps it.
func TestSetBatch(t *testing.T) {
	testkit.Need(t, "python3", "chrt")
	if err := TryBatch(); err != nil {
		t.Fatal(err)
	}
	l := newLauncher(t)
	p, r := run(t, l, `chrt -i 0 sleep 1000 & sleep 1000 & exec python3 -c '
import threading, time
for _ in range(2): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
print("up", flush=True)
time.sleep(1000)'`)
	testkit.Eventually(t, testkit.Timeout, func() bool {
		return len(r.texts(Stdout)) == 1 && strings.Contains(strings.Join(policies(t, p), ""), "5")
	})
	expect := func(others string) {
		t.Helper()
		count := map[string]int{}
		for _, policy := range policies(t, p) {
			count[policy]++
		}
		if count["5"] != 1 || count[others] != 4 || len(count) != 2 {
			t.Fatalf("%v: want 4 of policy %s and one of 5 (SCHED_IDLE)", count, others)
		}
	}
	expect("0")
	for range 2 {
		if err := p.SetBatch(true); err != nil {
			t.Fatal(err)
		}
		expect("3")
	}
	if err := p.SetBatch(false); err != nil {
		t.Fatal(err)
	}
	expect("0")
	p.Kill()
	waitDone(t, p)
	if err := p.SetBatch(true); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("after its end: %v", err)
	}
}

// TryBatch leaves ripd's own threads as they are.
func TestTryBatchLeavesNothing(t *testing.T) {
	testkit.Need(t, "chrt")
	for range 20 {
		if err := TryBatch(); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("chrt", "-a", "-p", strconv.Itoa(os.Getpid())).Output()
	if err != nil || strings.Contains(string(out), "BATCH") {
		t.Fatalf("%v: %s", err, out)
	}
}
