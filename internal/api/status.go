package api

import "time"

// Health is how an app is, in one word.
type Health string

// The values of Health.
const (
	Healthy  Health = "healthy"  // at least one worker is ready and none is in a crash loop
	Degraded Health = "degraded" // it does not serve, or not with all its workers
	Stopping Health = "stopping" // it finishes what it has and takes nothing new
)

// Status is the answer of GET /v1/status: one app at a glance.
type Status struct {
	App               string       `json:"app"`                // the app's name
	Status            Health       `json:"status"`             // healthy, degraded or stopping
	Version           string       `json:"version"`            // of the ripd that answers
	PID               int          `json:"pid"`                // of that ripd
	Generation        int          `json:"generation"`         // of the newest workers that serve; counts from 1
	StartedAt         time.Time    `json:"startedAt,omitzero"` // when ripd started
	Uptime            Millis       `json:"uptimeMs"`           // since then
	URLs              []string     `json:"urls"`               // where clients reach the app
	Metrics           []string     `json:"metrics,omitempty"`  // where the metrics are, beside the control socket: listen.metrics
	Control           string       `json:"control"`            // path of the control socket that answers
	File              string       `json:"file,omitempty"`     // path of the configuration file; empty: none
	Adapter           string       `json:"adapter,omitempty"`  // what runs the app: exec, rack, …
	Workers           WorkerCounts `json:"workers"`            // how many are in which state
	Queue             Queue        `json:"queue"`              // what waits for a worker
	Connections       int          `json:"connections"`        // open connections of clients
	Upgraded          int          `json:"upgraded,omitempty"` // those of them that were switched to another protocol
	HTTP2             int          `json:"http2,omitempty"`    // those of them that speak HTTP/2
	Streams           int          `json:"streams,omitempty"`  // requests that are open on those
	Released          int          `json:"released,omitempty"` // answers that go on without a slot
	RequestsPerSecond float64      `json:"requestsPerSecond"`  // over the last seconds
	Totals            Totals       `json:"totals"`             // since ripd started
	Rolling           *Rolling     `json:"rolling,omitempty"`  // the roll that goes on; absent: none
	LastRoll          *Roll        `json:"lastRoll,omitempty"` // the roll that ended last; absent: none yet
	CrashLoops        []CrashLoop  `json:"crashLoops,omitempty"`
	Groups            *Groups      `json:"groups,omitempty"`      // the workers' control groups; absent: a ripd that knows none
	Maintenance       bool         `json:"maintenance,omitempty"` // an operator has requests answered with the maintenance page
	Preloaded         []Preloaded  `json:"preloaded,omitempty"`   // what workers are forked from; absent: each loads the app
	Notes             []string     `json:"notes,omitempty"`       // what ripd decided for itself, or wants an operator to know

	Certificates []Certificate `json:"certificates,omitempty"` // those in force, and those that are awaited; absent: no https
}

// Certificate is one of those that clients of the https listeners get, or one that ripd
// still awaits.
type Certificate struct {
	Names     []string  `json:"names"`              // the first ones, and how many there are more
	Source    string    `json:"source"`             // CertificateFile or CertificateACME
	Issuer    string    `json:"issuer,omitempty"`   // who has signed it; absent: it is awaited
	Ends      time.Time `json:"ends,omitzero"`      // when it ends; absent: it is awaited
	Problem   string    `json:"problem,omitempty"`  // why the last attempt to get or renew it failed
	ProblemAt time.Time `json:"problemAt,omitzero"` // when that was
}

// Where a certificate comes from.
const (
	CertificateFile = "file" // files of the settings, systemd's credentials, or ripd itself in the foreground
	CertificateACME = "acme" // an authority that ripd has asked
)

// Groups are the control groups that ripd gives to its workers, one each.
type Groups struct {
	Path        string   `json:"path,omitempty"`   // of the service's group, in which they are; absent: there are none
	Controllers []string `json:"controllers"`      // what they count and bound: cpu, memory, pids
	Reason      string   `json:"reason,omitempty"` // why there are none, or why controllers are missing
}

