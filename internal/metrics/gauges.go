package metrics

import (
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Gauges are the numbers of one moment, and totals that others count.
type Gauges struct {
	// QueueLength is how many requests wait, QueueSize how many may.
	QueueLength, QueueSize int
	// OldestWait is how long the request at the queue's head has waited.
	OldestWait time.Duration
	// Workers counts the workers by state: starting, ready, drained,
	// retiring, failed. States that are left out are shown as 0.
	Workers map[string]int
	// WorkersBusy is the number of workers that have a request now.
	WorkersBusy int
	// Batch tells that workers run by SCHED_BATCH.
	Batch bool
	// Uses is what each worker uses: the process that serves in its slot.
	Uses []Use
	// Leases is how many leases were given since the start.
	Leases uint64
	// Connections counts the clients' connections by state: active, idle.
	// States that are left out are shown as 0.
	Connections map[string]int
	// Tunnels is how many of them were switched to another protocol.
	Tunnels int
	// HTTP2 is how many of them speak HTTP/2, and Streams how many requests are open
	// on those.
	HTTP2, Streams int
	// Released is how many answers go on without a slot.
	Released int
	// CertificateEnds is when the first of the certificates in force ends; the zero
	// value, shown as 0, without any.
	CertificateEnds time.Time
	// ACMEAwaited is how many names of tls.acme have no certificate; ACMEObtained and
	// ACMEFailed are attempts since the start.
	ACMEAwaited              int
	ACMEObtained, ACMEFailed uint64
	// LogDropped is how many log lines were dropped since the start.
	LogDropped uint64
	// LogLeftOut is how many access lines were chosen for the journal, and left
	// out because there were too many in one second.
	LogLeftOut uint64
}

// Use is what a worker and its descendants use.
type Use struct {
	// Worker is the id of its slot.
	Worker int
	// Memory is in bytes.
	Memory int64
	// CPU is the user and system time since the process was started.
	CPU time.Duration
}

func workerStates() []string { return []string{"starting", "ready", "drained", "retiring", "failed"} }

func connectionStates() []string { return []string{"active", "idle"} }

// snapshots is a collector that shows one Gauges for each scrape.
type snapshots struct {
	take    func() Gauges
	version string

	queueLength, queueSize, oldestWait *prometheus.Desc
	workers, workersBusy, leases       *prometheus.Desc
	workersBatch                       *prometheus.Desc
	workerMemory, workerCPU            *prometheus.Desc
	connections, logDropped, tunnels   *prometheus.Desc
	http2, streams                     *prometheus.Desc
	logLeftOut, build, certificateEnds *prometheus.Desc
	acmeAwaited, acmeAttempts          *prometheus.Desc
	released                           *prometheus.Desc
}

func newSnapshots(o Options) *snapshots {
	take := o.Snapshot
	if take == nil {
		take = func() Gauges { return Gauges{} }
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &snapshots{
		take:            take,
		version:         strings.ToValidUTF8(o.Version, ""),
		queueLength:     desc("ripd_queue_length", "Requests that wait in the queue."),
		queueSize:       desc("ripd_queue_size", "Requests that may wait in the queue."),
		oldestWait:      desc("ripd_queue_oldest_wait_seconds", "How long the oldest request in the queue has waited."),
		workers:         desc("ripd_workers", "Workers, by state.", "state"),
		workersBusy:     desc("ripd_workers_busy", "Workers that have a request now."),
		workersBatch:    desc("ripd_workers_batch", "1 while workers run by SCHED_BATCH (workers.scheduling), else 0."),
		workerMemory:    desc("ripd_worker_memory_bytes", "Memory of a worker and its descendants.", "worker"),
		workerCPU:       desc("ripd_worker_cpu_seconds_total", "CPU time of a worker and its descendants, since its process was started.", "worker"),
		leases:          desc("ripd_leases_total", "Leases given: requests handed to a worker, a retried one twice."),
		connections:     desc("ripd_connections", "Connections of clients, by state.", "state"),
		tunnels:         desc("ripd_tunnels", "Connections that were switched to another protocol, such as WebSocket."),
		http2:           desc("ripd_http2_connections", "Connections that speak HTTP/2."),
		streams:         desc("ripd_http2_streams", "Requests that are open over HTTP/2."),
		released:        desc("ripd_released", "Answers that go on without a slot of their worker (Rip-Release: early)."),
		logDropped:      desc("ripd_log_dropped_total", "Log lines that were dropped because the output did not take them."),
		logLeftOut:      desc("ripd_access_lines_left_out_total", "Access lines of errors and slow requests that the journal did not get because there were too many."),
		certificateEnds: desc("ripd_tls_certificate_end_timestamp_seconds", "When the first of the certificates in force ends, in seconds since 1970; 0 without TLS."),
		acmeAwaited:     desc("ripd_acme_awaited", "Names of tls.acme that have no certificate."),
		acmeAttempts:    desc("ripd_acme_attempts_total", "Attempts to get a certificate by ACME, by result: obtained, failed.", "result"),
		build:           desc("ripd_build_info", "Constant 1, with ripd's version and Go's as labels.", "version", "go_version"),
	}
}

// Describe tells the registry what Collect will send.
func (s *snapshots) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.queueLength, s.queueSize, s.oldestWait, s.workers, s.workersBusy, s.workersBatch, s.workerMemory, s.workerCPU,
		s.leases, s.connections, s.tunnels, s.http2, s.streams, s.released, s.logDropped, s.logLeftOut, s.build, s.certificateEnds,
		s.acmeAwaited, s.acmeAttempts,
	} {
		ch <- d
	}
}

