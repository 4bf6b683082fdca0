// Package api is the language that ripd and its callers speak on the control
// socket: the types of every call, the error codes, the names of the routes
// and headers, where the sockets are found, and a client.
//
// Field names in JSON are lowerCamel. Lengths of time are whole milliseconds
// in fields whose names end in Ms; sizes are bytes in fields whose names end in
// Bytes; moments are RFC 3339 and are left out when they are unknown.
package api

// The routes of the control socket. docs/control-api.md describes each.
const (
	PathStatus  = "/v1/status"  // GET: Status
	PathWorkers = "/v1/workers" // GET: WorkerList
	PathConfig  = "/v1/config"  // GET: Config
	PathEvents  = "/v1/events"  // GET: one Event a line, until the caller leaves
	PathMetrics = "/metrics"    // GET: Prometheus text
	PathRestart = "/v1/restart" // POST RollRequest: Lines, last a Verdict
	PathReload  = "/v1/reload"  // POST RollRequest: Lines, last a Verdict
	PathScale   = "/v1/scale"   // POST ScaleRequest: Lines, last a Verdict
	PathStop    = "/v1/stop"    // POST StopRequest: Lines, last a Verdict
	PathUpgrade = "/v1/upgrade" // POST UpgradeRequest: Lines, last a Verdict
	PathDrain   = "/v1/drain"   // POST DrainRequest: OK
	PathResume  = "/v1/resume"  // POST DrainRequest: OK
	PathWorker  = "/v1/worker"  // POST Register or Deregister: OK; for workers
)

// The headers that the control socket adds to HTTP.
const (
	// HeaderVersion carries the version of who sends it, in requests of
	// ripctl and in every answer of ripd.
	HeaderVersion = "Rip-Version"
	// HeaderToken may carry a worker's RIP_TOKEN instead of the JSON field.
	HeaderToken = "Rip-Token"
)

// The media types of answers.
const (
	TypeJSON   = "application/json"
	TypeNDJSON = "application/x-ndjson" // one JSON value a line
)

// Bounds that both ends keep.
const (
	MaxRequestBytes = 1 << 20 // of a request's body
	MaxAnswerBytes  = 8 << 20 // of an answer that is one JSON value
	MaxLineBytes    = 1 << 20 // of one line of a stream
	MaxFiles        = 20000   // files that one registration may name
)

// OK is the answer of a call that has nothing else to say.
type OK struct {
	OK bool `json:"ok"` // always true; a failure answers with an Error
}
