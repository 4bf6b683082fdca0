package box

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// cacheDir keeps the root trees from one run to the next, and from one clone of
// the repository to the next.
const cacheDir = "/var/cache/ripd-tests"

// treeVersion is part of a tree's name. It counts up when packages, or what is
// done to a tree, change.
const treeVersion = "1"

// packages are what a tree has beside Debian's base: systemd as the first
// process, its bus, and polkit with the sessions that it asks for.
var packages = []string{"systemd", "dbus", "systemd-sysv", "libpam-systemd", "polkitd"}

// searchPath is for programs of the system, on the machine and in a box.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Tree gives the root tree of a release, and makes it when it is not there. That
// takes a minute or more, and needs Debian's archive. Nobody writes to a tree.
func Tree(t testing.TB, release string) string {
	t.Helper()
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(cacheDir, release+"-"+treeVersion)
	lock, err := os.OpenFile(tree+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tree); err == nil {
		return tree
	}
	t.Logf("making the root tree of %s: %s", release, tree)
	if err := makeTree(tree, release); err != nil {
		t.Fatal(err)
	}
	return tree
}

// makeTree makes a tree beside its place, and moves it there when it is whole.
func makeTree(tree, release string) error {
	unfinished := tree + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	cmd := exec.Command("debootstrap", "--variant=minbase", "--include="+strings.Join(packages, ","), release, unfinished)
	cmd.Env = []string{"PATH=" + searchPath, "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasSuffix(strings.ToLower(name), "_proxy") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("debootstrap %s: %w\n%s", release, err, out[max(0, len(out)-4096):])
	}
	archives, err := filepath.Glob(unfinished + "/var/cache/apt/archives/*.deb")
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := os.Remove(archive); err != nil {
			return err
		}
	}
	return os.Rename(unfinished, tree)
}

// Make makes the trees of all releases, so that tests that follow find them.
func Make(t testing.TB) {
	t.Helper()
	testkit.NeedRoot(t)
	for _, release := range Releases {
		Tree(t, release)
	}
}