// Collect takes one snapshot, so that the numbers of a scrape belong together.
func (s *snapshots) Collect(ch chan<- prometheus.Metric) {
	g := s.take()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	send(s.queueLength, prometheus.GaugeValue, float64(g.QueueLength))
	send(s.queueSize, prometheus.GaugeValue, float64(g.QueueSize))
	send(s.oldestWait, prometheus.GaugeValue, g.OldestWait.Seconds())
	send(s.workersBusy, prometheus.GaugeValue, float64(g.WorkersBusy))
	batch := 0.0
	if g.Batch {
		batch = 1
	}
	send(s.workersBatch, prometheus.GaugeValue, batch)
	for _, state := range workerStates() {
		send(s.workers, prometheus.GaugeValue, float64(g.Workers[state]), state)
	}
	for _, u := range g.Uses {
		worker := strconv.Itoa(u.Worker)
		send(s.workerMemory, prometheus.GaugeValue, float64(u.Memory), worker)
		send(s.workerCPU, prometheus.CounterValue, u.CPU.Seconds(), worker)
	}
	for _, state := range connectionStates() {
		send(s.connections, prometheus.GaugeValue, float64(g.Connections[state]), state)
	}
	send(s.tunnels, prometheus.GaugeValue, float64(g.Tunnels))
	send(s.http2, prometheus.GaugeValue, float64(g.HTTP2))
	send(s.released, prometheus.GaugeValue, float64(g.Released))
	send(s.streams, prometheus.GaugeValue, float64(g.Streams))
	send(s.leases, prometheus.CounterValue, float64(g.Leases))
	send(s.logDropped, prometheus.CounterValue, float64(g.LogDropped))
	send(s.logLeftOut, prometheus.CounterValue, float64(g.LogLeftOut))
	ends := 0.0
	if !g.CertificateEnds.IsZero() {
		ends = float64(g.CertificateEnds.Unix())
	}
	send(s.certificateEnds, prometheus.GaugeValue, ends)
	send(s.acmeAwaited, prometheus.GaugeValue, float64(g.ACMEAwaited))
	send(s.acmeAttempts, prometheus.CounterValue, float64(g.ACMEObtained), "obtained")
	send(s.acmeAttempts, prometheus.CounterValue, float64(g.ACMEFailed), "failed")
	send(s.build, prometheus.GaugeValue, 1, s.version, runtime.Version())
}
