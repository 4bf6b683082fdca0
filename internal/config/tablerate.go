package config

// The rows of a bound on how often a client may ask.
var (
	rateRow = setting{
		key: "limits.rate", def: `"0"`, kind: kindRate, sample: `"20/s"`,
		field: func(c *Config) any { return &c.Limits.Rate },
		doc: "How many requests a client's network may send: `\"20/s\"`, `\"600/m\"` or `\"10000/h\"`; 0 is no bound. A network is an IPv4 address, or the first 64 bits of an IPv6 address; behind a proxy in `proxy.trusted` it is the client's. " +
			"One request more is answered 429 with `Retry-After`. The status page is free. See [Floods](hardening.md#floods).",
	}
	rateBurstRow = setting{
		key: "limits.rate_burst", def: `50`, kind: kindInt, min: 1, max: MaxRate, sample: `100`,
		field: func(c *Config) any { return &c.Limits.RateBurst },
		doc:   "How many requests of a client's network may come at once, when it has sent none for a while: a page with its images. From then on they come at `limits.rate`.",
	}
)
