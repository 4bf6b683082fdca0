package daemon

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// The guard is a small process between the old ripd and the new one. It waits
// for the new one, so that the old one learns how that ends, and is killed when
// the new one takes over: then the service manager is the parent of its
// new main process, as it has to be. systemd does not wait for the end of a main
// process that is not its child, and kills it in the middle of a stop.

// GuardArg is the hidden first argument with which ripd starts itself as a guard.
const GuardArg = "--upgrade-guard"

// guardFailed is its exit status when it could not start the program.
const guardFailed = 127

// IsGuard reports whether the program was started as a guard. args are those of
// os.Args, the program's name included.
func IsGuard(args []string) bool { return len(args) >= 4 && args[1] == GuardArg }

// RunGuard starts the program that the arguments name, after the number of
// descriptors that it inherits, with this process's own environment. It returns the
// program's exit status, 128 and more for a signal. SIGTERM is passed on; a
// second one kills.
func RunGuard(args []string) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	count, err := strconv.Atoi(args[2])
	if err != nil || count < firstHandedFD || count > firstHandedFD+maxHandedFiles {
		fmt.Fprintln(os.Stderr, "ripd: "+GuardArg+" is for ripd's own use")
		return guardFailed
	}
	files := make([]uintptr, count)
	for fd := range files {
		files[fd] = uintptr(fd)
	}
	pid, err := syscall.ForkExec(args[3], args[3:], &syscall.ProcAttr{Env: os.Environ(), Files: files})
	if err != nil {
		fmt.Fprintf(os.Stderr, "ripd: start %s: %v\n", args[3], err)
		return guardFailed
	}
	for fd := firstHandedFD; fd < count; fd++ {
		unix.Close(fd) // the link ends with the program
	}
	go func() {
		sig := syscall.SIGTERM
		for got := range signals {
			if got == syscall.SIGTERM { // the others reach the whole group
				_ = syscall.Kill(pid, sig)
				sig = syscall.SIGKILL
			}
		}
	}()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return guardFailed
		case status.Signaled():
			return exitSignal + int(status.Signal())
		default:
			return status.ExitStatus()
		}
	}
}

// release ends the guard of a new ripd that takes over. For that moment this
// process does not reap what loses its parent, so that the new ripd becomes the
// child of whoever is the parent of services here.
func (u *upgrade) release() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("give the new ripd away: %w", err)
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }() // it has succeeded before
	if !closed(u.ended) {
		_ = syscall.Kill(u.guard, syscall.SIGKILL)
		<-u.ended
	}
	if parentOf(u.pid) == os.Getpid() {
		return errors.New("the new ripd stays a child of this one")
	}
	return nil
}
