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

// batchPasses bounds how often SetBatch looks for threads that were started while it
// went through them.
const batchPasses = 4

// TryBatch reports whether workers can run by SCHED_BATCH here: what the kernel, or a
// filter of system calls, says against it. It tries with the calling thread.
func TryBatch() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	changed, err := changePolicy(0, schedOther, schedBatch)
	if changed {
		_, err = changePolicy(0, schedBatch, schedOther)
	}
	if err != nil {
		return fmt.Errorf("set the scheduling policy: %w", err)
	}
	return nil
}

// SetBatch gives all threads of the worker, and of what it has started, the policy
// SCHED_BATCH, or takes it from them. Threads of other policies keep theirs: somebody has
// chosen those. Once the process has ended it is os.ErrProcessDone.
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
			if err != nil {
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
	policy, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETSCHEDULER, uintptr(tid), 0, 0)
	if errno != 0 {
		return false, errno
	}
	if int(policy) != from {
		return false, nil
	}
	var priority int32 // a sched_param; 0 for these policies
	// Not sched_setattr(2): what that asks for no filter of system calls can see.
	_, _, errno = unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(tid), uintptr(to), uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return false, errno
	}
	return true, nil
}
