package config

// MostStreams is how many answers of one worker may go on without a slot:
// workers.streams, but none where the worker could not answer another request
// meanwhile. With workers.serial it does not begin one, and rack and wsgi have
// a thread for each request of workers.concurrency.
func (c *Config) MostStreams() int {
	in := c.AdapterInUse()
	if c.Workers.Serial || in == AdapterRack || in == AdapterWSGI {
		return 0
	}
	return c.Workers.Streams
}

// finishRelease refuses to give further requests to a worker that would not take them.
func (l *loader) finishRelease() {
	c := l.cfg
	if c.Workers.Release != ReleaseEarly || l.failed("workers.release", "workers.serial", "adapter", "command", "app") {
		return
	}
	switch in := c.AdapterInUse(); {
	case c.Workers.Serial:
		l.failKey("workers.release", faultf("with workers.serial a worker takes its requests one after the other: none would begin while an answer goes on").hinted("take one of them out"))
	case in == AdapterRack || in == AdapterWSGI:
		l.failKey("workers.release", faultf("an answer of %s has a thread until it ends", in).hinted("take it out; workers.concurrency is the number of threads"))
	}
}
