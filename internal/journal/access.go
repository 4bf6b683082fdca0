package journal

import (
	"io"
	"strconv"
	"time"

	"ripd/internal/config"
)

// Bounds of what a client sent and an access line repeats. Longer values lose
// their middle.
const (
	// maxPath bounds path in a JSON line, in bytes.
	maxPath = 2048
	// maxMethod, maxClient and maxID bound the other fields, in bytes of a
	// JSON line and in columns of one for people.
	maxMethod = 32
	maxClient = 64
	maxID     = 64
)

// AccessOptions says what NewAccessLog needs.
type AccessOptions struct {
	// Mode is human (also the zero value), json or off.
	Mode config.Access
	// Out takes the lines. A *Sink is shared with the other logs and stays
	// open; with any other writer the log has a sink of its own.
	Out io.Writer
	// Color paints the status by its class (human).
	Color bool
	// App is the field app (json).
	App string
	// Stamp is the time that starts the line (human).
	Stamp Stamp
	// Choice chooses the lines; nil takes all of them.
	Choice *Choice
	// Width is the terminal's width in columns (human): the path takes what
	// the other columns leave. 0 means a path of 40 columns.
	Width int
}

// Access is one request as the access log tells it. The byte slices are views
// that need to be valid during Log only, and may hold any bytes.
type Access struct {
	// Time is when the answer was complete.
	Time time.Time
	// Status is the answer's; 0 when the client left before there was one.
	Status int
	// Method, Path (with its query), RequestID, and Client (the address
	// without the port) are as they came.
	Method, Path, RequestID, Client []byte
	// Total runs from the request's first byte to the end of its answer, Queue
	// is the time in the queue, Worker the time of the lease. Below 0 is 0.
	Total, Queue, Worker time.Duration
	// BytesIn and BytesOut count the bodies.
	BytesIn, BytesOut int64
	// WorkerID and Generation are 0 when no worker had the request.
	WorkerID, Generation int
	// Cause says why ripd answered itself or broke off: queue-full,
	// queue-timeout, no-worker, client-left, …; "" when a worker answered.
	Cause string
	// Retried: the request was given to a second worker.
	Retried bool
	// Proto is HTTP/1.0, HTTP/1.1, …
	Proto string
	// TLS is the version of TLS, 1.2 or 1.3; "" over plain HTTP.
	TLS string
}

// AccessLog writes one line for each request. Its methods may be called from
// several goroutines at once, and on a nil *AccessLog, which writes nothing.
type AccessLog struct {
	mode   config.Access
	sink   *Sink
	own    bool // the sink is closed with the log
	choice *Choice
	app    string
	human  human
	json   jsonLine
}

// NewAccessLog returns a log that is ready. Close ends it.
func NewAccessLog(o AccessOptions) *AccessLog {
	l := &AccessLog{mode: o.Mode, choice: o.Choice, app: o.App}
	if o.Mode == config.AccessOff || o.Out == nil {
		l.mode = config.AccessOff
		return l
	}
	var shared bool
	if l.sink, shared = o.Out.(*Sink); !shared {
		l.own = true
		l.sink = NewSink(SinkOptions{Out: o.Out, Report: LoggerOptions{
			JSON: o.Mode == config.AccessJSON, Color: o.Color, Stamp: o.Stamp, App: o.App,
		}})
	}
	l.human.init(o)
	l.json.init(o.App)
	return l
}

// Enabled reports whether Log writes anything.
func (l *AccessLog) Enabled() bool { return l != nil && l.mode != config.AccessOff }

// Log writes one line. It never blocks, keeps nothing of a, and allocates
// nothing unless the line is longer than lineSize.
func (l *AccessLog) Log(a *Access) {
	if !l.Enabled() {
		return
	}
	why := ""
	if l.choice != nil {
		if why = l.choice.choose(a); why == "" {
			return
		}
	}
	var room [lineSize]byte
	line := room[:0]
	if l.sink.entries != nil {
		line = l.appendEntry(line, a, why)
	} else if l.mode == config.AccessJSON {
		line = l.json.append(line, a)
	} else {
		line = l.human.append(line, a)
	}
	l.sink.put(line)
}

// lineSize is the room for a line on the stack, in bytes.
const lineSize = 1024

