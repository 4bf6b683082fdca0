// Package worker starts, watches and ends the processes of an app. It reports
// what happens to them and decides nothing: when to start the next one, and
// when one has had enough time, is its caller's business.
//
// A worker begins as ripd's own binary (the stub, see RunStub), which a
// Launcher starts with everything but the program itself in place. The stub
// puts the rest in order and executes the program, so that the worker's PID is
// the program's. A Process follows it to its end, and ends what it leaves
// behind.
package worker

import "ripd/internal/config"

// Spec says what to start.
type Spec struct {
	App        string   // the app's name
	ID         int      // the slot, from 1
	Generation int      // counts from 1
	Command    []string // program and arguments, in which $NAME is still to be expanded; see Expand
	Dir        string   // absolute; the working directory
	Env        []string // complete, as Environment makes it, with a token of its own; NOTIFY_SOCKET and LISTEN_… are added by Start
	Socket     string   // absolute path on which the worker is to listen; "" only when Ready needs none
	// Ready says which signs are watched for; with config.ReadyRegister, and "", none.
	Ready config.Ready
	// Activation makes Start open Socket, and gives it to the worker as
	// sd_listen_fds(3) says. To listen is then to accept a first connection.
	Activation bool
	// LineLimit is the most bytes of one line of output; 0 means DefaultLineLimit.
	LineLimit int
	// OOMScoreAdjust is written to /proc/PID/oom_score_adj (proc(5): -1000 to
	// 1000; lowering it takes a privilege). nil keeps ripd's own.
	OOMScoreAdjust *int
	// Batch has the worker, and what it starts, run with the policy SCHED_BATCH (sched(7)),
	// if ripd's own is SCHED_OTHER. Where that is denied (TryBatch), it keeps ripd's.
	Batch bool
	// MemoryMax is the most memory, in bytes, that the worker and all that it has
	// started may hold: the kernel ends them when they need more. 0 is no limit. It is
	// in force where LauncherOptions.Groups has the controller for it.
	MemoryMax int64
}

// listens reports whether listening is a sign of readiness.
func (s Spec) listens() bool { return s.Ready == config.ReadyAuto || s.Ready == config.ReadyListen }

// watched reports whether a sign of readiness is watched for.
func (s Spec) watched() bool {
	return s.listens() || s.Ready == config.ReadyNotify
}

// DefaultLineLimit bounds a line of output in bytes, when Spec says nothing.
const DefaultLineLimit = 16 << 10

// The values of Line.Stream.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Line is a line of a worker's output.
type Line struct {
	Worker     int    // Spec.ID
	PID        int    //
	Generation int    //
	Stream     string // Stdout or Stderr
	// Text has no line end. It is as the worker wrote it: it may hold control
	// characters and be no valid UTF-8. It is valid during the call only.
	Text []byte
	// Truncated tells that the line was longer than the limit: its next part
	// follows as the next Line of this stream.
	Truncated bool
}
