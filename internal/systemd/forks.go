package systemd

import (
	"os"
	"strings"
	"time"
)

// systemd forks itself for some of its work: since 254 to take a service's private /tmp
// away when the service has ended. Until such a process is scheduled for the first time
// it has copies of all of systemd's descriptors, and an address whose socket systemd
// closes and opens again meanwhile is still in use. So a socket unit whose service has
// ended waits for those processes (ExecStopPost= of ripd-control@.socket, which is the
// first that stops).

// AwaitForksArg is what the program is started with to wait for the forks.
const AwaitForksArg = "--await-forks"

// forksMost is how long RunAwaitForks waits at most: the start of a process takes
// milliseconds, on a machine that is overloaded some hundred of them.
const forksMost = 5 * time.Second

// forksEvery is how often it looks.
const forksEvery = 2 * time.Millisecond

// IsAwaitForks reports whether the program was started to wait for the forks. args are
// those of os.Args, the program's name included.
func IsAwaitForks(args []string) bool { return len(args) == 2 && args[1] == AwaitForksArg }

// RunAwaitForks returns the exit status, 0, when no fork of process 1 has copies of its
// sockets, and after 5 s in any case.
func RunAwaitForks() int {
	awaitForks("/proc", forksMost)
	return 0
}

// awaitForks reports whether there is no fork, before the time is over. What cannot be
// read is not waited for.
func awaitForks(proc string, most time.Duration) bool {
	for end := time.Now().Add(most); forked(proc); time.Sleep(forksEvery) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// forked reports whether a child of process 1 runs the same program and has one of the
// same sockets. A manager of a user runs that program, too, with sockets of its own; a
// service has the same sockets, and another program.
func forked(proc string) bool {
	program, err := os.Readlink(proc + "/1/exe")
	if err != nil {
		return false
	}
	children, err := os.ReadFile(proc + "/1/task/1/children")
	if err != nil {
		return false
	}
	var own map[string]bool
	for _, child := range strings.Fields(string(children)) {
		if its, err := os.Readlink(proc + "/" + child + "/exe"); err != nil || its != program {
			continue
		}
		if own == nil {
			own = socketsOf(proc + "/1")
		}
		for socket := range socketsOf(proc + "/" + child) {
			if own[socket] {
				return true
			}
		}
	}
	return false
}

// socketsOf gives the sockets that a process has open, as its links name them.
func socketsOf(process string) map[string]bool {
	sockets := map[string]bool{}
	entries, err := os.ReadDir(process + "/fd")
	if err != nil {
		return nil // it has ended
	}
	for _, e := range entries {
		if link, err := os.Readlink(process + "/fd/" + e.Name()); err == nil && strings.HasPrefix(link, "socket:") {
			sockets[link] = true
		}
	}
	return sockets
}
