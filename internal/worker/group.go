package worker

import (
	"errors"
	"syscall"

	"ripd/internal/cgroup"
)

// enter puts a new process into a control group of its own, before the app's code
// runs in it. Without a group the worker runs all the same: /proc tells most of
// what the group would, and nothing bounds its memory.
func (l *Launcher) enter(s Spec, pid int) *cgroup.Group {
	if l.groups == nil {
		return nil
	}
	g, err := l.groups.New(s.ID, s.Generation, cgroup.Limits{Memory: s.MemoryMax})
	if err == nil {
		if err = g.Join(pid); err == nil {
			return g
		}
		err = errors.Join(err, g.Remove())
	}
	l.log.Warn("a worker runs without a control group of its own", "worker", s.ID, "pid", pid, "error", err)
	return nil
}

// Group is the worker's control group, as /proc/PID/cgroup has it; "" when it has
// none of its own.
func (p *Process) Group() string {
	if p.group == nil {
		return ""
	}
	return p.group.Path()
}

// OutOfMemory says whether the kernel has ended the worker for want of memory.
// It knows when the first connection of the worker breaks off. A worker without
// a control group is never known to be.
func (p *Process) OutOfMemory() cgroup.Shortage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return p.exit.OutOfMemory
	}
	if p.group == nil {
		return cgroup.NoShortage
	}
	// Where the group has no limit of its own, the kernel may have ended a child of
	// the worker's alone.
	shortage := p.group.OutOfMemory()
	if shortage != cgroup.NoShortage && !p.group.Bounded() {
		if leader, err := readStat(p.pid); err == nil && !leader.exiting() {
			return cgroup.NoShortage
		}
	}
	return shortage
}

// killGroup ends all that is in the worker's group, when its leader is dead. Those
// that will lose their parent are remembered, so that ripd reaps them.
func (p *Process) killGroup() {
	if p.group == nil {
		return
	}
	var members []procStat
	for _, pid := range p.group.Processes() {
		if member, err := readStat(pid); err == nil {
			members = append(members, member)
		}
	}
	p.family.remember(members)
	p.group.Kill()
}

// removeGroup removes the worker's group. It reports whether that has to be tried
// again, because the kernel is not done with the processes in it.
func (p *Process) removeGroup() (again bool) {
	if p.group == nil {
		return false
	}
	err := p.group.Remove()
	if err != nil && !errors.Is(err, syscall.EBUSY) {
		p.launcher.log.Warn("a worker's control group stays", "worker", p.spec.ID, "error", err)
		return false
	}
	return err != nil
}
