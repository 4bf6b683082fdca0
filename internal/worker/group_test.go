package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ripd/internal/cgroup"
	"ripd/internal/testkit"
)

// service makes a delegated group on this machine, and gives what a ripd in it
// knows of its groups. The test's own process stays where it is.
func service(t *testing.T) (tree *cgroup.Tree, dir string) {
	t.Helper()
	testkit.NeedRoot(t)
	mount := ""
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "cgroup2" && strings.HasPrefix(f[3], "rw") {
			mount = f[1]
		}
	}
	if mount == "" {
		testkit.Lacking(t, "control groups of version 2 are not mounted, or not writable")
	}
	name := fmt.Sprintf("ripd-test-%d.service", os.Getpid())
	dir = filepath.Join(mount, name)
	if err := os.MkdirAll(filepath.Join(dir, "ripd"), 0o755); err != nil {
		testkit.Lacking(t, "cannot make a control group: "+err.Error())
	}
	t.Cleanup(func() {
		for _, d := range []string{filepath.Join(dir, "ripd"), dir} {
			if !testkit.Within(testkit.Timeout, func() bool { return unix.Rmdir(d) == nil }) {
				t.Errorf("the control group %s stays", d)
			}
		}
	})
	if err := unix.Setxattr(dir, "trusted.delegate", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	// This process is said to be in its own group already.
	proc := t.TempDir()
	self := filepath.Join(proc, "self")
	if err := os.Mkdir(self, 0o755); err != nil {
		t.Fatal(err)
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"cgroup": "0::/" + name + "/ripd\n", "mountinfo": string(mountinfo)} {
		if err := os.WriteFile(filepath.Join(self, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tree, err = cgroup.Open(cgroup.Options{Files: elsewhere{cgroup.System(), proc}})
	if err != nil {
		t.Fatal(err)
	}
	return tree, dir
}

// elsewhere is the system with another /proc/self.
type elsewhere struct {
	cgroup.Files
	proc string
}

func (e elsewhere) Read(path string) (string, error) {
	if rest, found := strings.CutPrefix(path, "/proc/self/"); found {
		path = e.proc + "/self/" + rest
	}
	return e.Files.Read(path)
}

func grouped(t *testing.T) (l *Launcher, dir string) {
	t.Helper()
	tree, dir := service(t)
	l, err := NewLauncher(LauncherOptions{Groups: tree})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, dir
}

// A worker is in its group before its program runs, and nothing of it is left
// afterwards: also not what has left its session, lost its environment and was
// never seen among its children.
func TestGroupEndsWithTheWorker(t *testing.T) {
	testkit.Need(t, "setsid", "env")
	l, dir := grouped(t)
	p, r := run(t, l, `echo in $(grep ^0:: /proc/self/cgroup)
		env -i setsid -f sh -c 'setsid -f sh -c "echo left \$\$; exec sleep 987"'
		mkdir `+dir+`/worker-3.7/sub; sh -c 'echo $$ >`+dir+`/worker-3.7/sub/cgroup.procs; echo deep $$; exec sleep 988' &
		sleep 1000`)
	in := r.waitLine(t, "in ")
	if want := "0::/" + filepath.Base(dir) + "/worker-3.7"; in != want || "0::"+p.Group() != want {
		t.Errorf("the program ran in %s, and the group is %s; not %s", in, p.Group(), want)
	}
	var pids []int
	for _, word := range []string{"left ", "deep "} {
		pid, err := strconv.Atoi(r.waitLine(t, word))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
		testkit.Eventually(t, testkit.Timeout, func() bool { return name(pid) == "sleep" })
		if !p.Owns(pid) {
			t.Errorf("process %d is not the worker's", pid)
		}
	}
	u, err := p.Usage()
	if err != nil || u.Processes < 4 || u.Memory <= 0 || u.CPU <= 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
	p.Kill()
	if exit := waitDone(t, p); exit.Left != 0 || exit.OutOfMemory != cgroup.NoShortage {
		t.Errorf("%v, %d left", exit, exit.Left)
	}
	for _, pid := range pids {
		if exists(pid) {
			t.Errorf("process %d was left: %s", pid, ProcState(pid))
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "worker-3.7")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the group is still there: %v", err)
	}
}

// A group has processes of one worker only, also when its slot has two for a
// while, and a start that fails leaves none.
func TestGroupForEachProcess(t *testing.T) {
	l, dir := grouped(t)
	first, _ := run(t, l, "sleep 1000")
	second, _ := run(t, l, "sleep 1000")
	if filepath.Base(first.Group()) != "worker-3.7" || filepath.Base(second.Group()) != "worker-3.7-2" {
		t.Errorf("%s and %s", first.Group(), second.Group())
	}
	if first.Owns(second.PID()) {
		t.Error("one worker owns the other")
	}
	s := spec(t, "")
	s.ID, s.Command = 4, []string{"puma-of-old"}
	if _, err := l.Start(s, func(Line) {}); err == nil {
		t.Error("it started")
	}
	groups, err := filepath.Glob(filepath.Join(dir, "worker-*"))
	if err != nil || len(groups) != 2 {
		t.Errorf("groups %q, %v", groups, err)
	}
	first.Kill()
	waitDone(t, first)
	if exists, err := os.Stat(filepath.Join(dir, "worker-3.7-2")); err != nil || !exists.IsDir() {
		t.Error("the other one's group is gone")
	}
}

// A group that cannot be had is told, and the worker runs.
func TestNoGroup(t *testing.T) {
	l, dir := grouped(t)
	for n := range 64 {
		name := "worker-3.7"
		if n > 0 {
			name += fmt.Sprintf("-%d", n+1)
		}
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		defer unix.Rmdir(path)
	}
	p, _ := run(t, l, "sleep 1000")
	if p.Group() != "" || p.OutOfMemory() != cgroup.NoShortage {
		t.Errorf("group %q", p.Group())
	}
	if u, err := p.Usage(); err != nil || u.Processes < 1 {
		t.Errorf("usage %+v, %v", u, err)
	}
	p.Kill()
	waitDone(t, p)
}

// The kernel ends one worker that needs too much, and all of it.
func TestOutOfMemory(t *testing.T) {
	l, _ := grouped(t)
	const limit = 32 << 20
	s := spec(t, "")
	s.MemoryMax = limit
	s.Command = shell(`sleep 1000 & echo child $!; dd if=/dev/zero of=/dev/null bs=200000000 count=1; sleep 1000`)
	p, r := start(t, l, s)
	child, err := strconv.Atoi(r.waitLine(t, "child "))
	if err != nil {
		t.Fatal(err)
	}
	if !l.groups.Has(cgroup.Memory) {
		// The limit is not in force: nothing is ended, and nothing claims that it was.
		if p.OutOfMemory() != cgroup.NoShortage {
			t.Error("out of memory without a limit")
		}
		p.Kill()
		if exit := waitDone(t, p); exit.String() != "killed by SIGKILL" {
			t.Errorf("%s", exit)
		}
		return
	}
	exit := waitDone(t, p)
	if exit.OutOfMemory != cgroup.OwnLimit || exit.String() != "killed by SIGKILL (out of memory)" || p.OutOfMemory() != cgroup.OwnLimit {
		t.Errorf("%s, %v", exit, exit.OutOfMemory)
	}
	if exists(child) {
		t.Error("its child lives")
	}
}

// A forked worker leaves the mold's group for its own before it runs the app, and
// so outlives the mold.
func TestGroupOfAForkedWorker(t *testing.T) {
	l, dir := grouped(t)
	m, _ := newMold(t, l, "", `print("in", open("/proc/self/cgroup").read().split("0::")[1].split()[0], flush=True)
time.sleep(1000)`)
	p, r := forkWorker(t, m, 1)
	if in := r.waitLine(t, "in "); in != "/"+filepath.Base(dir)+"/worker-1.7" || p.Group() != in || filepath.Base(m.Group()) != "worker-0.0" {
		t.Errorf("the worker is in %s, its group is %s, and the mold's %s", in, p.Group(), m.Group())
	}
	m.Kill()
	waitDone(t, m.Process)
	if ended(p.PID()) {
		t.Error("the worker has ended with its mold")
	}
	p.Kill()
	waitDone(t, p)
	if groups, err := filepath.Glob(filepath.Join(dir, "worker-*")); err != nil || len(groups) > 0 {
		t.Errorf("groups %q, %v", groups, err)
	}
}

// The service's own limit ends one process. When that is the worker itself, the
// reason is known; when it is a child of the worker's, the worker was not ended.
func TestServiceOutOfMemory(t *testing.T) {
	l, dir := grouped(t)
	if !l.groups.Has(cgroup.Memory) {
		p, _ := run(t, l, "exec sh -c 'kill -KILL $$'")
		if exit := waitDone(t, p); exit.String() != "killed by SIGKILL" {
			t.Errorf("%s, and nothing tells why", exit)
		}
		return
	}
	for file, text := range map[string]string{"memory.max": "33554432", "memory.swap.max": "0"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	const eat = "dd if=/dev/zero of=/dev/null bs=200000000 count=1"
	p, r := run(t, l, eat+"; echo dd $?; sleep 1000")
	if r.waitLine(t, "dd ") != "137" || p.OutOfMemory() != cgroup.NoShortage {
		t.Errorf("%v, of a worker that lives", p.OutOfMemory())
	}
	p.Terminate()
	if exit := waitDone(t, p); exit.String() != "killed by SIGTERM" {
		t.Errorf("%s", exit)
	}
	p, _ = run(t, l, "exec "+eat)
	if exit := waitDone(t, p); exit.OutOfMemory != cgroup.Elsewhere || exit.String() != "killed by SIGKILL (out of memory)" {
		t.Errorf("%s", exit)
	}
}
