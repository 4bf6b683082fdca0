package worker

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"ripd/internal/cgroup"
)

// family recognises the processes of one worker. Most are of the leader's
// session, since the launcher gives each worker one of its own. Those that made
// themselves daemons have left it: they are known by the worker's control group; where
// it has none, by its token in their environment, or because they were seen as
// descendants before.
type family struct {
	leader   int
	ripd     int                // PID of ripd, the reaper of what loses its parent
	isLeader func(pid int) bool // of any worker
	entry    string             // "RIP_TOKEN=…"; "" when the worker has none
	group    *cgroup.Group      // nil when the worker has none

	mu   sync.Mutex
	seen map[int]uint64 // PID and start of those outside the leader's session
}

func newFamily(leader int, env []string, group *cgroup.Group, isLeader func(pid int) bool) *family {
	f := &family{leader: leader, ripd: os.Getpid(), isLeader: isLeader, group: group, seen: make(map[int]uint64)}
	if token, ok := lookup(env, "RIP_TOKEN"); ok && token != "" {
		f.entry = "RIP_TOKEN=" + token
	}
	return f
}

// inSession needs no look at the process: the kernel keeps the session's number
// from being used again as long as the leader was not reaped.
func (f *family) inSession(p procStat) bool { return p.session == f.leader || p.pgrp == f.leader }

func (f *family) wasSeen(p procStat) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	start, ok := f.seen[p.pid]
	return ok && start == p.start
}

// recognises tells whether p is of the family by itself, whoever its parent is.
func (f *family) recognises(p procStat) bool {
	if f.inSession(p) {
		return true
	}
	if f.isLeader(p.session) { // another worker's, whatever its token says
		return false
	}
	return f.wasSeen(p) || f.group != nil && f.group.Holds(p.pid) || f.entry != "" && !p.dead() && hasVariable(p.pid, f.entry)
}

// owns reports whether the living process pid is of the family, by itself or as
// a descendant.
func (f *family) owns(pid int) bool {
	for range treeMax {
		if pid <= 1 || pid == f.ripd {
			return false
		}
		// Most are known by this, which takes no descriptor: a ripd that has none left
		// must not turn its own workers away.
		if session, err := unix.Getsid(pid); err == nil && session == f.leader {
			return true
		}
		p, err := readStat(pid)
		if err != nil {
			return false
		}
		if f.recognises(p) {
			return true
		}
		pid = p.ppid
	}
	return false
}

// members gives all processes of the family, zombies included, but not the
// leader. It reads all of /proc, so that none can be missed.
func (f *family) members() ([]procStat, error) {
	table, err := allProcesses()
	if err != nil {
		return nil, err
	}
	kids := make(map[int][]procStat)
	for _, p := range table {
		kids[p.ppid] = append(kids[p.ppid], p)
	}
	var found []procStat
	// Whatever they do, they stay descendants of ripd.
	var walk func(parent int, ours bool)
	walk = func(parent int, ours bool) {
		for _, p := range kids[parent] {
			isOurs := ours || f.recognises(p)
			if isOurs && p.pid != f.leader {
				found = append(found, p)
			}
			walk(p.pid, isOurs)
		}
	}
	walk(f.ripd, false)
	f.remember(found)
	return found, nil
}

// look gives the leader and its descendants as ReadUsage sees them, with the
// daemons that were seen before, and remembers those that are outside the session.
func (f *family) look() []procStat {
	roots := []int{f.leader}
	f.mu.Lock()
	for pid, start := range f.seen {
		if p, err := readStat(pid); err == nil && p.start == start {
			roots = append(roots, pid)
		} else {
			delete(f.seen, pid)
		}
	}
	f.mu.Unlock()
	found := tree(roots...)
	f.remember(found)
	return found
}

func (f *family) remember(processes []procStat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range processes {
		if p.session != f.leader && len(f.seen) < treeMax {
			f.seen[p.pid] = p.start
		}
	}
}

// killProcess kills the very process that p was read from, and no later one
// that got its PID.
func killProcess(p procStat) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // an old kernel, or a sandbox
		return unix.Kill(p.pid, unix.SIGKILL)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	now, err := readStat(p.pid)
	if err != nil || now.start != p.start {
		return unix.ESRCH
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}
