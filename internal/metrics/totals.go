package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Totals are sums of the counters since the start, for the status of an app.
type Totals struct {
	Errors       uint64 // requests answered with a status of 500 and more
	ReadTimeouts uint64 // requests whose worker took too long
	Retries      uint64 // requests that were given to a second worker
	Files        uint64 // answers with a file that ripd has sent by itself
	BytesIn      uint64 // of bodies, from clients
	BytesOut     uint64 // of bodies, to clients
}

// Totals reads the counters. It is the zero value on a nil *Metrics.
func (m *Metrics) Totals() Totals {
	if m == nil {
		return Totals{}
	}
	return Totals{
		Errors:       value(m.requests[5]),
		ReadTimeouts: value(m.rejected.known["read-timeout"]),
		Retries:      m.retried.sum(),
		Files:        m.files.sum(),
		BytesIn:      value(m.bytesIn),
		BytesOut:     value(m.bytesOut),
	}
}

// sum adds up all values of the label.
func (c *byCause) sum() uint64 {
	total := uint64(0)
	for _, counter := range c.known {
		total += value(counter)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, counter := range c.learned {
		total += value(counter)
	}
	return total
}

// value reads a counter; 0 when it cannot be read.
func value(c prometheus.Counter) uint64 {
	var m dto.Metric
	if c == nil || c.Write(&m) != nil {
		return 0
	}
	return uint64(m.GetCounter().GetValue())
}
