package metrics

// knownLimits are the bounds of the data path: settings, and what the machine may
// lack.
func knownLimits() []string {
	return []string{
		"compression.streams", "http2-continuations", "http2-frames", "http2-resets",
		"limits.body", "limits.connections", "limits.header", "limits.rate", "limits.response_spool", "limits.streams", "open-files", "queue.size", "queue.timeout",
		"temporary-files", "timeouts.client_body", "timeouts.client_header", "timeouts.client_write", "timeouts.upgrade_idle",
		"workers.streams", "workers.upgrades",
	}
}

// LimitReached counts one time that a bound was reached: limits.connections,
// open-files, ….
func (m *Metrics) LimitReached(limit string) {
	if m != nil {
		m.limits.count(limit)
	}
}

// Evicted counts one connection that was closed so that another could come, by its state:
// silent, begun, handshake or idle.
func (m *Metrics) Evicted(state string) {
	if m != nil {
		m.evicted.count(state)
	}
}
