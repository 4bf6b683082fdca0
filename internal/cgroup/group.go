package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits bound one worker.
type Limits struct {
	// Memory is the most that the worker and all that it has started may hold, in
	// bytes; 0 is no limit. When they need more, the kernel ends all of them. Where
	// the groups have no controller for it, see Tree.Has, it is not in force.
	Memory int64
}

// Group is the control group of one worker.
type Group struct {
	tree *Tree
	name string
	dir  string
	// bounded tells that the kernel ends the whole group at its limit.
	bounded bool
}

// Usage is what all processes of a group use, by the kernel's account.
type Usage struct {
	// Memory is in bytes, -1 where nothing counts it: all that the group holds, the
	// file cache that it has not used lately (inactive_file) left out. That cache
	// costs nobody anything, since the kernel drops it as soon as memory is
	// wanted.
	Memory int64
	// CPU is what the group has used so far, processes that have ended included.
	CPU time.Duration
}

// New makes the group of a worker, without processes. A name that is taken (a
// worker's slot may have an old and a new process for a while) gets a number.
//
// id is the worker's slot; 0 is a process that workers are forked from.
func (t *Tree) New(id, generation int, l Limits) (*Group, error) {
	base := fmt.Sprintf("%s%d.%d", workerName, id, generation)
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		name += epochSuffix(t.epoch)
		g := &Group{tree: t, name: name, dir: path.Join(t.dir, name)}
		err := t.files.Mkdir(g.dir)
		switch {
		case errors.Is(err, fs.ErrExist) && n < attempts:
			continue
		case err != nil:
			return nil, fmt.Errorf("make the worker's control group: %w", err)
		}
		if err := g.limit(l); err != nil {
			return nil, errors.Join(err, g.Remove())
		}
		return g, nil
	}
}

// limit puts limits into force.
func (g *Group) limit(l Limits) error {
	if l.Memory <= 0 || !g.tree.Has(Memory) {
		return nil
	}
	// A worker that is half dead serves nobody: all of it goes at once.
	if err := g.write("memory.oom.group", "1"); err != nil {
		return fmt.Errorf("have the kernel end a worker whole: %w", err)
	}
	// Swap would let a worker hold more than the limit, slowly. Kernels without
	// swap accounting have no such file.
	if err := g.write("memory.swap.max", "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep a worker from the swap: %w", err)
	}
	if err := g.write("memory.max", strconv.FormatInt(l.Memory, 10)); err != nil {
		return fmt.Errorf("limit a worker's memory: %w", err)
	}
	g.bounded = true
	return nil
}

func (g *Group) write(file, text string) error {
	return g.tree.files.Write(path.Join(g.dir, file), text)
}

// Path is the group as /proc/PID/cgroup has it.
func (g *Group) Path() string { return path.Join(g.tree.path, g.name) }

// Join puts a process with all its threads into the group. What it starts from
// then on is born there, and cannot leave but by a privilege of ripd's user.
func (g *Group) Join(pid int) error {
	if err := g.write(fileProcs, strconv.Itoa(pid)); err != nil {
		return fmt.Errorf("put process %d into the control group %s: %w", pid, g.name, err)
	}
	return nil
}

// Holds tells whether a living process is in the group, or in one below it.
func (g *Group) Holds(pid int) bool { return g.tree.holds(g.dir, pid) }

func (t *Tree) holds(dir string, pid int) bool {
	text, err := t.files.Read(t.proc + "/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return false
	}
	group, found := groupOf(text)
	if !found {
		return false
	}
	rest, _ := below(t.dir, dir)
	_, inside := below(path.Join(t.path, rest), group)
	return inside
}

// Processes gives the processes in the group and in those below it, zombies
// left out.
func (g *Group) Processes() []int { return g.tree.processes(g.dir, 0) }

// depthMost bounds how deep groups in groups are followed. An app that makes
// its own is rare, and none needs more than a few.
const depthMost = 16

