package journal

// The names of the fields. They are the same in JSON access lines, in ripd's
// own messages (as attributes of log/slog) and in docs/logging.md. A time span
// is in milliseconds and ends in _ms; a size is in bytes.
const (
	FieldApp        = "app"
	FieldStatus     = "status"
	FieldMethod     = "method"
	FieldPath       = "path"
	FieldPathBytes  = "path_bytes"
	FieldTotal      = "total_ms"
	FieldQueue      = "queue_ms"
	FieldWorkerTime = "worker_ms"
	FieldBytesIn    = "bytes_in"
	FieldBytesOut   = "bytes_out"
	FieldWorker     = "worker"
	FieldGeneration = "generation"
	FieldPID        = "pid"
	FieldClient     = "client"
	FieldRequestID  = "request_id"
	FieldProto      = "proto"
	FieldCause      = "cause"
	FieldRetried    = "retried"
	FieldStream     = "stream"
	FieldText       = "text"
	FieldRecord     = "record"
	FieldTruncated  = "truncated"
	FieldError      = "error"
	FieldSocket     = "socket"
	FieldState      = "state"
	FieldSignal     = "signal"
	FieldCode       = "code"
	FieldDropped    = "dropped"
)

// The messages (the field msg) of the lines that are not ripd's own messages.
const (
	MsgRequest = "request"
	MsgOutput  = "output"
)
