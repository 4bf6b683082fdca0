package cgroup

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// top is where the fake kernel's groups are mounted.
const top = "/sys/fs/cgroup"

// kernel behaves as the kernel does with groups, as far as ripd depends on it.
type kernel struct {
	t      *testing.T
	self   int               // the process that calls
	where  map[int]string    // the group of each process, below top
	groups map[string]*group // by path below top; "/" is the first
	noKill bool              // it is older than cgroup.kill
	immune map[int]bool      // processes that hang in the kernel
	calls  []string          // that changed something
	refuse func(op, path, text string) error
	files  map[string]string // of /proc
}

type group struct {
	delegated bool
	subtree   []string // controllers that are switched on for those below
	files     map[string]string
}

func newKernel(t *testing.T) *kernel {
	k := &kernel{t: t, self: 100, where: map[int]string{100: "/ripd.slice/ripd@shop.service"}, immune: map[int]bool{},
		groups: map[string]*group{"/": {subtree: []string{"cpu", "memory", "pids"}}, "/ripd.slice": {subtree: []string{"cpu", "memory", "pids"}},
			"/ripd.slice/ripd@shop.service": {delegated: true}}, files: map[string]string{}}
	k.files["/proc/self/mountinfo"] = "24 30 0:22 / /proc rw,nosuid shared:13 - proc proc rw\n" +
		"35 24 0:30 / " + top + " rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
	return k
}

const shop = "/ripd.slice/ripd@shop.service"

func (k *kernel) open(epoch int) (*Tree, error) { return Open(Options{Epoch: epoch, Files: k}) }

func (k *kernel) mustOpen(epoch int) *Tree {
	k.t.Helper()
	tree, err := k.open(epoch)
	if err != nil {
		k.t.Fatal(err)
	}
	return tree
}

// members are the processes of a group, those below left out.
func (k *kernel) members(name string) (pids []int) {
	for pid := range 1000 {
		if at, found := k.where[pid]; found && at == name {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (k *kernel) children(name string) (names []string) {
	for other := range k.groups {
		if other != "/" && path.Dir(other) == name {
			names = append(names, path.Base(other))
		}
	}
	slices.Sort(names)
	return names
}

func (k *kernel) Read(file string) (string, error) {
	if file == "/proc/self/cgroup" {
		return k.Read("/proc/" + strconv.Itoa(k.self) + "/cgroup")
	}
	if text, found := k.files[file]; found {
		return text, nil
	}
	if rest, found := strings.CutPrefix(file, "/proc/"); found {
		pid, _ := strconv.Atoi(path.Dir(rest))
		if at, lives := k.where[pid]; lives {
			return "1:name=systemd:/\n0::" + at + "\n", nil
		}
		return "", fs.ErrNotExist
	}
	name, base := k.split(file)
	g := k.groups[name]
	if g == nil {
		return "", fs.ErrNotExist
	}
	switch base {
	case fileProcs:
		var text strings.Builder
		for _, pid := range k.members(name) {
			fmt.Fprintln(&text, pid)
		}
		return text.String(), nil
	case fileControllers:
		return strings.Join(k.controllers(name), " ") + "\n", nil
	}
	if text, found := g.files[base]; found {
		return text, nil
	}
	return "", fs.ErrNotExist
}

func (k *kernel) split(file string) (name, base string) {
	rest, inside := strings.CutPrefix(file, top)
	if !inside {
		k.t.Fatalf("%s is outside of %s", file, top)
	}
	return path.Dir(rest), path.Base(rest)
}

func (k *kernel) controllers(name string) []string {
	if name == "/" {
		return k.groups["/"].subtree
	}
	return k.groups[path.Dir(name)].subtree
}

func (k *kernel) Write(file, text string) error {
	name, base := k.split(file)
	if k.refuse != nil {
		if err := k.refuse("write", file, text); err != nil {
			return err
		}
	}
	g := k.groups[name]
	if g == nil {
		return fs.ErrNotExist
	}
	k.calls = append(k.calls, base+"="+text)
	switch base {
	case fileProcs:
		return k.enter(name, text)
	case fileSubtree:
		if len(k.members(name)) > 0 && name != "/" {
			return syscall.EBUSY // no internal processes
		}
		g.subtree = append(g.subtree, strings.TrimPrefix(text, "+"))
		return nil
	case fileKill:
		if k.noKill {
			return fs.ErrNotExist
		}
		k.kill(name)
		return nil
	}
	if _, found := g.files[base]; !found {
		return fs.ErrNotExist
	}
	g.files[base] = text
	return nil
}

func (k *kernel) enter(name, text string) error {
	if len(k.groups[name].subtree) > 0 {
		return syscall.EBUSY
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		k.t.Fatalf("%q is no process", text)
	}
	if pid == 0 {
		pid = k.self
	}
	if k.where[pid] == "" {
		return syscall.ESRCH
	}
	k.where[pid] = name
	return nil
}

func (k *kernel) kill(name string) {
	for pid, at := range k.where {
		if (at == name || strings.HasPrefix(at, name+"/")) && !k.immune[pid] {
			delete(k.where, pid)
		}
	}
}

func (k *kernel) Kill(pid int, still func() bool) {
	if still() && !k.immune[pid] {
		delete(k.where, pid)
	}
}

func (k *kernel) Mkdir(dir string) error {
	parent, base := k.split(dir)
	name := path.Join(parent, base)
	if k.refuse != nil {
		if err := k.refuse("mkdir", dir, ""); err != nil {
			return err
		}
	}
	switch {
	case k.groups[name] != nil:
		return fs.ErrExist
	case k.groups[parent] == nil:
		return fs.ErrNotExist
	}
	g := &group{files: map[string]string{"cpu.stat": "usage_usec 0\n"}}
	for _, c := range k.groups[parent].subtree {
		if c == Memory {
			g.files["memory.max"], g.files["memory.swap.max"], g.files["memory.oom.group"] = "max", "max", "0"
			g.files["memory.current"], g.files["memory.stat"], g.files["memory.events"] = "0\n", "anon 0\ninactive_file 0\n", "oom 0\noom_kill 0\n"
		}
	}
	k.groups[name] = g
	return nil
}

func (k *kernel) Rmdir(dir string) error {
	parent, base := k.split(dir)
	name := path.Join(parent, base)
	switch {
	case k.groups[name] == nil:
		return fs.ErrNotExist
	case len(k.members(name)) > 0 || len(k.children(name)) > 0:
		return syscall.EBUSY
	}
	delete(k.groups, name)
	return nil
}

func (k *kernel) Groups(dir string) ([]string, error) {
	parent, base := k.split(dir)
	name := path.Join(parent, base)
	if k.groups[name] == nil {
		return nil, fs.ErrNotExist
	}
	return k.children(name), nil
}

func (k *kernel) Delegated(dir string) bool {
	parent, base := k.split(dir)
	g := k.groups[path.Join(parent, base)]
	return g != nil && g.delegated
}
