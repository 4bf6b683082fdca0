package worker

import "syscall"

// Exit says how a worker's process ended.
type Exit struct {
	Code   int            // exit status; -1 when a signal ended it
	Signal syscall.Signal // 0 when it exited by itself
	Core   bool           // a core was dumped
	Left   int            // processes of the worker that could not be ended; 0 is the rule
}

// Clean reports whether the process exited by itself with status 0.
func (e Exit) Clean() bool { return e.Code == 0 && e.Signal == 0 }

// String says it for people: "exit status 3", "killed by SIGSEGV (core
// dumped)".
func (e Exit) String() string { return "" }
