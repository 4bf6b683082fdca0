package api

// The kinds of long operations.
const (
	KindRestart = "restart" // a new generation from the configuration and the code as they are now
	KindReload  = "reload"  // the same, as the service manager asks for it
	KindScale   = "scale"
	KindStop    = "stop"
	KindUpgrade = "upgrade" // another ripd takes over
)

// StepKind is what a step of a long operation reports.
type StepKind string

// The values of StepKind.
const (
	StepNote     StepKind = "note"     // something to know; nothing moved on
	StepStarting StepKind = "starting" // a worker was started
	StepReady    StepKind = "ready"    // a worker is ready and takes requests
	StepDraining StepKind = "draining" // a worker gets nothing new and finishes what it has
	StepStopped  StepKind = "stopped"  // a worker's process has ended
	StepFailed   StepKind = "failed"   // a worker did not become ready, or did not end in time
	StepUndoing  StepKind = "undoing"  // the roll goes back
)

// Step is one step of a long operation. A person reads Index, Of and Message:
// "[2/4] worker 2: ready in 840 ms, draining the old one (1 in flight)".
type Step struct {
	Kind       StepKind `json:"kind"`
	Index      int      `json:"index,omitempty"`      // which step, from 1; 0: not one of the counted steps
	Of         int      `json:"of,omitempty"`         // how many there are; 0: not known
	Worker     int      `json:"workerId,omitempty"`   // which worker; 0: none in particular
	PID        int      `json:"pid,omitempty"`        // its process
	Generation int      `json:"generation,omitempty"` // its generation
	InFlight   int      `json:"inFlight,omitempty"`   // requests that the worker still has
	Took       Millis   `json:"tookMs,omitempty"`     // how long the step took
	Message    string   `json:"message"`              // the rest of the line for people, without "[2/4]"
}

// VerdictCode is how a long operation ended.
type VerdictCode string

// The values of VerdictCode.
const (
	VerdictDone       VerdictCode = "done"
	VerdictRolledBack VerdictCode = "rolled_back" // the new code did not start; the old workers serve
	VerdictFailed     VerdictCode = "failed"      // neither done nor undone; Reason says how things are
)

// Verdict ends a long operation.
type Verdict struct {
	OK         bool        `json:"ok"` // Verdict is done
	Verdict    VerdictCode `json:"verdict"`
	Kind       string      `json:"kind,omitempty"`       // KindRestart, KindReload, KindScale, KindStop or KindUpgrade
	Generation int         `json:"generation,omitempty"` // the one that serves now
	Reason     string      `json:"reason,omitempty"`     // one line: why it was not done
	Output     []string    `json:"output,omitempty"`     // the app's last lines before it failed
	Took       Millis      `json:"tookMs,omitempty"`     // from the start to the end
	Scale      *Scale      `json:"scale,omitempty"`      // of a scale: what became of it
	PID        int         `json:"pid,omitempty"`        // of an upgrade: the process of the ripd that serves now
	Version    string      `json:"version,omitempty"`    // of an upgrade: its version
}

// Line is one line of the answer to a long operation: exactly one of its
// fields is set. The last line of a complete answer is a verdict.
type Line struct {
	Step    *Step    `json:"step,omitempty"`
	Verdict *Verdict `json:"verdict,omitempty"`
}

// RollRequest is the body of POST /v1/restart and /v1/reload; it may be empty.
type RollRequest struct{}

// UpgradeRequest is the body of POST /v1/upgrade; it may be empty.
type UpgradeRequest struct {
	// Binary is the program to go on with, an absolute path. Empty means the
	// program that ripd was started from, as it is on disk now. Naming one is for
	// root and for the user who runs ripd: it runs with that user's rights.
	Binary string `json:"binary,omitempty"`
}

// StopRequest is the body of POST /v1/stop; it may be empty.
type StopRequest struct{}

// ScaleRequest is the body of POST /v1/scale.
type ScaleRequest struct {
	Workers string `json:"workers"` // "4", "+1", "-1" or "auto"
}

// Scale is what a scale did.
type Scale struct {
	Before int  `json:"before"`         // workers wanted until now
	After  int  `json:"after"`          // workers wanted from now on
	Auto   bool `json:"auto,omitempty"` // After follows from the CPUs
}

// DrainRequest is the body of POST /v1/drain and /v1/resume: one worker, or all.
type DrainRequest struct {
	Worker int  `json:"workerId,omitempty"` // the worker's id
	All    bool `json:"all,omitempty"`      // instead of Worker: all of them
	// Page, of a drain with All, has requests answered with the maintenance page at once,
	// instead of waiting.
	Page bool `json:"page,omitempty"`
}
