package daemon

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ripd/internal/api"
	"ripd/internal/metrics"
	"ripd/internal/pool"
)

// counter counts what the supervisor does.
type counter struct {
	metrics         *metrics.Metrics
	respawns, rolls atomic.Uint64
}

// Respawned counts a worker that was lost and is started anew.
func (c *counter) Respawned(cause string) {
	c.respawns.Add(1)
	c.metrics.Respawned(cause)
}

// Rolled counts a roll that has ended.
func (c *counter) Rolled(verdict string) {
	c.rolls.Add(1)
	c.metrics.Rolled(verdict)
}

// The pace of sample, and over how many of them a rate is taken.
const (
	sampleEvery = time.Second
	samples     = 5
)

// rate is the number of requests a second over the last seconds.
type rate struct {
	mu     sync.Mutex
	counts [samples + 1]uint64
	times  [samples + 1]time.Time
	next   int
}

func (r *rate) add(now time.Time, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[r.next], r.times[r.next] = count, now
	r.next = (r.next + 1) % len(r.counts)
}

func (r *rate) perSecond() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := (r.next + samples) % len(r.counts)
	oldest := r.next
	for r.times[oldest].IsZero() && oldest != newest {
		oldest = (oldest + 1) % len(r.counts)
	}
	span := r.times[newest].Sub(r.times[oldest]).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(r.counts[newest]-r.counts[oldest]) / span
}

// queueCalm is how many samples without a refusal end a full queue, for the events.
const queueCalm = 5

// sample takes the rate, and tells when the queue begins and ends to refuse.
func (a *app) sample() {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	var refused, leftOut uint64
	calm := queueCalm
	for {
		select {
		case <-a.quit:
			return
		case now := <-ticker.C:
			a.rate.add(now, a.server.Stats().Answered)
			a.tellStatus(now)
		}
		count := a.server.Pool().Snapshot(a.server.Now()).Counts.RefusedFull
		switch {
		case count > refused:
			if calm >= queueCalm {
				a.broker.note(api.EventQueueFull, fmt.Sprintf("%d requests refused in the last second", count-refused))
				a.log.Warn("the queue is full, requests are refused", "refused", count-refused)
			}
			calm = 0
		case calm < queueCalm:
			if calm++; calm == queueCalm {
				a.broker.note(api.EventQueueEmpty, "no request was refused for some seconds")
			}
		}
		refused = count
		if n := a.journal.Access.LeftOut(); n > leftOut {
			a.log.Warn("too many errors or slow requests for the journal: some access lines were left out", "left_out", n-leftOut)
			leftOut = n
		}
	}
}

// gauges gives the metrics of one moment.
func (a *app) gauges() metrics.Gauges {
	s := a.server.Pool().Snapshot(a.server.Now())
	g := metrics.Gauges{
		QueueLength: s.QueueLength, QueueSize: s.QueueSize, OldestWait: s.OldestWait,
		Workers: map[string]int{}, Leases: s.Counts.Leases, LogDropped: a.journal.Dropped(), LogLeftOut: a.journal.Access.LeftOut(),
	}
	for state := pool.Starting; state < pool.Gone; state++ {
		g.Workers[state.String()] = 0
	}
	for _, w := range s.Workers {
		g.Workers[w.State.String()]++
		if w.InFlight > 0 {
			g.WorkersBusy++
		}
	}
	if a.certs != nil {
		g.CertificateEnds = a.certs.Ends()
		g.ACMEAwaited = len(a.acme.Awaited())
		g.ACMEObtained, g.ACMEFailed = a.acme.Attempts()
	}
	if r, alive := (operator{a}).report(); alive {
		r.measure()
		g.Batch = r.counts.Batch
		for i, w := range r.workers {
			if r.uses[i].current {
				g.Uses = append(g.Uses, metrics.Use{Worker: w.ID, Memory: w.Memory, CPU: w.CPU.Duration()})
			}
		}
	}
	stats := a.server.Stats()
	g.Tunnels, g.HTTP2, g.Streams, g.Released = stats.Upgraded, stats.HTTP2, stats.Streams, stats.Released
	g.Connections = map[string]int{"idle": stats.Idle, "active": stats.Connections - stats.Idle}
	return g
}
