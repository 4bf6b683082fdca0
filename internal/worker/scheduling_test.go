package worker

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
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

// Where ripd has a policy of its own, which all that it starts has too, workers keep it.
func TestTryBatchWithPolicyOfOnesOwn(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if changed, err := changePolicy(0, schedOther, schedBatch); !changed || err != nil {
		t.Fatal(changed, err)
	}
	err := TryBatch()
	if changed, back := changePolicy(0, schedBatch, schedOther); !changed || back != nil {
		t.Fatal(changed, back)
	}
	if err == nil || err.Error() != "ripd itself runs by SCHED_BATCH, and so do its workers" {
		t.Error(err)
	}
	for policy, want := range map[int]string{5: "SCHED_IDLE", 5 | schedResetOnFork: "SCHED_IDLE", 9: "the scheduling policy 0x9"} {
		if got := policyName(policy); got != want {
			t.Errorf("%d: %s", policy, got)
		}
	}
}

// unprivileged calls f in a thread that may not change how other users' processes run.
func unprivileged(t *testing.T, f func() error) error {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var before [2]unix.CapUserData
	if err := unix.Capget(&head, &before[0]); err != nil {
		t.Fatal(err)
	}
	without := before
	without[0].Effective &^= 1 << unix.CAP_SYS_NICE
	if err := unix.Capset(&head, &without[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&head, &before[0]); err != nil {
			t.Fatal(err)
		}
	}()
	return f()
}

// A process that the worker has started as another user is left alone, and keeps nobody
// from changing the others. A worker that runs as another user is an error.
func TestSetBatchOfOtherUsers(t *testing.T) {
	testkit.NeedRoot(t)
	testkit.Need(t, "setpriv")
	const other = "setpriv --reuid 65534 sleep 1000"
	l := newLauncher(t)
	for _, c := range []struct {
		command, want string
		denied        bool
	}{{other + " & sleep 1000 & exec sleep 1000", "0 3 3", false}, {"exec " + other, "0", true}} {
		p, _ := run(t, l, c.command)
		testkit.Eventually(t, testkit.Timeout, func() bool {
			return p.family.runs("sleep") == len(strings.Fields(c.want))
		})
		if err := unprivileged(t, func() error { return p.SetBatch(true) }); errors.Is(err, unix.EPERM) != c.denied || err != nil && !c.denied {
			t.Errorf("%s: %v", c.command, err)
		}
		list := policies(t, p)
		slices.Sort(list)
		if got := strings.Join(list, " "); got != c.want {
			t.Errorf("%s: policies %s, want %s", c.command, got, c.want)
		}
	}
}

// runs counts the family's processes with this name.
func (f *family) runs(name string) (n int) {
	for _, member := range f.look() {
		if text, err := os.ReadFile("/proc/" + strconv.Itoa(member.pid) + "/comm"); err == nil && strings.TrimSpace(string(text)) == name {
			n++
		}
	}
	return n
}
