package api

import "time"

// WorkerState is where a worker is in its life.
type WorkerState string

// The values of WorkerState. A ready worker whose InFlight is not zero is busy.
const (
	WorkerStarting WorkerState = "starting" // the process runs, and is not ready yet
	WorkerReady    WorkerState = "ready"    // it takes requests
	WorkerDrained  WorkerState = "drained"  // held back by an operator; it may still finish what it has
	WorkerRetiring WorkerState = "retiring" // it finishes what it has, then it ends
	WorkerStopping WorkerState = "stopping" // told to end
	WorkerFailed   WorkerState = "failed"   // dropped after a failure; its process is being ended
	WorkerWaiting  WorkerState = "waiting"  // it crashed; NextStart says when it starts again
)

// Worker is one worker as operators see it.
type Worker struct {
	ID          int         `json:"workerId"`               // the slot, from 1
	PID         int         `json:"pid"`                    // 0: no process now
	Generation  int         `json:"generation"`             // counts from 1
	State       WorkerState `json:"state"`                  //
	External    bool        `json:"external,omitempty"`     // ripd did not start it
	InFlight    int         `json:"inFlight"`               // requests that it has now
	Handled     uint64      `json:"handled"`                // requests that it has finished
	Upgraded    int         `json:"upgraded,omitempty"`     // its connections that were switched to another protocol
	Released    int         `json:"released,omitempty"`     // its answers that go on without a slot
	Memory      int64       `json:"memoryBytes"`            // with its descendants: its group's without unused file cache, else resident; 0: unknown
	CPU         Millis      `json:"cpuMs"`                  // used so far, with its descendants
	Age         Millis      `json:"ageMs"`                  // since its process started
	LastRequest time.Time   `json:"lastRequest,omitzero"`   // when it was given one last; absent: never
	Request     string      `json:"request,omitempty"`      // method and path of the one that runs longest
	RunningFor  Millis      `json:"runningForMs,omitempty"` // how long that one runs
	Restarts    int         `json:"restarts"`               // starts of this slot that were not asked for by a roll
	NextStart   time.Time   `json:"nextStart,omitzero"`     // when it starts again; absent: nothing is due
	Socket      string      `json:"socket,omitempty"`       // path of the worker's socket
	Group       string      `json:"group,omitempty"`        // its control group, as in /proc/PID/cgroup; absent: none of its own
	LastWords   []string    `json:"lastWords,omitempty"`    // its last lines, when it ended by itself
}

// WorkerList is the answer of GET /v1/workers.
type WorkerList struct {
	App     string   `json:"app"`
	Workers []Worker `json:"workers"` // by id, then by generation
}

// The values of Register.Op and Deregister.Op.
const (
	OpRegister   = "register"
	OpDeregister = "deregister"
)

// Register is what a worker sends to POST /v1/worker when it is ready.
type Register struct {
	Op       string   `json:"op"`                // OpRegister
	App      string   `json:"app"`               // APP_NAME of its environment
	WorkerID int      `json:"workerId"`          // WORKER_ID of its environment; 0: an external worker asks to join
	PID      int      `json:"pid,omitempty"`     // 0: take the caller's
	Socket   string   `json:"socket,omitempty"`  // where it listens; "": SOCKET_PATH of its environment
	Version  string   `json:"version,omitempty"` // of the app or of its adapter, for people
	Token    string   `json:"token,omitempty"`   // RIP_TOKEN of its environment; the header Rip-Token does as well
	Files    []string `json:"files,omitempty"`   // what the app has loaded, absolute paths; for the reload mode process
}

// Deregister is what a worker sends to POST /v1/worker before it leaves.
type Deregister struct {
	Op       string `json:"op"`              // OpDeregister
	App      string `json:"app"`             // APP_NAME of its environment
	WorkerID int    `json:"workerId"`        // WORKER_ID of its environment
	PID      int    `json:"pid,omitempty"`   // 0: take the caller's
	Token    string `json:"token,omitempty"` // RIP_TOKEN of its environment
}
