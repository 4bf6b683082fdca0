// Package metrics counts what ripd does and shows it in the format of
// Prometheus. Counters and histograms are written on the way of a request
// without a lock or an allocation; gauges are read once for each scrape.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options says what New needs.
type Options struct {
	// App is the app's name. It becomes the label app of every metric.
	App string
	// Version is ripd's own version, shown by ripd_build_info.
	Version string
	// Snapshot is called once for each scrape, from any goroutine. nil means
	// that there are no gauges.
	Snapshot func() Gauges
}

// Gauges are the numbers of one moment, and totals that others count.
type Gauges struct {
	QueueLength int
	QueueSize   int
	// OldestWait is how long the request at the queue's head has waited.
	OldestWait time.Duration
	// Workers counts the workers by state: starting, ready, drained,
	// retiring, failed.
	Workers map[string]int
	// WorkersBusy is the number of leases in flight.
	WorkersBusy int
	// Leases is how many leases were given since the start.
	Leases uint64
	// Connections counts the clients' connections by state: idle, active.
	Connections map[string]int
	// LogDropped is how many log lines were dropped since the start.
	LogDropped uint64
}

// Metrics holds the counters of one ripd. Its methods may be called from
// several goroutines at once, and on a nil *Metrics, where they do nothing.
type Metrics struct {
	registry *prometheus.Registry
}

// New returns metrics with a registry of their own.
func New(o Options) *Metrics {
	return &Metrics{registry: prometheus.NewRegistry()}
}

// Done counts one request that was answered, by a worker or by ripd itself.
// status is the answer's (0 when the client left before there was one), wait
// the time in the queue (negative: it was never admitted), total the time from
// its first byte to the end of its answer, in and out the bytes of both bodies.
func (m *Metrics) Done(status int, wait, total time.Duration, in, out int64) {}

// Rejected counts one request that got no lease: queue-full, queue-timeout,
// no-worker, stopping.
func (m *Metrics) Rejected(cause string) {}

// Retried counts one request that was given to a second worker.
func (m *Metrics) Retried(cause string) {}

// Respawned counts one worker that was started in the place of another.
func (m *Metrics) Respawned(cause string) {}

// Rolled counts one roll: done, rolled_back, failed.
func (m *Metrics) Rolled(verdict string) {}

// Handler answers GET with all metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
