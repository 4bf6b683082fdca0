package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxCauses bounds the values of one label: causes come from constants of the
// program, and a mistake must not become a memory leak.
const maxCauses = 32

// otherCause counts what is beyond maxCauses.
const otherCause = "other"

// byCause counts by one label. The known values are resolved once; counting
// one takes no lock.
type byCause struct {
	known map[string]prometheus.Counter // not written to after newByCause

	mu      sync.Mutex
	vec     *prometheus.CounterVec
	learned map[string]prometheus.Counter
}

func newByCause(vec *prometheus.CounterVec, known []string) *byCause {
	c := &byCause{vec: vec, known: make(map[string]prometheus.Counter, len(known)), learned: map[string]prometheus.Counter{}}
	for _, cause := range known {
		c.known[cause] = vec.WithLabelValues(cause)
	}
	return c
}

func (c *byCause) count(cause string) {
	if counter, ok := c.known[cause]; ok {
		counter.Inc()
		return
	}
	c.learn(cause).Inc()
}

// learn returns the counter of a value that was not known at the start.
func (c *byCause) learn(cause string) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if counter, ok := c.learned[cause]; ok {
		return counter
	}
	if cause == "" || len(c.known)+len(c.learned) >= maxCauses {
		return c.vec.WithLabelValues(otherCause)
	}
	counter := c.vec.WithLabelValues(cause)
	c.learned[cause] = counter
	return counter
}
