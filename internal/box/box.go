// Package box boots a real systemd inside of the tests: systemd-nspawn with a
// Debian root tree, its own network and its own place in the control groups. What
// a test does there is gone afterwards, because the box writes into memory, over
// a tree that stays as it is. It needs root, and is for tests alone.
//
//	tree.go   the root trees: made once, kept outside of the repository
//	box.go    a box: boot, end
//	inside.go what a test does inside
//	load.go   clients that count each failure
package box

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// Releases are the Debian releases that boxes are made of.
var Releases = []string{"bookworm", "trixie"}

const (
	// bootMost is how long a box may take to boot: a second on a quiet machine.
	bootMost = 2 * time.Minute
	// memory bounds what a box may write.
	memory = "size=1g,mode=755"
)

// Box is a systemd that runs.
type Box struct {
	// Release is the Debian release.
	Release string

	t     testing.TB
	pid   int // of the box's process 1
	netns *os.File
}

// Need ends the test when this machine cannot boot a box: with a reason, or,
// under CI=true, as failed.
func Need(t testing.TB) {
	t.Helper()
	testkit.NeedRoot(t)
	testkit.Need(t, "debootstrap", "systemd-nspawn", "nsenter", "mount")
	if _, err := groups(); err != nil {
		testkit.Lacking(t, err.Error())
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil || !strings.Contains(string(known), "\toverlay\n") {
		testkit.Lacking(t, "the kernel has no overlay file system")
	}
}

// Boot boots a box of a release, which ends with the test.
func Boot(t testing.TB, release string) *Box {
	t.Helper()
	Need(t)
	return BootTree(t, release, Tree(t, release))
}

// BootTree is Boot with another root tree of the release.
func BootTree(t testing.TB, release, tree string) *Box {
	t.Helper()
	Need(t)
	root := overlay(t, tree)
	group := newGroup(t)

	// IPAddressDeny= and its like are programs for the kernel: bpf(2).
	cmd := exec.Command("systemd-nspawn", "--directory="+root, "--register=no", "--keep-unit", "--boot",
		"--console=pipe", "--private-network", "--system-call-filter=bpf", "--machine=ripd-"+release)
	cmd.Env = []string{"PATH=" + searchPath, "LANG=C.UTF-8", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	b := &Box{Release: release, t: t}
	// The machine's process 1 goes first: nobody in its namespace outlives it.
	t.Cleanup(func() {
		if b.pid > 0 {
			_ = unix.Kill(b.pid, unix.SIGKILL)
		}
	})
	nspawn := testkit.Start(t, cmd)
	testkit.Eventually(t, bootMost, func() bool {
		b.pid = firstOf(nspawn.PID())
		return b.pid > 0
	}, "the box's first process")
	var state string
	testkit.Eventually(t, bootMost, func() bool {
		out, err := b.Try("systemctl", "is-system-running")
		state = strings.TrimSpace(out)
		return err == nil || state == "degraded"
	}, "the boot of %s", release)
	if state == "degraded" {
		t.Fatalf("the box is degraded:\n%s", b.Run("systemctl", "--failed", "--no-pager"))
	}
	var err error
	if b.netns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", b.pid)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.netns.Close() })
	return b
}

// firstOf gives process 1 of the namespace that a nspawn has made, 0 as long as
// there is none.
func firstOf(nspawn int) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	if err != nil {
		return 0
	}
	for _, child := range strings.Fields(string(children)) {
		status, err := os.Open("/proc/" + child + "/status")
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(status)
		for lines.Scan() {
			ids, ok := strings.CutPrefix(lines.Text(), "NSpid:")
			if !ok || !strings.HasSuffix(ids, "\t1") {
				continue
			}
			if program, err := os.Readlink("/proc/" + child + "/exe"); err == nil && filepath.Base(program) == "systemd" {
				pid, _ := strconv.Atoi(child)
				status.Close()
				return pid
			}
		}
		status.Close()
	}
	return 0
}

// overlay makes a root folder whose changes are in memory.
func overlay(t testing.TB, tree string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("ripd-box", dir, "tmpfs", 0, memory); err != nil {
		testkit.Lacking(t, "cannot mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() { unmount(t, dir) })
	for _, sub := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Join(dir, "root")
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s/upper,workdir=%s/work", tree, dir, dir)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		testkit.Lacking(t, "cannot mount an overlay: "+err.Error())
	}
	t.Cleanup(func() { unmount(t, root) })
	return root
}

// unmount waits until what ran in the folder is gone.
func unmount(t testing.TB, dir string) {
	if !testkit.Within(testkit.Timeout, func() bool { return unix.Unmount(dir, 0) == nil }) {
		t.Errorf("%s cannot be unmounted", dir)
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
}

// groups finds where the second version of the control groups is mounted.
func groups() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "cgroup2" && strings.HasPrefix(f[3], "rw") {
			return f[1], nil
		}
	}
	return "", fmt.Errorf("control groups of version 2 are not mounted, or not writable")
}

// newGroup makes a control group for a box: nspawn divides the group in which it
// is started.
func newGroup(t testing.TB) *os.File {
	t.Helper()
	top, err := groups()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(top, "ripd-box-")
	if err != nil {
		testkit.Lacking(t, "cannot make a control group: "+err.Error())
	}
	t.Cleanup(func() {
		if !testkit.Within(testkit.Timeout, func() bool { return removeGroup(dir) }) {
			t.Errorf("the control group %s is still in use", dir)
		}
	})
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// removeGroup removes a control group and those below.
func removeGroup(dir string) bool {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return true
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroup(filepath.Join(dir, e.Name()))
		}
	}
	return unix.Rmdir(dir) == nil
}
