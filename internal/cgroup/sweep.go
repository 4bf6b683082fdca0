package cgroup

import (
	"context"
	"path"
	"strings"
	"time"
)

// sweepPause is the time between two tries to remove a group: its processes have
// been killed, and the kernel takes a moment.
const sweepPause = 10 * time.Millisecond

// Sweep ends what another ripd of this service has left, when that has ended: the
// processes in its workers' groups, and the groups. epoch is that ripd's. It waits
// for the processes until ctx ends, and gives the names of the groups that are
// left then.
func (t *Tree) Sweep(ctx context.Context, epoch int) (left []string) {
	for {
		left = nil
		names, err := t.files.Groups(t.dir)
		if err != nil {
			return nil // the service is gone, and with it all groups
		}
		for _, name := range names {
			if !t.left(name, epoch) {
				continue
			}
			dir := path.Join(t.dir, name)
			if strings.HasPrefix(name, workerName) {
				t.kill(dir)
			}
			if t.remove(dir, 0) != nil {
				left = append(left, name)
			}
		}
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

// left tells whether a group is of a ripd of that epoch, and not this one's.
func (t *Tree) left(name string, epoch int) bool {
	return epoch != t.epoch && epochOf(name) == epoch && (isLeaf(name) || strings.HasPrefix(name, workerName))
}
