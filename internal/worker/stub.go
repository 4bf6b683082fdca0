package worker

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// StubArg is the hidden first argument with which ripd starts itself to become
// a worker.
const StubArg = "--worker-stub"

// stubFailed is the stub's exit status when it could not execute the program; the
// shell's own for that.
const stubFailed = 127

// IsStub reports whether the program was started as the stub. args are those of
// os.Args, the program's name included.
func IsStub(args []string) bool { return len(args) == 2 && args[1] == StubArg }

// RunStub turns this process into the worker that its launcher asked for. It
// returns only when that failed: the exit status. main calls it before
// anything else. It uses descriptors 3 to 5, which the launcher gave it, and
// neither of its arguments beyond IsStub.
//
// The launcher has put it into a session of its own, with /dev/null as input and
// pipes as output. The umask, the limits and the user stay ripd's.
func RunStub(args, environ []string) int {
	// What is set for a thread (signal mask, parent-death signal) has to be set
	// on the one that executes the program.
	runtime.LockOSThread()
	report := os.NewFile(reportFD, "report")
	if !IsStub(args) || !isPipe(ordersFD) || !isPipe(reportFD) {
		fmt.Fprintln(os.Stderr, "ripd: "+StubArg+" is for ripd's own use")
		return stubFailed
	}
	fmt.Fprint(report, reportFailed, becomeWorker(report), "\n")
	return stubFailed
}

// isPipe keeps a curious user's `ripd --worker-stub` from reading a terminal.
func isPipe(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// becomeWorker does not return when it succeeds.
func becomeWorker(report *os.File) error {
	ordersPipe := os.NewFile(ordersFD, "orders")
	o, err := readOrders(ordersPipe)
	if err != nil {
		return err
	}
	closeOnExec(3)
	if err := dieWith(o.Parent); err != nil {
		return err
	}
	if err := resetSignals(); err != nil {
		return err
	}
	if o.OOMScoreAdjust != nil {
		if err := adjustOOMScore("self", *o.OOMScoreAdjust); err != nil {
			return err
		}
	}
	if o.Batch {
		_, _ = changePolicy(0, schedOther, schedBatch) // better, not needed; ripd notes at its start where it cannot be
	}
	dir, argv, env := string(o.Dir), toStrings(o.Args), toStrings(o.Env)
	if err := enter(dir); err != nil {
		return err
	}
	program, err := findProgram(argv[0], env)
	if err != nil {
		return err
	}
	if o.Activation || o.Mold {
		// Last, since the orders' pipe had this number.
		if err := takeSocket(); err != nil {
			return err
		}
		defer runtime.KeepAlive(ordersPipe) // its finalizer would close the socket
	}
	if o.Activation {
		env = withActivation(env)
	}
	fmt.Fprint(report, reportExec)
	// Exec also gives back the soft limit of open files that this process was
	// started with: the Go runtime has raised its own.
	return execProblem(program, syscall.Exec(program, argv, env))
}

// dieWith makes the kernel kill this process when ripd's forking thread ends.
// It is SIGKILL and not SIGTERM: nobody is left to bound an orderly end, to read
// its output or to answer its clients, and the next ripd wants the socket. It is
// set after the stub was executed, since the kernel forgets it when a file with
// capabilities (a ripd that may open port 80) is; and the parent is checked
// afterwards, since it may have ended before.
func dieWith(parent int) error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("ask to die with ripd: %w", err)
	}
	if os.Getppid() != parent {
		return errors.New("ripd has ended")
	}
	return nil
}

// closeOnExec marks every descriptor from first on, so that the worker has none
// of them.
func closeOnExec(first int) {
	if unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) != nil {
		closeOnExecEach(first) // close_range(2) is missing in some sandboxes
	}
}

func closeOnExecEach(first int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		for fd := first; fd < 1<<16; fd++ {
			unix.CloseOnExec(fd)
		}
		return
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

// lastSignal is the kernel's _NSIG on all architectures but MIPS.
const lastSignal = 64

// resetSignals gives the worker the dispositions and the mask of a fresh
// process. Executing a program resets handlers, but what ripd's own parent ignored
// or blocked (nohup, a careless service manager) would stay so.
func resetSignals() error {
	for sig := 1; sig <= lastSignal; sig++ {
		if err := stopIgnoring(sig); err != nil {
			return err
		}
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil); err != nil {
		return fmt.Errorf("unblock signals: %w", err)
	}
	return nil
}

// stopIgnoring sets an ignored signal to its default. It asks the kernel, since
// os/signal cannot set a default that the process did not start with; only what is
// ignored is touched, so that the runtime's handlers stay until the execution.
func stopIgnoring(sig int) error {
	// struct kernel_sigaction: handler, flags, restorer (not everywhere), mask.
	var action [4]uint64
	const ignored = 1 // SIG_IGN
	const maskSize = 8
	pointer := uintptr(unsafe.Pointer(&action))
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), 0, pointer, maskSize, 0, 0); errno != 0 {
		return fmt.Errorf("read the disposition of signal %d: %w", sig, errno)
	}
	if action[0] != ignored {
		return nil
	}
	action = [4]uint64{}
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), pointer, 0, maskSize, 0, 0); errno != 0 {
		return fmt.Errorf("set signal %d to its default: %w", sig, errno)
	}
	return nil
}

// adjustOOMScore is for the process with this name in /proc.
func adjustOOMScore(process string, score int) error {
	if err := os.WriteFile("/proc/"+process+"/oom_score_adj", []byte(strconv.Itoa(score)), 0); err != nil {
		return fmt.Errorf("set the OOM score to %d: %w", score, errors.Unwrap(err))
	}
	return nil
}
