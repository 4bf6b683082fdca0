// Package metrics counts what ripd does and shows it in the format of
// Prometheus. Counters and histograms are written on the way of a request
// without a lock or an allocation; gauges are read once for each scrape.
package metrics

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes bounds the scrapes at work at once; a further one is answered 503.
const maxScrapes = 4

// Options says what New needs.
type Options struct {
	// App is the app's name. It becomes the label app of every metric.
	App string
	// Version is ripd's own version, shown by ripd_build_info.
	Version string
	// Snapshot is called once for each scrape, from any goroutine. nil means
	// that all gauges are 0.
	Snapshot func() Gauges
}

// Metrics holds the counters of one ripd. Its methods may be called from
// several goroutines at once, and on a nil *Metrics, where they do nothing.
type Metrics struct {
	registry *prometheus.Registry

	// One child a class, found by index: no look-up on the way of a request.
	requests [len(classes)]prometheus.Counter
	seconds  *histogram
	wait     *histogram
	bytesIn  prometheus.Counter
	bytesOut prometheus.Counter

	rejected  *byCause
	limits    *byCause
	retried   *byCause
	respawned *byCause
	rolled    *byCause
	upgraded  *byCause
	files     *byCause

	streams               prometheus.Counter
	tunnels               prometheus.Counter
	released              prometheus.Counter
	tunnelsIn, tunnelsOut prometheus.Counter

	compressed                        *byCause
	compressedBefore, compressedAfter prometheus.Counter

	handshakes       *prometheus.CounterVec
	handshakesFailed *byCause
	headersRefused   *byCause
	evicted          *byCause
}

