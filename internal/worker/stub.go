package worker

// StubArg is the hidden first argument with which ripd starts itself to become
// a worker.
const StubArg = "--worker-stub"

// IsStub reports whether the program was started as the stub. args are those of
// os.Args, the program's name included.
func IsStub(args []string) bool { return len(args) == 2 && args[1] == StubArg }

// RunStub turns this process into the worker that its launcher asked for. It
// returns only when that failed: the exit status. main calls it before
// anything else.
func RunStub(args, environ []string) int { return 127 }