func (t *Tree) processes(dir string, depth int) []int {
	words, err := t.words(dir, fileProcs)
	if err != nil || depth > depthMost {
		return nil // it is gone
	}
	var pids []int
	for _, word := range words {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	groups, err := t.files.Groups(dir)
	if err != nil {
		return pids
	}
	for _, name := range groups {
		pids = append(pids, t.processes(path.Join(dir, name), depth+1)...)
	}
	return pids
}

// Usage reads what the group uses now.
func (g *Group) Usage() (Usage, error) {
	u := Usage{Memory: -1}
	cpu, err := g.tree.table(g.dir, "cpu.stat") // it is there without the controller
	if err != nil {
		return u, fmt.Errorf("what the control group %s uses: %w", g.name, err)
	}
	u.CPU = time.Duration(cpu["usage_usec"]) * time.Microsecond
	if !g.tree.Has(Memory) {
		return u, nil
	}
	text, err := g.tree.files.Read(path.Join(g.dir, "memory.current"))
	if err != nil {
		return u, fmt.Errorf("what the control group %s uses: %w", g.name, err)
	}
	total, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return u, fmt.Errorf("memory.current of the control group %s: %w", g.name, err)
	}
	stat, err := g.tree.table(g.dir, "memory.stat")
	if err != nil {
		return u, fmt.Errorf("what the control group %s uses: %w", g.name, err)
	}
	u.Memory = max(0, total-stat["inactive_file"])
	return u, nil
}

// Shortage is why the kernel has ended processes of a group for want of memory.
type Shortage uint8

// The kinds of shortage.
const (
	// NoShortage: it has ended none.
	NoShortage Shortage = iota
	// OwnLimit: the group has reached Limits.Memory.
	OwnLimit
	// Elsewhere: the service has reached its limit, or the machine has no memory
	// left.
	Elsewhere
)

// OutOfMemory says whether the kernel has ended processes of the group. It knows
// before anybody can see that one has ended. Without the controller it is
// NoShortage.
func (g *Group) OutOfMemory() Shortage {
	events, err := g.tree.table(g.dir, "memory.events")
	switch {
	case err != nil || events["oom_kill"] == 0:
		return NoShortage
	case g.bounded && events["oom"] > 0: // how often this group's own limit left no way out
		return OwnLimit
	}
	return Elsewhere
}

// Bounded tells whether Limits.Memory is in force. Then the kernel ends all
// processes of the group together.
func (g *Group) Bounded() bool { return g.bounded }

// table reads a file of lines with a name and a number.
func (t *Tree) table(dir, file string) (map[string]int64, error) {
	text, err := t.files.Read(path.Join(dir, file))
	if err != nil {
		return nil, err
	}
	table := map[string]int64{}
	for line := range strings.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			table[name] = n
		}
	}
	return table, nil
}

// Kill sends SIGKILL to all processes in the group and in those below it. No
// process can fork out of it, where the kernel is 5.14 or newer.
func (g *Group) Kill() { g.tree.kill(g.dir) }

func (t *Tree) kill(dir string) {
	if t.files.Write(path.Join(dir, fileKill), "1") == nil {
		return
	}
	for range attempts {
		pids := t.processes(dir, 0)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			t.files.Kill(pid, func() bool { return t.holds(dir, pid) })
		}
	}
}

// Remove removes the group, and those below it. It is syscall.EBUSY as long as a
// process is left, and no error when the group is gone.
func (g *Group) Remove() error {
	if err := g.tree.remove(g.dir, 0); err != nil {
		return fmt.Errorf("remove the control group %s: %w", g.name, err)
	}
	return nil
}

func (t *Tree) remove(dir string, depth int) error {
	if depth > depthMost {
		return syscall.ELOOP
	}
	groups, err := t.files.Groups(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range groups {
		if err := t.remove(path.Join(dir, name), depth+1); err != nil {
			return err
		}
	}
	if err := t.files.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