// appendEntry writes an entry for systemd's journal, whose text is the line for
// people.
func (l *AccessLog) appendEntry(b []byte, a *Access, why string) []byte {
	priority := byte(priorityInfo)
	if a.Status >= 500 {
		priority = priorityWarning
	}
	start := len(b)
	b = append(openEntry(b, priority), "SYSLOG_IDENTIFIER=ripd@"...)
	b = appendField(append(append(b, l.app...), '\n'), "RIP_APP", l.app)
	b = appendField(b, "RIP_LINE", MsgRequest)
	b = appendIntField(b, "HTTP_STATUS", int64(a.Status))
	b = append(appendColumn(append(b, "HTTP_METHOD="...), a.Method, maxMethod, false), '\n')
	b = append(appendColumn(append(b, "HTTP_PATH="...), a.Path, maxPath, false), '\n')
	b = append(appendColumn(append(b, "HTTP_CLIENT="...), a.Client, maxClient, false), '\n')
	b = append(appendMillis(append(b, "RIP_TOTAL_MS="...), a.Total), '\n')
	b = append(appendMillis(append(b, "RIP_QUEUE_MS="...), a.Queue), '\n')
	b = append(appendMillis(append(b, "RIP_WORKER_MS="...), a.Worker), '\n')
	b = appendIntField(b, "RIP_BYTES_IN", a.BytesIn)
	b = appendIntField(b, "RIP_BYTES_OUT", a.BytesOut)
	if a.WorkerID > 0 {
		b = appendIntField(b, "RIP_WORKER", int64(a.WorkerID))
		b = appendIntField(b, "RIP_GENERATION", int64(a.Generation))
	}
	if len(a.RequestID) > 0 {
		b = append(appendColumn(append(b, "REQUEST_ID="...), a.RequestID, maxID, false), '\n')
	}
	if a.TLS != "" {
		b = appendField(b, "RIP_TLS", a.TLS)
	}
	if a.Cause != "" {
		b = appendField(b, "RIP_CAUSE", a.Cause)
	}
	if a.Retried {
		b = append(b, "RIP_RETRIED=1\n"...)
	}
	if why != "" {
		b = appendField(b, "RIP_CHOSEN", why)
	}
	text := len(b)
	b = l.human.append(b, a)
	return closeEntry(b[:len(b)-1], start, text, 0)
}

// LeftOut returns how many lines were chosen since the start, and yet left out
// because there were too many in one second.
func (l *AccessLog) LeftOut() uint64 {
	if !l.Enabled() || l.choice == nil {
		return 0
	}
	return l.choice.leftOut.Load()
}

// Dropped returns how many lines the log's sink has lost since the start.
func (l *AccessLog) Dropped() uint64 {
	if !l.Enabled() {
		return 0
	}
	return l.sink.Dropped()
}

// Close writes what waits, for at most CloseTimeout, when the log's sink is
// its own; a shared sink stays open.
func (l *AccessLog) Close() error {
	if !l.Enabled() || !l.own {
		return nil
	}
	return l.sink.Close()
}

// jsonLine writes access lines as JSON.
type jsonLine struct {
	clock clock
	start string // from the time to the status, which is the same in all lines
}

func (j *jsonLine) init(app string) {
	j.clock.stamp = stampJSON
	j.start = jsonStart(MsgRequest, app) + `,"status":`
}

// jsonStart is what follows the time in a line that is not ripd's own message.
func jsonStart(msg, app string) string {
	return `","level":"INFO","msg":"` + msg + `","app":"` + string(appendString(nil, app)) + `"`
}

// append writes one line. The numbers are there in every line; request_id, tls,
// cause, retried and path_bytes only when they say something.
func (j *jsonLine) append(b []byte, a *Access) []byte {
	b = j.clock.append(append(b, `{"time":"`...), a.Time)
	b = strconv.AppendInt(append(b, j.start...), int64(a.Status), 10)
	b = appendShort(append(b, `,"method":"`...), a.Method, maxMethod)
	b = appendShort(append(b, `","path":"`...), a.Path, maxPath)
	b = append(b, '"')
	if len(a.Path) > maxPath {
		b = strconv.AppendInt(append(b, `,"path_bytes":`...), int64(len(a.Path)), 10)
	}
	b = appendMillis(append(b, `,"total_ms":`...), a.Total)
	b = appendMillis(append(b, `,"queue_ms":`...), a.Queue)
	b = appendMillis(append(b, `,"worker_ms":`...), a.Worker)
	b = strconv.AppendInt(append(b, `,"bytes_in":`...), a.BytesIn, 10)
	b = strconv.AppendInt(append(b, `,"bytes_out":`...), a.BytesOut, 10)
	b = strconv.AppendInt(append(b, `,"worker":`...), int64(a.WorkerID), 10)
	b = strconv.AppendInt(append(b, `,"generation":`...), int64(a.Generation), 10)
	b = appendShort(append(b, `,"client":"`...), a.Client, maxClient)
	b = append(b, '"')
	if len(a.RequestID) > 0 {
		b = append(appendShort(append(b, `,"request_id":"`...), a.RequestID, maxID), '"')
	}
	b = append(appendString(append(b, `,"proto":"`...), a.Proto), '"')
	if a.TLS != "" {
		b = append(appendString(append(b, `,"tls":"`...), a.TLS), '"')
	}
	if a.Cause != "" {
		b = append(appendString(append(b, `,"cause":"`...), a.Cause), '"')
	}
	if a.Retried {
		b = append(b, `,"retried":true`...)
	}
	return append(b, "}\n"...)
}
