package config

// The rows of the table that are about HTTP/2.
var (
	streamsRow = setting{
		key: "limits.streams", def: `100`, kind: kindInt, min: 1, max: MaxStreams,
		field: func(c *Config) any { return &c.Limits.Streams },
		doc: "The number of requests that a client may have open on one connection of HTTP/2. 100 is the least that RFC 9113 recommends; a browser seldom needs more, and a single client should not fill the queue. " +
			"All connections together have at most as many open as `limits.connections`; one more is answered 503. See [HTTP/2](tls.md#http2).",
	}
	http2Row = setting{
		key: "tls.http2", def: `true`, kind: kindBool, sample: `false`,
		field: func(c *Config) any { return &c.TLS.HTTP2 },
		doc:   "Whether clients of the https listeners may speak [HTTP/2](tls.md#http2). A change holds for new connections.",
	}
)