// Preloaded is a process that has loaded the app, or loads it, and is forked to make
// workers. During a roll there may be two.
type Preloaded struct {
	PID        int   `json:"pid"`
	Generation int   `json:"generation"`  // of its workers
	Memory     int64 `json:"memoryBytes"` // as a worker's
	Forks      int   `json:"forks"`       // workers that were made of it so far
}

// WorkerCounts is the number of workers in each state. Ready includes Busy.
type WorkerCounts struct {
	Wanted   int  `json:"wanted"`          // the number that ripd keeps up
	Auto     bool `json:"auto,omitempty"`  // Wanted follows from the CPUs
	Batch    bool `json:"batch,omitempty"` // they run by SCHED_BATCH (workers.scheduling)
	Ready    int  `json:"ready"`           // they take requests
	Busy     int  `json:"busy"`            // of the ready ones: they have a request now
	Starting int  `json:"starting"`        // their process runs, and is not ready yet
	Drained  int  `json:"drained"`         // an operator holds them back
	Retiring int  `json:"retiring"`        // they finish what they have and leave
	Waiting  int  `json:"waiting"`         // they crashed, and start again later
}

// Queue is what waits for a worker.
type Queue struct {
	Length     int    `json:"length"`                // requests that wait now
	Size       int    `json:"size"`                  // the most that may wait
	Timeout    Millis `json:"timeoutMs,omitempty"`   // the longest that one may wait
	OldestWait Millis `json:"oldestWaitMs,omitzero"` // how long the oldest has waited
}

// Totals counts since ripd started.
type Totals struct {
	Requests      uint64 `json:"requests"`      // answered, whatever the status
	Errors        uint64 `json:"errors"`        // of these, with a status of 500 and more
	QueueFull     uint64 `json:"queueFull"`     // answered 503: no place in the queue
	QueueTimeouts uint64 `json:"queueTimeouts"` // answered 504: waited too long for a worker
	NoWorker      uint64 `json:"noWorker"`      // answered 503: no worker could be had
	ReadTimeouts  uint64 `json:"readTimeouts"`  // answered 504: the worker took too long
	ClientsLeft   uint64 `json:"clientsLeft"`   // clients that left before their answer
	Retries       uint64 `json:"retries"`       // requests that were given to a second worker
	Respawns      uint64 `json:"respawns"`      // workers started in place of ones that ended
	Rolls         uint64 `json:"rolls"`         // rolls that ended, whatever the verdict
	Files         uint64 `json:"files"`         // answered with a file that ripd sent by itself
	BytesIn       uint64 `json:"bytesIn"`       // from clients
	BytesOut      uint64 `json:"bytesOut"`      // to clients
}

// Rolling is a roll that goes on.
type Rolling struct {
	Kind       string    `json:"kind"`               // KindRestart or KindReload
	Generation int       `json:"generation"`         // the one that comes
	Index      int       `json:"index"`              // the step it is at, from 1; 0 before the first
	Of         int       `json:"of"`                 // how many steps there are
	StartedAt  time.Time `json:"startedAt,omitzero"` // when it began
	Message    string    `json:"message,omitempty"`  // what it does or waits for
}

// Roll is a roll that has ended.
type Roll struct {
	Kind       string      `json:"kind"`             // KindRestart or KindReload
	Verdict    VerdictCode `json:"verdict"`          // done, rolled_back or failed
	Generation int         `json:"generation"`       // the one that serves since
	Reason     string      `json:"reason,omitempty"` // why it was not done
	Output     []string    `json:"output,omitempty"` // the app's last lines before it failed
	At         time.Time   `json:"at,omitzero"`      // when it ended
	Took       Millis      `json:"tookMs"`           // from its start to its end
}

// CrashLoop is a worker that ends again and again, soon after its start.
type CrashLoop struct {
	Worker    int       `json:"workerId"`            // its id
	Count     int       `json:"count"`               // ends in a row
	Since     time.Time `json:"since,omitzero"`      // of the first of them
	NextStart time.Time `json:"nextStart,omitzero"`  // when ripd tries again; absent: it starts now
	Exit      string    `json:"exit,omitempty"`      // how it ended last: "exit status 1", "signal: killed"
	LastWords []string  `json:"lastWords,omitempty"` // its last lines
}
