package cgroup

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOpenMovesRipdAndSwitchesOnWhatIsThere(t *testing.T) {
	k := newKernel(t)
	tree := k.mustOpen(0)
	if got := k.where[k.self]; got != shop+"/ripd" {
		t.Errorf("ripd is in %s", got)
	}
	if got := tree.Controllers(); !slices.Equal(got, []string{"cpu", "memory", "pids"}) || tree.Lacking() != "" || !tree.Has(Memory) {
		t.Errorf("controllers %v, lacking %q", got, tree.Lacking())
	}
	if tree.Path() != shop {
		t.Errorf("path %s", tree.Path())
	}
}

func TestOpenWithoutControllers(t *testing.T) {
	k := newKernel(t)
	k.groups["/ripd.slice"].subtree = []string{"pids"}
	tree := k.mustOpen(0)
	if tree.Has(Memory) || !slices.Equal(tree.Controllers(), []string{"pids"}) || !strings.Contains(tree.Lacking(), "has no controller cpu, memory") {
		t.Errorf("controllers %v, lacking %q", tree.Controllers(), tree.Lacking())
	}
	g, err := tree.New(1, 1, Limits{Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	if g.Bounded() || g.OutOfMemory() != NoShortage {
		t.Error("a limit without a controller")
	}
	if u, err := g.Usage(); err != nil || u.Memory != -1 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// Somebody else's process in the service's group forbids controllers there, and
// nothing more.
func TestOpenBesideAnotherProcess(t *testing.T) {
	k := newKernel(t)
	k.where[7] = shop
	tree := k.mustOpen(0)
	if len(tree.Controllers()) != 0 || !strings.Contains(tree.Lacking(), "the kernel does not switch on cpu, memory, pids: device or resource busy") {
		t.Errorf("controllers %v, lacking %q", tree.Controllers(), tree.Lacking())
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*kernel)
		want   error
	}{
		"not delegated": {func(k *kernel) { k.groups[shop].delegated = false }, ErrDelegated},
		"no version 2":  {func(k *kernel) { k.files["/proc/100/cgroup"] = "4:memory:/ripd\n" }, ErrVersion},
		"not mounted":   {func(k *kernel) { k.files["/proc/self/mountinfo"] = "35 24 0:30 / /sys rw - sysfs sysfs rw\n" }, ErrVersion},
		"mounted elsewhere": {func(k *kernel) {
			k.files["/proc/self/mountinfo"] = "35 24 0:30 /other /sys/fs/cgroup rw - cgroup2 c rw\n"
		}, ErrVersion},
		"no service": {func(k *kernel) {
			k.groups["/docker.scope"] = &group{delegated: true}
			k.where[k.self] = "/docker.scope"
		}, ErrDelegated},
		"read-only": {func(k *kernel) { k.refuse = func(string, string, string) error { return syscall.EROFS } }, syscall.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			test.change(k)
			if _, err := k.open(0); !errors.Is(err, test.want) {
				t.Errorf("%v, not %v", err, test.want)
			}
			if len(k.calls) > 0 {
				t.Errorf("it has changed %v", k.calls)
			}
		})
	}
}

// A control group namespace and a mount that shows a part: paths are relative
// to what is mounted.
func TestOpenFindsTheMount(t *testing.T) {
	k := newKernel(t)
	k.files["/proc/self/mountinfo"] = "1 2 0:30 /ripd.slice /a\\040b rw - cgroup2 c rw\n" + k.files["/proc/self/mountinfo"]
	dir, found := place(k.files["/proc/self/mountinfo"], shop)
	if !found || dir != "/a b/ripd@shop.service" {
		t.Errorf("%s, %v", dir, found)
	}
	if dir, found = place(k.files["/proc/self/mountinfo"], "/ripd.slicer"); !found || dir != top+"/ripd.slicer" {
		t.Errorf("%s, %v", dir, found)
	}
}

func TestTwoRipds(t *testing.T) {
	k := newKernel(t)
	old := k.mustOpen(0)
	first, err := old.New(1, 1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	// The next one starts in the old one's group.
	k.where[200], k.self = k.where[100], 200
	heir := k.mustOpen(1)
	if heir.Path() != shop || k.where[200] != shop+"/ripd.u1" || k.where[100] != shop+"/ripd" {
		t.Errorf("%s, %v", heir.Path(), k.where)
	}
	second, err := heir.New(1, 1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if first.Path() != shop+"/worker-1.1" || second.Path() != shop+"/worker-1.1.u1" {
		t.Errorf("%s and %s", first.Path(), second.Path())
	}
	k.where[300], k.where[301] = first.Path(), second.Path()
	// As long as the old one lives, its workers do.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if left := heir.Sweep(ctx, 0); !slices.Equal(left, []string{"ripd", "worker-1.1"}) || k.where[300] == "" {
		t.Errorf("left: %v", left)
	}
	delete(k.where, 100)
	if left := heir.Sweep(context.Background(), 0); left != nil {
		t.Errorf("left: %v", left)
	}
	if k.groups[shop+"/ripd"] != nil || k.groups[first.Path()] != nil || k.where[300] != "" {
		t.Error("the old one's groups are still there")
	}
	if k.where[301] == "" || k.where[200] == "" {
		t.Error("the heir has ended itself")
	}
	if left := heir.Sweep(context.Background(), 1); left != nil || k.where[301] == "" {
		t.Errorf("it sweeps its own groups: %v", left)
	}
}

// The service manager may have put ripd into another group of the service.
func TestOpenInASubgroup(t *testing.T) {
	k := newKernel(t)
	k.groups[shop+"/main"] = &group{}
	k.where[k.self] = shop + "/main"
	if tree := k.mustOpen(0); tree.Path() != shop || k.where[k.self] != shop+"/ripd" || !tree.Has(Memory) {
		t.Errorf("%s, %s", tree.Path(), k.where[k.self])
	}
}

// Between making the group and entering it, somebody may remove it.
func TestOpenIsPatient(t *testing.T) {
	k := newKernel(t)
	times := 0
	k.refuse = func(op, file, text string) error {
		if op == "write" && strings.HasSuffix(file, fileProcs) {
			if times++; times < 3 {
				return k.Rmdir(top + shop + "/ripd")
			}
		}
		return nil
	}
	_ = k.mustOpen(0)
	if k.where[k.self] != shop+"/ripd" {
		t.Errorf("ripd is in %s", k.where[k.self])
	}
}

func TestNamesOfGroups(t *testing.T) {
	k := newKernel(t)
	tree := k.mustOpen(2)
	for _, want := range []string{"/worker-3.7.u2", "/worker-3.7-2.u2", "/worker-3.7-3.u2"} {
		g, err := tree.New(3, 7, Limits{})
		if err != nil || g.Path() != shop+want {
			t.Errorf("%v, %v, not %s", g, err, want)
		}
	}
	for range attempts - 3 {
		if _, err := tree.New(3, 7, Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tree.New(3, 7, Limits{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("there is no bound: %v", err)
	}
	for name, epoch := range map[string]int{"worker-1.2": 0, "worker-1.2.u3": 3, "worker-1.2-2.u12": 12, "ripd": 0, "ripd.u1": 1, "ripd.ux": 0, "worker-1.u0": 0} {
		if got := epochOf(name); got != epoch {
			t.Errorf("%s is of epoch %d", name, got)
		}
	}
	for name, leaf := range map[string]bool{"ripd": true, "ripd.u4": true, "ripd.ux": false, "ripd.u0": false, "ripdx": false, ".control": false} {
		if isLeaf(name) != leaf {
			t.Errorf("%s: %v", name, !leaf)
		}
	}
}

func TestLimit(t *testing.T) {
	k := newKernel(t)
	tree := k.mustOpen(0)
	g, err := tree.New(1, 1, Limits{Memory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	files := k.groups[g.Path()].files
	if files["memory.max"] != "67108864" || files["memory.swap.max"] != "0" || files["memory.oom.group"] != "1" || !g.Bounded() {
		t.Errorf("%v", files)
	}
	if g.OutOfMemory() != NoShortage {
		t.Error("out of memory, before anything was ended")
	}
	files["memory.events"] = "low 0\nmax 12\noom 0\noom_kill 1\n"
	if got := g.OutOfMemory(); got != Elsewhere {
		t.Errorf("%v, of a limit above", got)
	}
	files["memory.events"] = "low 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n"
	if got := g.OutOfMemory(); got != OwnLimit {
		t.Errorf("%v, of its own limit", got)
	}
	// A kernel that does not count swap bounds memory all the same.
	k.refuse = func(op, file, _ string) error {
		if strings.HasSuffix(file, "memory.swap.max") {
			return fs.ErrNotExist
		}
		return nil
	}
	if g, err = tree.New(2, 1, Limits{Memory: 1 << 20}); err != nil || !g.Bounded() {
		t.Errorf("%v", err)
	}
	// One that cannot be bounded leaves no group.
	k.refuse = func(op, file, _ string) error {
		if strings.HasSuffix(file, "memory.max") {
			return syscall.EINVAL
		}
		return nil
	}
	if _, err = tree.New(3, 1, Limits{Memory: 1 << 20}); !errors.Is(err, syscall.EINVAL) || k.groups[shop+"/worker-3.1"] != nil {
		t.Errorf("%v", err)
	}
}

func TestUsage(t *testing.T) {
	k := newKernel(t)
	g, err := k.mustOpen(0).New(1, 1, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	files := k.groups[g.Path()].files
	files["cpu.stat"] = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n"
	files["memory.current"], files["memory.stat"] = "9000000\n", "anon 5000000\nfile 3000000\ninactive_file 1500000\nactive_file 1500000\n"
	if u, err := g.Usage(); err != nil || u.Memory != 7500000 || u.CPU != 2500*time.Millisecond {
		t.Errorf("%+v, %v", u, err)
	}
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Usage(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a group that is gone: %v", err)
	}
	if err := g.Remove(); err != nil {
		t.Errorf("removed twice: %v", err)
	}
}

func TestEndOfAGroup(t *testing.T) {
	for _, old := range []bool{false, true} {
		k := newKernel(t)
		k.noKill = old
		g, err := k.mustOpen(0).New(1, 1, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		k.where[300], k.where[301], k.where[302] = "/", "/", "/"
		if err := g.Join(300); err != nil {
			t.Fatal(err)
		}
		if err := g.Join(999); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("a process that is gone: %v", err)
		}
		// The app makes groups of its own, and an old kernel's list is all there is.
		k.groups[g.Path()+"/sub"], k.groups[g.Path()+"/sub/sub"] = &group{}, &group{}
		k.where[301] = g.Path() + "/sub/sub"
		if !g.Holds(300) || !g.Holds(301) || g.Holds(302) || g.Holds(998) {
			t.Error("it holds the wrong ones")
		}
		if got := g.Processes(); !slices.Equal(got, []int{300, 301}) {
			t.Errorf("processes %v", got)
		}
		if err := g.Remove(); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("removed with processes: %v", err)
		}
		g.Kill()
		if err := g.Remove(); err != nil || k.where[300]+k.where[301] != "" || k.where[302] == "" {
			t.Errorf("%v, %v", err, k.where)
		}
	}
}

// What hangs in the kernel holds nobody up for ever.
func TestSweepIsBounded(t *testing.T) {
	k := newKernel(t)
	tree := k.mustOpen(0)
	for _, name := range []string{"/worker-1.1.u1", "/worker-2.1.u1", "/ripd.u1", "/.control"} {
		k.groups[shop+name] = &group{}
	}
	k.where[300], k.immune[300] = shop+"/worker-1.1.u1", true
	k.where[301] = shop + "/worker-2.1.u1"
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if left := tree.Sweep(ctx, 1); !slices.Equal(left, []string{"worker-1.1.u1"}) {
		t.Errorf("left: %v", left)
	}
	if k.groups[shop+"/.control"] == nil || k.groups[shop+"/worker-2.1.u1"] != nil || k.groups[shop+"/ripd.u1"] != nil {
		t.Errorf("%v", k.groups)
	}
	k.immune[300] = false
	if left := tree.Sweep(context.Background(), 1); left != nil {
		t.Errorf("left: %v", left)
	}
}
