package config

// logSettings are the rows of the table for [log].
var logSettings = []setting{
	{
		key: "log.access", def: `"human"`, kind: kindChoice, options: []string{"human", "json", "off"}, sample: `"json"`,
		flags: []flag{
			{name: "--json-logging", sets: "json", help: "JSON lines instead of lines for people"},
			{name: "--no-access-log", sets: "off", help: "no line per request"},
		},
		field: func(c *Config) any { return &c.Log.Access },
		doc: "The access log: a line per request for people, a JSON object per request, or none. With `json` ripd's own lines are JSON too. " +
			"With both flags, ripd's own lines are JSON and there is no access log.",
	},
	{
		key: "log.access_to", def: `"auto"`, kind: kindChoice, options: []string{"auto", "output", "file", "off"}, sample: `"output"`,
		field: func(c *Config) any { return &c.Log.AccessTo },
		doc: "Where access lines go. `output`: all of them to where ripd's own lines go, under systemd to the journal. `file`: all of them to `access_file`. `off`: nowhere. " +
			"`auto`: to the file, if there is one; else, where the output is systemd's journal, the lines of errors (status 5xx), of slow requests and of a sample; else all of them to the output.",
	},
	{
		key: "log.access_file", def: `""`, kind: kindPath, sample: `"/var/log/ripd/shop/access.log"`,
		field: func(c *Config) any { return &c.Log.AccessFile },
		doc:   "The access log's file. It is made when it is not there, for its owner to write and its group to read. At SIGUSR1 ripd opens it anew, for logrotate; at SIGHUP it does so, too, and reloads.",
	},
	{
		key: "log.slow", def: `"1s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout), zero: "none",
		field: func(c *Config) any { return &c.Log.Slow },
		doc:   "A request is slow when it was in the queue and with a worker for so long. Slow requests have a line in the journal.",
	},
	{
		key: "log.sample", def: `100`, kind: kindInt, min: 1, max: MaxSample, zero: "none",
		field: func(c *Config) any { return &c.Log.Sample },
		doc:   "Of the requests that are neither errors nor slow, one of so many has a line in the journal.",
	},
	{
		key: "log.level", def: `"info"`, kind: kindChoice, options: []string{"debug", "info", "warn", "error"},
		field: func(c *Config) any { return &c.Log.Level },
		doc:   "The least level of ripd's own lines.",
	},
}
