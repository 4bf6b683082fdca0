package worker

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The scheduling policies that matter here (sched(7)).
const (
	schedOther = 0
	schedBatch = 3
)

// schedResetOnFork may be set beside a policy, which children then do not get.
const schedResetOnFork = 1 << 30

// policyNames are those of the others.
var policyNames = map[int]string{1: "SCHED_FIFO", 2: "SCHED_RR", schedBatch: "SCHED_BATCH", 5: "SCHED_IDLE", 6: "SCHED_DEADLINE", 7: "SCHED_EXT"}

// batchPasses bounds how often SetBatch looks for threads that were started while it
// went through them.
const batchPasses = 4

// TryBatch reports whether workers can be made to run by SCHED_BATCH here: what the kernel,
// or a filter of system calls, says against it, or that ripd has a policy of its own, which
// workers keep. It tries with the calling thread.
func TryBatch() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	policy, err := policyOf(0)
	if err == nil && policy != schedOther {
		return fmt.Errorf("ripd itself runs by %s, and so do its workers", policyName(policy))
	}
	if err == nil {
		_, err = changePolicy(0, schedOther, schedBatch)
	}
	if err == nil {
		_, err = changePolicy(0, schedBatch, schedOther)
	}
	if err != nil {
		return fmt.Errorf("set the scheduling policy: %w", err)
	}
	return nil
}

func policyName(policy int) string {
	if name := policyNames[policy&^schedResetOnFork]; name != "" {
		return name
	}
	return fmt.Sprintf("the scheduling policy %#x", policy)
}

// SetBatch gives all threads of the worker, and of what it has started, the policy
// SCHED_BATCH, or takes it from them. Threads of other policies keep theirs: somebody has
// chosen those. So do processes of other users that the worker has started; that the worker
// itself is one is an error. Once the process has ended it is os.ErrProcessDone.
func (p *Process) SetBatch(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return os.ErrProcessDone
	}
	from, to := schedOther, schedBatch
	if !on {
		from, to = to, from
	}
	for range batchPasses {
		changed := false
		for _, member := range p.family.look() {
			// The leader is not reaped before ended is set. Another one may vanish, and a
			// process of the same user get its number: that is no worse off.
			did, err := changeThreads(member.pid, from, to)
			if err != nil && (member.pid == p.pid || !errors.Is(err, unix.EPERM)) {
				return fmt.Errorf("change how worker %d (process %d) is scheduled: %w", p.spec.ID, member.pid, err)
			}
			changed = changed || did
		}
		if !changed {
			break
		}
	}
	return nil
}

// changeThreads changes the policy of the threads of a process that have the policy from.
// One that ends meanwhile is no error.
func changeThreads(pid, from, to int) (changed bool, err error) {
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return false, nil // it has ended
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		did, err := changePolicy(tid, from, to)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return changed, err
		}
		changed = changed || did
	}
	return changed, nil
}

// changePolicy changes the policy of a thread, 0 for the calling one, if it is from. The
// nice value stays.
func changePolicy(tid, from, to int) (changed bool, err error) {
	if policy, err := policyOf(tid); policy != from || err != nil {
		return false, err
	}
	var priority int32 // a sched_param; 0 for these policies
	// Not sched_setattr(2): what that asks for no filter of system calls can see.
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), uintptr(to), uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return false, errno
	}
	return true, nil
}

// policyOf is the policy of a thread, 0 for the calling one, with its flags.
func policyOf(tid int) (int, error) {
	policy, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(tid), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(policy), nil
}
