package worker

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"ripd/internal/cgroup"
)

// Exit says how a worker's process ended.
type Exit struct {
	Code   int            // exit status; -1 when a signal ended it
	Signal syscall.Signal // 0 when it exited by itself
	Core   bool           // a core was dumped
	Left   int            // processes of the worker that could not be ended in time; 0 is the rule
	// OutOfMemory tells that the kernel ended it for want of memory; it is known of
	// workers with a control group of their own.
	OutOfMemory cgroup.Shortage
}

func newExit(status syscall.WaitStatus) Exit {
	if status.Signaled() {
		return Exit{Code: -1, Signal: status.Signal(), Core: status.CoreDump()}
	}
	return Exit{Code: status.ExitStatus()}
}

// Clean reports whether the process exited by itself with status 0.
func (e Exit) Clean() bool { return e.Code == 0 && e.Signal == 0 }

// String says it for people: "exit status 3", "killed by SIGSEGV (core
// dumped)".
func (e Exit) String() string {
	text := fmt.Sprintf("exit status %d", e.Code)
	if e.Signal != 0 {
		text = "killed by " + signalName(e.Signal)
	}
	if e.Core {
		text += " (core dumped)"
	}
	if e.OutOfMemory != cgroup.NoShortage {
		text += " (out of memory)"
	}
	switch e.Left {
	case 0:
	case 1:
		text += ", 1 of its processes could not be ended"
	default:
		text += fmt.Sprintf(", %d of its processes could not be ended", e.Left)
	}
	return text
}

// signalName gives "SIGTERM" for 15. Real-time signals have only numbers.
func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}
