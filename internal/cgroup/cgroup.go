// Package cgroup gives each worker a control group of its own (cgroups(7),
// version 2), inside of the group that the service manager has delegated to ripd's
// service. The kernel then counts memory and CPU of all that a worker has
// started, bounds it, and ends all of it in one step.
//
//	ripd@shop.service/   delegated: ripd may make groups here, and has no process here itself
//	  ripd/              ripd; the kernel allows limits only beside groups without processes
//	  worker-1.7/        worker 1 of generation 7
//	  worker-2.7/
//
// After an upgrade the names have its number: ripd.u1, worker-1.8.u1. So two
// ripds live in one service without meeting. systemd's own helpers, as ExecReload,
// have the group .control.
//
// All that can be missing (version 2, delegation, a controller) is: Open says
// what and why, and who calls goes on with what /proc tells.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The files of a group.
const (
	fileProcs       = "cgroup.procs"
	fileControllers = "cgroup.controllers"
	fileSubtree     = "cgroup.subtree_control"
	fileKill        = "cgroup.kill"
	fileEvents      = "cgroup.events"
)

// The names of groups.
const (
	leafName   = "ripd"
	workerName = "worker-"
)

// Memory is the controller that Limits need.
const Memory = "memory"

// wanted are the controllers that are switched on for workers, where the
// service has them.
var wanted = []string{"cpu", Memory, "pids"}

// attempts bounds the names that are tried for one group, and the tries to
// enter one.
const attempts = 64

// Options say where Open looks.
type Options struct {
	// Epoch is how many upgrades there have been since the service was started;
	// it is part of the groups' names. 0 is none.
	Epoch int
	// Proc is where proc(5) is mounted; "" means /proc.
	Proc string
	// Files reads and changes files and groups; nil means those of the system.
	Files Files
}

// Tree is the delegated group of a service. Its methods may be called from
// several goroutines at once.
type Tree struct {
	files       Files
	proc        string
	dir         string // in the file system
	path        string // as /proc/PID/cgroup has it
	epoch       int
	controllers []string // that workers' groups have, sorted
	lacking     string   // why there are not all of wanted; "": there are
}

// Open moves this process into a group of its own below the one that was
// delegated to it, and switches on the controllers that are there. The error
// says why workers cannot have groups. Nothing was changed then, except that the
// process may be in its own group already.
func Open(o Options) (*Tree, error) {
	t := &Tree{files: o.Files, proc: o.Proc, epoch: o.Epoch}
	if t.files == nil {
		t.files = System()
	}
	if t.proc == "" {
		t.proc = "/proc"
	}
	own, err := t.find()
	if err != nil {
		return nil, err
	}
	if err := t.settle(own); err != nil {
		return nil, err
	}
	if err := t.enable(); err != nil {
		return nil, err
	}
	return t, nil
}

// settle moves this process into its own group. It may come from the delegated
// one, from that of the ripd that has started it, or from one that the service
// manager has made (DelegateSubgroup=).
func (t *Tree) settle(own string) error {
	if own == path.Join(t.path, t.leaf()) {
		return nil
	}
	dir := path.Join(t.dir, t.leaf())
	var err error
	for range attempts { // an older ripd may remove the empty group before this one has entered it
		if err = t.files.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			break
		}
		if err = t.files.Write(path.Join(dir, fileProcs), "0"); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("ripd cannot enter a control group of its own: %w", err)
	}
	return nil
}

// enable switches on the controllers that are there and wanted. Those that
// cannot be are told by Lacking.
func (t *Tree) enable() error {
	present, err := t.words(t.dir, fileControllers)
	if err != nil {
		return fmt.Errorf("the service's control group: %w", err)
	}
	var missing, refused []string
	var refusal error
	for _, name := range wanted {
		if !slices.Contains(present, name) {
			missing = append(missing, name)
			continue
		}
		if err := t.files.Write(path.Join(t.dir, fileSubtree), "+"+name); err != nil {
			refused, refusal = append(refused, name), err
			continue
		}
		t.controllers = append(t.controllers, name)
	}
	var why []string
	if len(missing) > 0 {
		why = append(why, "the service's control group has no controller "+strings.Join(missing, ", "))
	}
	if len(refused) > 0 {
		why = append(why, fmt.Sprintf("the kernel does not switch on %s: %v", strings.Join(refused, ", "), refusal))
	}
	t.lacking = strings.Join(why, "; ")
	return nil
}

// Path is the delegated group as /proc/PID/cgroup has it:
// "/ripd.slice/ripd@shop.service".
func (t *Tree) Path() string { return t.path }

// Controllers are those that the workers' groups have, of cpu, memory and pids,
// sorted. Without memory, a group's memory is not known, and has no limit.
func (t *Tree) Controllers() []string { return slices.Clone(t.controllers) }

// Has tells whether the workers' groups have a controller.
func (t *Tree) Has(controller string) bool { return slices.Contains(t.controllers, controller) }

// Lacking says why the groups do not have all of cpu, memory and pids; "" when
// they have.
func (t *Tree) Lacking() string { return t.lacking }

// leaf is the name of this ripd's own group.
func (t *Tree) leaf() string { return leafName + epochSuffix(t.epoch) }

// epochSuffix ends the names of an epoch's groups.
func epochSuffix(epoch int) string {
	if epoch == 0 {
		return ""
	}
	return ".u" + strconv.Itoa(epoch)
}

// isLeaf tells whether this is the name of a ripd's own group.
func isLeaf(name string) bool {
	rest, found := strings.CutPrefix(name, leafName)
	return found && rest == epochSuffix(epochOf(rest))
}

// epochOf gives the epoch at the end of a name, 0 when there is none.
func epochOf(name string) int {
	_, text, found := cutLast(name, ".u")
	if !found {
		return 0
	}
	epoch, err := strconv.Atoi(text)
	if err != nil || epoch < 1 {
		return 0
	}
	return epoch
}

func cutLast(text, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(text, sep); i >= 0 {
		return text[:i], text[i+len(sep):], true
	}
	return text, "", false
}

// words reads a file of words.
func (t *Tree) words(dir, file string) ([]string, error) {
	text, err := t.files.Read(path.Join(dir, file))
	return strings.Fields(text), err
}
