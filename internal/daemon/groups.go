package daemon

import (
	"context"
	"errors"
	"strings"
	"time"

	"ripd/internal/api"
	"ripd/internal/cgroup"
	"ripd/internal/config"
)

// sweepWait is how long the processes that another ripd has left may take to
// disappear when they are killed.
const sweepWait = 5 * time.Second

// errForeground is why a ripd in the foreground has no groups: the one it is in
// belongs to a shell, or to a container.
var errForeground = errors.New("ripd is in the foreground: a service of systemd's has them")

// groups are the control groups that this ripd may give to workers.
type groups struct {
	tree *cgroup.Tree // nil: there are none
	err  error        // why
}

// openGroups finds out whether workers can have control groups of their own. It
// moves ripd into one.
func (a *app) openGroups() {
	a.groups.err = errForeground
	if !a.config.Foreground {
		a.groups.tree, a.groups.err = cgroup.Open(cgroup.Options{Epoch: a.heir.epoch()})
	}
	switch g := a.groups; {
	case g.tree == nil && a.config.Foreground:
		a.log.Debug("workers have no control groups of their own; what they use is read from /proc", "reason", g.reason())
	case g.tree == nil:
		a.log.Info("workers have no control groups of their own; what they use is read from /proc", "reason", g.reason())
	case !g.tree.Has(cgroup.Memory):
		a.log.Info("workers have control groups of their own, and their memory is read from /proc", "reason", g.reason())
	default:
		a.log.Debug("workers have control groups of their own", "group", g.tree.Path(), "controllers", strings.Join(g.tree.Controllers(), " "))
	}
	a.notes = append(a.notes, a.groups.notes(a.config)...)
}

// reason says what is lacking, "" when nothing is.
func (g groups) reason() string {
	if g.tree == nil {
		return g.err.Error()
	}
	return g.tree.Lacking()
}

// notes says which settings are not in force because of what is lacking.
func (g groups) notes(c *config.Config) []string {
	if c.Workers.MaxMemoryHard == 0 || g.tree != nil && g.tree.Has(cgroup.Memory) {
		return nil
	}
	return []string{"workers.max_memory_hard is not in force: " + g.reason()}
}

// status is what operators are told.
func (g groups) status() *api.Groups {
	s := &api.Groups{Controllers: []string{}, Reason: g.reason()}
	if g.tree != nil {
		s.Path, s.Controllers = g.tree.Path(), append(s.Controllers, g.tree.Controllers()...)
	}
	return s
}

// sweepGroups ends what a ripd of another epoch, which has ended, has left.
func (a *app) sweepGroups(epoch int) {
	if a.groups.tree == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepWait)
	defer cancel()
	if left := a.groups.tree.Sweep(ctx, epoch); len(left) > 0 {
		a.log.Warn("another ripd's control groups stay: the kernel does not let go of their processes", "groups", strings.Join(left, " "))
	}
}

// shortage says in words why the kernel has ended a worker for want of memory; ""
// when it has not. limit is the worker's max_memory_hard.
func shortage(s cgroup.Shortage, limit int64) string {
	switch s {
	case cgroup.OwnLimit:
		return "out of memory (max_memory_hard " + config.FormatSize(limit) + ")"
	case cgroup.Elsewhere:
		return "out of memory (the limit of the service, or the machine's)"
	}
	return ""
}
