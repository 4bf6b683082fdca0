package box

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// languages are what a tree of languages has beside: the interpreters of workers.
// The JDK is there for its compiler, so that Java starts from a source file.
var languages = []string{"ruby", "ruby-rack", "nodejs", "python3", "luajit", "default-jdk-headless"}

// Tree gives the root tree of a release, and makes it when it is not there. That
// takes a minute or more, and needs Debian's archive. Nobody writes to a tree.
func Tree(t testing.TB, release string) string {
	t.Helper()
	return cached(t, release+"-"+treeVersion, func(unfinished string) error { return makeTree(unfinished, release) })
}

// LanguagesTree is Tree with the interpreters of workers: 500 MB more, and half a
// minute.
func LanguagesTree(t testing.TB, release string) string {
	t.Helper()
	base := Tree(t, release)
	return cached(t, release+"-languages-"+treeVersion, func(unfinished string) error { return makeLanguages(unfinished, base) })
}

// cached gives a folder of the cache. One that is not there is made beside its place,
// and moved there when it is whole.
func cached(t testing.TB, name string, make func(unfinished string) error) string {
	t.Helper()
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(cacheDir, name)
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
	t.Logf("making the root tree %s", tree)
	began, unfinished := time.Now(), tree+".new"
	if err := os.RemoveAll(unfinished); err != nil {
		t.Fatal(err)
	}
	if err := make(unfinished); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(unfinished, tree); err != nil {
		t.Fatal(err)
	}
	t.Logf("it took %v", time.Since(began).Round(time.Second))
	return tree
}

func makeTree(tree, release string) error {
	if err := install("debootstrap", "--variant=minbase", "--include="+strings.Join(packages, ","), release, tree); err != nil {
		return err
	}
	return removeArchives(tree)
}

// makeLanguages adds packages to a copy of a base tree. They are installed in a
// container, since Java's are not without /proc, with the machine's network.
func makeLanguages(tree, base string) error {
	if err := install("cp", "--archive", base, tree); err != nil {
		return err
	}
	inside := []string{"systemd-nspawn", "--quiet", "--directory=" + tree, "--register=no", "--keep-unit", "--pipe", "--resolv-conf=copy-host"}
	for _, variable := range installEnvironment() {
		inside = append(inside, "--setenv="+variable)
	}
	get := slices.Concat(inside, []string{"apt-get", "--quiet=2", "--option=Dpkg::Use-Pty=0"})
	if err := install(append(get, "update")...); err != nil {
		return err
	}
	if err := install(slices.Concat(get, []string{"install", "--yes", "--no-install-recommends"}, languages)...); err != nil {
		return err
	}
	return removeArchives(tree)
}

// installEnvironment is that of programs which install packages.
func installEnvironment() []string {
	env := []string{"PATH=" + searchPath, "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, e)
		}
	}
	return env
}

func install(command ...string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = installEnvironment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out[max(0, len(out)-4096):])
	}
	return nil
}

// removeArchives takes out the packages' archives: they are installed.
func removeArchives(tree string) error {
	archives, err := filepath.Glob(tree + "/var/cache/apt/archives/*.deb")
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := os.Remove(archive); err != nil {
			return err
		}
	}
	return nil
}

// Make makes the trees of all releases, so that tests that follow find them.
func Make(t testing.TB) {
	t.Helper()
	testkit.NeedRoot(t)
	for _, release := range Releases {
		Tree(t, release)
	}
}