// classes are the values of the label class, by the status's first digit.
var classes = [...]string{0: "none", 1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

// The values that causes and verdicts are known to take. They are shown from
// the start, as 0, so that a rate can be computed from their first event on.
func knownRejections() []string {
	return []string{
		"queue-full", "queue-timeout", "no-worker", "stopping", "upgrades-full", "spool-failed", "no-descriptors", "streams-full",
		"connect-failed", "connection-closed", "write-failed", "read-failed", "bad-answer", "read-timeout", "file-refused", "maintenance",
	}
}

func knownRetries() []string {
	return []string{"connect-failed", "connection-closed", "worker-busy"}
}

func knownRespawns() []string {
	return []string{"exited", "start-failed", "connect-failed", "write-failed", "read-failed", "bad-answer", "read-timeout", "out-of-memory"}
}

func knownFiles() []string { return []string{"static", "x-sendfile", "x-accel-redirect"} }

func knownHandshakeFailures() []string {
	return []string{"client-left", "cut", "plain-http", "protocol", "timeout"}
}

func knownHeaderFailures() []string {
	return []string{"client-left", "cut", "malformed", "missing", "timeout"}
}

func knownEvictions() []string { return []string{"silent", "begun", "handshake", "idle"} }

func knownVerdicts() []string { return []string{"done", "rolled_back", "failed"} }

// New returns metrics with a registry of their own.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	r := prometheus.WrapRegistererWith(prometheus.Labels{"app": strings.ToValidUTF8(o.App, "")}, m.registry)

	requests := counters(r, "ripd_requests_total", "Requests that have ended, by class of the answer's status; none: the client left before there was an answer.", "class")
	for i, class := range classes {
		m.requests[i] = requests.WithLabelValues(class)
	}
	m.seconds = newHistogram(r, "ripd_request_seconds", "Time from a request's first byte to the end of its answer.")
	m.wait = newHistogram(r, "ripd_queue_wait_seconds", "Time that requests waited in the queue, those that were given up included.")
	bytes := counters(r, "ripd_bytes_total", "Bytes of bodies, by direction: in from clients, out to clients.", "direction")
	m.bytesIn, m.bytesOut = bytes.WithLabelValues("in"), bytes.WithLabelValues("out")

	m.rejected = newByCause(counters(r, "ripd_rejected_total", "Requests that ripd answered because no worker did, by cause.", "cause"), knownRejections())
	m.limits = newByCause(counters(r, "ripd_limit_hits_total", "How often a bound was reached, by its setting, or by what the machine lacked.", "limit"), knownLimits())
	m.evicted = newByCause(counters(r, "ripd_evicted_total", "Connections that were closed so that others could come (limits.connections, open-files), by what they had done: silent, a part of a head or of a handshake begun, a handshake answered, or idle after a request.", "state"), knownEvictions())
	m.retried = newByCause(counters(r, "ripd_retries_total", "Requests that were given to a second worker, by cause.", "cause"), knownRetries())
	m.respawned = newByCause(counters(r, "ripd_respawns_total", "Workers that ended unasked and were replaced, by cause.", "cause"), knownRespawns())
	m.rolled = newByCause(counters(r, "ripd_rolls_total", "Rolls that have ended, by verdict.", "verdict"), knownVerdicts())
	m.upgraded = newByCause(counters(r, "ripd_upgrades_total", "Upgrades of ripd itself, by verdict.", "verdict"), knownVerdicts())

	m.files = newByCause(counters(r, "ripd_files_total", "Answers with a file that ripd has sent by itself, by how it was asked for.", "kind"), knownFiles())

	m.streams = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ripd_http2_connections_total", Help: "Connections whose clients chose HTTP/2.",
	})
	r.MustRegister(m.streams)
	m.tunnels = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ripd_tunnels_total", Help: "Connections that were switched to another protocol, such as WebSocket.",
	})
	r.MustRegister(m.tunnels)
	m.released = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "ripd_released_total", Help: "Answers that went on without a slot of their worker (Rip-Release: early).",
	})
	r.MustRegister(m.released)
	through := counters(r, "ripd_tunnel_bytes_total", "Bytes through connections that were switched to another protocol, by direction: in from clients, out to clients.", "direction")
	m.tunnelsIn, m.tunnelsOut = through.WithLabelValues("in"), through.WithLabelValues("out")

	m.compressed = newByCause(counters(r, "ripd_compressed_total", "Answers that were compressed, by content coding.", "coding"), []string{"gzip", "zstd"})
	sizes := counters(r, "ripd_compression_bytes_total", "Bytes of bodies of these answers, by side: before and after the compression.", "side")
	m.compressedBefore, m.compressedAfter = sizes.WithLabelValues("before"), sizes.WithLabelValues("after")

	m.handshakes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ripd_tls_handshakes_total", Help: "TLS handshakes that succeeded, by version, and by whether a session was resumed.",
	}, []string{"version", "resumed"})
	r.MustRegister(m.handshakes)
	for _, version := range []string{"1.2", "1.3"} {
		for _, resumed := range []string{"false", "true"} {
			m.handshakes.WithLabelValues(version, resumed)
		}
	}
	m.handshakesFailed = newByCause(counters(r, "ripd_tls_handshake_failures_total", "TLS handshakes that failed, by cause.", "cause"), knownHandshakeFailures())
	m.headersRefused = newByCause(counters(r, "ripd_proxy_header_failures_total", "Connections of trusted proxies that were closed for want of a good PROXY header, by cause.", "cause"), knownHeaderFailures())

	r.MustRegister(
		newSnapshots(o),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func counters(r prometheus.Registerer, name, help, label string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	r.MustRegister(c)
	return c
}

// Done counts one request that has ended, whoever answered it. status is the
// answer's (0 when the client left before there was one), wait the time in the
// queue (negative: it was never admitted to it), total the time from its first
// byte to the end of its answer, in and out the bytes of the bodies.
func (m *Metrics) Done(status int, wait, total time.Duration, in, out int64) {
	if m == nil {
		return
	}
	class := status / 100
	if class < 0 || class >= len(classes) {
		class = 0
	}
	m.requests[class].Inc()
	m.seconds.observe(total)
	if wait >= 0 {
		m.wait.observe(wait)
	}
	if in > 0 {
		m.bytesIn.Add(float64(in))
	}
	if out > 0 {
		m.bytesOut.Add(float64(out))
	}
}

// Rejected counts one request that ripd answered because no worker did:
// queue-full, queue-timeout, no-worker, stopping, connect-failed, ….
func (m *Metrics) Rejected(cause string) {
	if m != nil {
		m.rejected.count(cause)
	}
}

// Retried counts one request that was given to a second worker:
// connect-failed, connection-closed, worker-busy.
func (m *Metrics) Retried(cause string) {
	if m != nil {
		m.retried.count(cause)
	}
}

// Respawned counts one worker that ended unasked and was replaced: exited,
// start-failed, read-timeout, ….
func (m *Metrics) Respawned(cause string) {
	if m != nil {
		m.respawned.count(cause)
	}
}

// Rolled counts one roll: done, rolled_back, failed.
func (m *Metrics) Rolled(verdict string) {
	if m != nil {
		m.rolled.count(verdict)
	}
}

// Upgraded counts one upgrade of ripd: done (counted by the ripd that has taken
// over), rolled_back, failed.
func (m *Metrics) Upgraded(verdict string) {
	if m != nil {
		m.upgraded.count(verdict)
	}
}

// File counts an answer with a file, by how it was asked for.
func (m *Metrics) File(kind string) {
	if m != nil {
		m.files.count(kind)
	}
}

// StreamsOpened counts one connection of HTTP/2.
func (m *Metrics) StreamsOpened() {
	if m != nil {
		m.streams.Inc()
	}
}

// TunnelOpened counts one connection that was switched to another protocol.
func (m *Metrics) TunnelOpened() {
	if m != nil {
		m.tunnels.Inc()
	}
}

// AnswerReleased counts one answer that goes on without a slot of its worker.
func (m *Metrics) AnswerReleased() {
	if m != nil {
		m.released.Inc()
	}
}

// TunnelMoved counts bytes that went through such a connection; in: from the client.
func (m *Metrics) TunnelMoved(in bool, bytes int) {
	switch {
	case m == nil:
	case in:
		m.tunnelsIn.Add(float64(bytes))
	default:
		m.tunnelsOut.Add(float64(bytes))
	}
}

// Compressed counts one answer that was compressed with the coding, and the bytes of
// its body before and after.
func (m *Metrics) Compressed(coding string, before, after int64) {
	if m != nil {
		m.compressed.count(coding)
		m.compressedBefore.Add(float64(before))
		m.compressedAfter.Add(float64(after))
	}
}

// Handshake counts one TLS handshake that succeeded. version is 1.2 or 1.3.
func (m *Metrics) Handshake(version string, resumed bool) {
	if m != nil {
		m.handshakes.WithLabelValues(version, strconv.FormatBool(resumed)).Inc()
	}
}

// HandshakeFailed counts one TLS handshake that failed: client-left, timeout,
// plain-http, protocol, or cut (to stop, or to make room).
func (m *Metrics) HandshakeFailed(cause string) {
	if m != nil {
		m.handshakesFailed.count(cause)
	}
}

// HeaderRefused counts one connection of a trusted proxy that was closed for want of a
// good PROXY header: missing, malformed, timeout, client-left, or cut (to stop, or to
// make room).
func (m *Metrics) HeaderRefused(cause string) {
	if m != nil {
		m.headersRefused.count(cause)
	}
}

// Handler answers GET with all metrics, in the format that the client prefers.
// A scrape beyond maxScrapes is answered 503.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		// A collector that fails must not take the other metrics with it.
		ErrorHandling: promhttp.ContinueOnError,
	})
}
