package cgroup

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"
)

// sweepPause is the time between two tries to remove a group: its processes have
// been killed, and the kernel takes a moment.
const sweepPause = 10 * time.Millisecond

// Sweep ends what another ripd of this service has left, once that has ended: the
// processes in its workers' groups, and the groups. epoch is that ripd's. It waits
// until ctx ends, and gives the names of the groups that are left then.
func (t *Tree) Sweep(ctx context.Context, epoch int) (left []string) {
	for {
		left = t.sweep(epoch)
		if len(left) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return left
		case <-time.After(sweepPause):
		}
	}
}

func (t *Tree) sweep(epoch int) (left []string) {
	names, err := t.files.Groups(t.dir)
	if err != nil {
		return nil // the service is gone, and with it all groups
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !t.foreign(name, epoch) })
	if len(t.processes(path.Join(t.dir, leafName+epochSuffix(epoch)), 0)) > 0 {
		return names // it has not ended: its workers are its own
	}
	for _, name := range names {
		dir := path.Join(t.dir, name)
		if strings.HasPrefix(name, workerName) {
			t.kill(dir)
		}
		if t.remove(dir, 0) != nil {
			left = append(left, name)
		}
	}
	return left
}

// foreign tells whether a group is of a ripd of that epoch, and not this one's.
func (t *Tree) foreign(name string, epoch int) bool {
	return epoch != t.epoch && epochOf(name) == epoch && (isLeaf(name) || strings.HasPrefix(name, workerName))
}
