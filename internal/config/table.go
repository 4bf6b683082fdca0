package config

import "slices"

// DefaultPort is where the plain listener listens when nobody says otherwise.
const DefaultPort = 3080

// settings is the table, in the order of the reference. It is never written to.
var settings = slices.Concat(mainSettings, logSettings, staticSettings, compressionSettings)

// mainSettings are the rows that have no file of their own.
var mainSettings = []setting{
	{
		key: "app", def: `""`, kind: kindPath, sample: `"/srv/shop"`,
		field: func(c *Config) any { return &c.App },
		doc: "What is served: a folder, a program, or a file that an adapter loads, such as `config.ru`, `index.mjs` or `app.py:app` (the name after the colon is looked for in the file). A relative path starts at the file's folder. " +
			"Without it, the app is the folder that holds the file. Symbolic links are resolved anew by each roll, " +
			"so `current -> releases/42` works. On the command line the app is the word that is no other word: `ripd /srv/shop`.",
	},
	{
		key: "adapter", def: `"auto"`, kind: kindChoice, sample: `"exec"`,
		options: []string{"auto", "rack", "node", "bun", "wsgi", "asgi", "exec"},
		field:   func(c *Config) any { return &c.Adapter },
		doc: "How the app becomes a worker. `exec` starts `command`, or the app itself if it is a program. The others load the app into a small server of ripd's own: " +
			"`rack` loads `config.ru`; `wsgi` loads `wsgi.py`, `app.py` or `manage.py`; `asgi` loads `asgi.py`, `main.py` or `app.py`; `node` and `bun` load what `package.json` names, else `index.*`, `server.*` or `app.*`. " +
			"`auto` takes `command` if there is one, and otherwise goes by the files in the folder, in this order: `config.ru`, `asgi.py`, `wsgi.py`, `app.py`, `manage.py`, then what `node` loads; that is for `bun` if there is a `bun.lock` or `bunfig.toml`, or the file begins with `#!` and bun. See [Ruby](languages/ruby.md) and [Python](languages/python.md).",
	},
	{
		key: "command", def: `[]`, kind: kindCommand, sample: `["puma", "-b", "unix://$SOCKET_PATH"]`,
		field: func(c *Config) any { return &c.Command },
		doc: "The program and its arguments, one string each; no shell reads them. `$NAME` and `${NAME}` are replaced from the worker's environment, where a name that is missing is an error; `$$` is a dollar sign. " +
			"A program without a slash is looked for in `PATH`; one with a slash starts at `workdir`. " +
			"In `RIP_COMMAND` the strings are separated by spaces; quotes keep a string together.",
	},
	{
		key: "workdir", def: `""`, kind: kindPath, sample: `"/srv/shop"`,
		field: func(c *Config) any { return &c.Workdir },
		doc:   "The folder in which workers start. Without it: the app's folder.",
	},
	{
		key: "user", def: `""`, kind: kindText, sample: `"shop"`,
		field: func(c *Config) any { return &c.User },
		doc: "Who runs ripd and the app under systemd: a user of this machine, but not root. Without it: the user `ripd`. " +
			"The unit gets it from the file, so `systemctl daemon-reload` comes after a change. In the foreground ripd and the app run as who started ripd.",
	},
	{
		key: "env", def: `{}`, kind: kindEnv, sample: `{ RACK_ENV = "production" }`, noVar: true,
		field: func(c *Config) any { return &c.Env },
		doc: "Variables that are added to the workers' environment; all values are strings. Workers inherit ripd's own environment too. " +
			"The names that ripd sets itself cannot be used: `WORKER_ID`, `APP_NAME`, `SOCKET_PATH`, `NOTIFY_SOCKET`, `MAINPID`, `FDSTORE`, `LISTEN_FDS`, `LISTEN_FDNAMES`, `LISTEN_PID`, and what begins with `RIP_` or `WATCHDOG_`.",
	},
	{
		key: "env_file", def: `""`, kind: kindPath, sample: `"/etc/shop.env"`,
		field: func(c *Config) any { return &c.EnvFile },
		doc:   "A file of `KEY=value` lines for the workers' environment, read anew by each roll. A variable in `env` wins over the same one in the file. See [Environment files](#environment-files).",
	},
	{
		key: "env_credentials", def: `{}`, kind: kindEnvCredentials, sample: `{ DATABASE_URL = "database-url" }`, noVar: true,
		field: func(c *Config) any { return &c.EnvCredentials },
		doc: "Variables whose values are the service's [credentials](#credentials): `DATABASE_URL = \"database-url\"` gives the content of the credential `database-url`, without the line end at its end. " +
			"They win over the same ones in `env_file`; one that is in `env` too is an error.",
	},
	{
		key: "variant", def: `"main"`, kind: kindText, sample: `"blue"`,
		flags: []flag{{name: "--variant", arg: "NAME", help: "part of the sockets' names"}},
		field: func(c *Config) any { return &c.Variant },
		doc:   "Tells several ripd of one app apart. It is part of the sockets' names, `rip_<variant>_<app>.<id>.sock`. Letters, digits, `-`, `_` and `.`; at most 16 bytes.",
	},
	{
		key: "socket_prefix", def: `""`, kind: kindText, sample: `"rip_blue_shop"`,
		flags: []flag{{name: "--socket-prefix", arg: "PREFIX", help: "how the sockets' names begin"}},
		field: func(c *Config) any { return &c.SocketPrefix },
		doc:   "How the names of ripd's sockets begin. Without it: `rip_<variant>_<app>`. Letters, digits, `-`, `_` and `.`; at most 53 bytes.",
	},

	{
		key: "listen.http", def: `["3080"]`, kind: kindAddresses, sample: `["127.0.0.1:3080"]`, word: "http",
		field: func(c *Config) any { return &c.Listen.HTTP },
		doc: "Where plain HTTP is served: a port, `address:port`, `[v6]:port`, or the absolute path of a unix socket. A port alone listens on all interfaces. " +
			"Port 0 lets the kernel choose. Port 3080 is taken when nobody chose; if it is busy, ripd takes the next free one and says so. " +
			"A port that was asked for and is busy is an error. The word may be given several times; `http` alone is the default port. " +
			"An empty list is for systemd, which passes the sockets.",
	},
	{
		key: "listen.https", def: `[]`, kind: kindAddresses, sample: `["3443"]`, word: "https",
		field: func(c *Config) any { return &c.Listen.HTTPS },
		doc: "Where HTTPS is served, written as `listen.http` is. `https` alone is port 3443, or the next free one if it is busy. " +
			"See [TLS](tls.md) for certificates. Under systemd the addresses are those of `ripd-https@.socket`.",
	},
	{
		key: "listen.metrics", def: `[]`, kind: kindAddresses, sample: `["127.0.0.1:9090"]`,
		field: func(c *Config) any { return &c.Listen.Metrics },
		doc: "Where Prometheus gets the metrics, written as `listen.http` is: plain HTTP, `GET /metrics` and nothing else, 16 connections at a time. A port alone is open on all interfaces. " +
			"The same numbers are on the control socket in any case. Under systemd the addresses are those of `ripd-metrics@.socket`.",
	},
	{
		key: "listen.proxy_protocol", def: `false`, kind: kindBool, sample: `true`,
		field: func(c *Config) any { return &c.Listen.ProxyProtocol },
		doc: "Whether connections from `proxy.trusted`, on all listeners for clients, begin with a header of the PROXY protocol (version 1 or 2), before TLS. It tells whose connection a load balancer passes on. " +
			"A connection from there without a good one is closed; other connections are served as they are. See [PROXY protocol](proxies.md#proxy-protocol).",
	},

	{
		key: "workers.count", def: `"auto"`, kind: kindCount, min: 1, max: MaxWorkers, sample: `4`, word: "w",
		field: func(c *Config) any { return &count{&c.Workers.Count, &c.Workers.CountAuto} },
		doc: "The number of workers. `\"auto\"` is the number of CPUs that ripd may use: its CPU affinity, and the quota of its cgroup and of those above, rounded up. " +
			"`ripd --check` says which one decided.",
	},
	{
		key: "workers.concurrency", def: `1`, kind: kindInt, min: 1, max: MaxConcurrency, word: "c",
		field: func(c *Config) any { return &c.Workers.Concurrency },
		doc:   "The number of requests that one worker has in flight. More than 1 is for apps that do several things at a time, or for `workers.serial`.",
	},
	{
		key: "workers.serial", def: `false`, kind: kindBool, sample: `true`,
		field: func(c *Config) any { return &c.Workers.Serial },
		doc: "Whether a worker that is given several requests (`workers.concurrency`) runs them one after the other, in the order in which they came: the next one waits in the worker, and not in ripd's queue. " +
			"For the demo and for apps that an adapter loads; a program decides itself what it does with its requests. A short request may then wait behind a long one while another worker has become free, and " +
			"`timeouts.read` has to be enough for `concurrency` requests. [Benchmarks](benchmarks.md) say when it pays.",
	},
	{
		key: "workers.preload", def: `false`, kind: kindBool, sample: `true`,
		field: func(c *Config) any { return &c.Workers.Preload },
		doc: "Whether the app is loaded once, by a process that serves nothing and is then forked to make the workers: they start at once and share memory. Each roll loads it anew. " +
			"For the adapters `rack`, `wsgi` and `asgi`, and not in the reload mode `module`; see [Ruby](languages/ruby.md#loaded-once) and [Python](languages/python.md#loaded-once) for what an app has to mind.",
	},
	{
		key: "workers.upgrades", def: `100`, kind: kindInt, min: 1, max: MaxUpgrades, zero: "none", sample: `1000`,
		field: func(c *Config) any { return &c.Workers.Upgrades },
		doc: "The number of connections of one worker that may have been switched to another protocol, such as WebSocket. They do not count as requests in flight. " +
			"When each worker has so many, a request for one more is answered 503. With 0 ripd ignores `Upgrade` fields. See [WebSockets](websockets.md).",
	},
	{
		key: "workers.release", def: `"answer"`, kind: kindChoice, options: []string{ReleaseAnswer, ReleaseEarly}, sample: `"early"`,
		field: func(c *Config) any { return &c.Workers.Release },
		doc: "When a request leaves its worker's slot. `answer`: when the whole answer is in. `early`: when the head is, if nobody knows how long the body becomes; the rest comes beside the slot, which takes the next request. " +
			"For apps whose answers mostly wait, and that do several things at a time; an answer can ask for it by itself, with `Rip-Release: early`. See [Streams](streaming.md).",
	},
	{
		key: "workers.streams", def: `100`, kind: kindInt, min: 1, max: MaxUpgrades, zero: "none", sample: `1000`,
		field: func(c *Config) any { return &c.Workers.Streams },
		doc:   "How many answers of one worker may go on without a slot. One more holds its slot until it ends. With `workers.serial`, and with the adapters `rack` and `wsgi`, all answers do.",
	},
	{
		key: "workers.max_requests", def: `10000`, kind: kindInt, min: 1, max: MaxMaxRequests, zero: "never", word: "r",
		field: func(c *Config) any { return &c.Workers.MaxRequests },
		doc:   "After so many requests, give or take a tenth, a worker is replaced; its successor starts first.",
	},
	{
		key: "workers.max_age", def: `"0s"`, kind: kindDuration, min: int64(MinAge), max: int64(MaxAge), zero: "never", sample: `"12h"`,
		field: func(c *Config) any { return &c.Workers.MaxAge },
		doc:   "At this age, give or take a tenth, a worker is replaced; its successor starts first.",
	},
	{
		key: "workers.max_memory", def: `"0"`, kind: kindSize, min: MinMemory, max: MaxMemory, zero: "never", sample: `"512MB"`,
		field: func(c *Config) any { return &c.Workers.MaxMemory },
		doc: "When a worker and its children hold more memory than this, it is replaced after its request; its successor starts first. ripd looks every 5 seconds. " +
			"As a service, ripd takes the kernel's account of the worker's control group: each page once, with the part of the file cache that is in use. " +
			"Elsewhere it adds up resident sizes. See [One control group for each worker](systemd.md#one-control-group-for-each-worker).",
	},
	{
		key: "workers.max_memory_hard", def: `"0"`, kind: kindSize, min: MinMemoryHard, max: MaxMemory, zero: "none", sample: `"1GB"`,
		field: func(c *Config) any { return &c.Workers.MaxMemoryHard },
		doc: "At this size the kernel ends the worker and its children (`memory.max`; no swap), and its request is answered 502. The other workers and ripd go on, and the log names the request. " +
			"It is at least `max_memory`, which is the gentle way: give it room for a large request. " +
			"It is in force where ripd is a service that systemd has delegated the memory controller to, as `ripd@.service` is; elsewhere ripd notes at its start that it is not.",
	},
	{
		key: "workers.scheduling", def: `"auto"`, kind: kindChoice, options: []string{SchedulingAuto, SchedulingBatch, SchedulingInherit}, sample: `"inherit"`,
		field: func(c *Config) any { return &c.Workers.Scheduling },
		doc: "By which policy the kernel schedules workers. `batch`: `SCHED_BATCH` (sched(7)), with which a worker that wakes up interrupts nobody. `inherit`: ripd's own policy. " +
			"`auto`: `batch` while requests are many and take a worker less than 1 ms each, else `inherit`. See [Who runs first](systemd.md#who-runs-first).",
	},
	{
		key: "workers.ready", def: `"auto"`, kind: kindChoice, options: []string{"auto", "register", "notify", "listen"}, sample: `"listen"`,
		field: func(c *Config) any { return &c.Workers.Ready },
		doc: "The sign that a new worker is ready. `register`: it registers on the control socket. `notify`: it sends `READY=1` to `$NOTIFY_SOCKET`, as servers do that know systemd. " +
			"`listen`: its socket listens; with `workers.activation`, it accepts a first connection. `auto`: whichever of the three comes first.",
	},
	{
		key: "workers.activation", def: `false`, kind: kindBool, sample: `true`,
		field: func(c *Config) any { return &c.Workers.Activation },
		doc: "Whether ripd opens each worker's socket and gives it to the worker as systemd gives sockets to services: as descriptor 3, with `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`. " +
			"For servers that know this, such as Puma, gunicorn, uvicorn (`--fd 3`) and Go programs with go-systemd. See [A socket from ripd](worker-protocol.md#a-socket-from-ripd).",
	},
	{
		key: "workers.credentials", def: `[]`, kind: kindCredentials, sample: `["database-url", "signing-key"]`,
		field: func(c *Config) any { return &c.Workers.Credentials },
		doc:   "The [credentials](#credentials) that the app reads by itself, from files in `$CREDENTIALS_DIRECTORY`. Workers have this variable only if there is a name here, and a name that is not there is an error.",
	},
	{
		key: "workers.start_timeout", def: `"60s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		field: func(c *Config) any { return &c.Workers.StartTimeout },
		doc:   "How long a worker may take to become ready. Then it is killed, and the start counts as failed.",
	},
	{
		key: "workers.stop_timeout", def: `"30s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		field: func(c *Config) any { return &c.Workers.StopTimeout },
		doc:   "How long a worker may take to finish its requests and to exit. Then it is killed.",
	},
	{
		key: "workers.external", def: `false`, kind: kindBool, sample: `true`,
		field: func(c *Config) any { return &c.Workers.External },
		doc:   "Whether workers may join that ripd did not start.",
	},
	{
		key: "workers.surge", def: `1`, kind: kindInt, min: 1, max: MaxWorkers,
		field: func(c *Config) any { return &c.Workers.Surge },
		doc:   "How many workers a roll replaces at once. So many more workers than `count` exist for a moment.",
	},

	{
		key: "queue.size", def: `512`, kind: kindInt, min: 0, max: MaxQueueSize,
		flags: []flag{{name: "--max-queue", arg: "N", help: "requests that may wait for a worker"}},
		field: func(c *Config) any { return &c.Queue.Size },
		doc:   "How many requests may wait for a worker. One more is answered 503 at once. With 0 none waits: a free worker, or 503.",
	},
	{
		key: "queue.timeout", def: `"5s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		flags: []flag{{name: "--queue-timeout-ms", arg: "MS", unit: "ms", help: "how long a request may wait"}},
		field: func(c *Config) any { return &c.Queue.Timeout },
		doc:   "How long a request may wait for a worker. Then it is answered 504.",
	},

	{
		key: "timeouts.connect", def: `"1s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		flags: []flag{{name: "--connect-timeout-ms", arg: "MS", unit: "ms", help: "for connecting to a worker"}},
		field: func(c *Config) any { return &c.Timeouts.Connect },
		doc:   "For connecting to a worker.",
	},
	{
		key: "timeouts.read", def: `"30s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		flags: []flag{{name: "--read-timeout-ms", arg: "MS", unit: "ms", help: "for a worker's answer"}},
		field: func(c *Config) any { return &c.Timeouts.Read },
		doc:   "For the next byte of a worker's answer. A worker that is silent for longer hangs: the client gets 504, the worker is replaced.",
	},
	{
		key: "timeouts.client_header", def: `"10s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		field: func(c *Config) any { return &c.Timeouts.ClientHeader },
		doc:   "For the complete head of a request, from its first byte. Then it is answered 408.",
	},
	{
		key: "timeouts.client_body", def: `"60s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		field: func(c *Config) any { return &c.Timeouts.ClientBody },
		doc:   "For the complete body of a request, from its first byte; each KB that has arrived buys a second more. Then it is answered 408.",
	},
	{
		key: "timeouts.client_idle", def: `"60s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		field: func(c *Config) any { return &c.Timeouts.ClientIdle },
		doc:   "For the next request on a kept-alive connection. Then it is closed.",
	},
	{
		key: "timeouts.client_write", def: `"60s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout),
		field: func(c *Config) any { return &c.Timeouts.ClientWrite },
		doc:   "A client that takes no byte of its answer for so long is cut.",
	},
	{
		key: "timeouts.upgrade_idle", def: `"1h"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout), zero: "never",
		field: func(c *Config) any { return &c.Timeouts.UpgradeIdle },
		doc:   "For the next byte, from either side, of a connection that was switched to another protocol. Then it is closed. It is closed, too, when its worker has taken nothing of what the client sent for so long, also if it sends itself. See [WebSockets](websockets.md).",
	},
	{
		key: "timeouts.upgrade_drain", def: `"20s"`, kind: kindDuration, min: int64(MinTimeout), max: int64(MaxTimeout), zero: "none",
		field: func(c *Config) any { return &c.Timeouts.UpgradeDrain },
		doc: "How long a connection that was switched to another protocol lives on when its worker is drained, or leaves in a roll or for another reason. Then it is closed. " +
			"It ends within `workers.stop_timeout` in any case: 2 seconds before, or after its half where that is less.",
	},

	{
		key: "limits.header", def: `"32KB"`, kind: kindSize, min: MinHeader, max: MaxHeader,
		field: func(c *Config) any { return &c.Limits.Header },
		doc:   "The size of a request's head (beyond: 431), and of an answer's (beyond: 502).",
	},
	{
		key: "limits.body", def: `"100MB"`, kind: kindSize, min: MinBody, max: MaxBody,
		field: func(c *Config) any { return &c.Limits.Body },
		doc:   "The size of a request's body. Beyond: 413.",
	},
	{
		key: "limits.buffer", def: `"64KB"`, kind: kindSize, min: MinBuffer, max: MaxBuffer,
		field: func(c *Config) any { return &c.Limits.Buffer },
		doc:   "The part of a body that is kept in memory, for requests and for answers; the rest goes to a temporary file.",
	},
	{
		key: "limits.response_spool", def: `"1GB"`, kind: kindSize, min: MinSpool, max: MaxSpool,
		field: func(c *Config) any { return &c.Limits.ResponseSpool },
		doc:   "The size of one answer's temporary file. When it is full, the worker is read only as fast as the client reads.",
	},
	{
		key: "limits.connections", def: `16384`, kind: kindInt, min: 1, max: MaxConnections,
		field: func(c *Config) any { return &c.Limits.Connections },
		doc:   "The number of clients' connections at a time. At the bound each new one takes the place of another: of one that has not sent a request yet, or of one that has been idle longest, and never of one whose request is in progress. Where the process may not open that many files (`ulimit -n`, `LimitNOFILE=`) there are fewer, so that some are left for the workers; a message says how many.",
	},
	streamsRow,
	{
		key: "limits.line", def: `"16KB"`, kind: kindSize, min: MinLine, max: MaxLine,
		field: func(c *Config) any { return &c.Limits.Line },
		doc:   "The length of one line of a worker's output. A longer line is split.",
	},
	rateRow, rateBurstRow,

	{
		key: "proxy.trusted", def: `[]`, kind: kindPeers, sample: `["10.0.0.0/8"]`,
		field: func(c *Config) any { return &c.Proxy.Trusted },
		doc: "Who is believed what it says about its clients in `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host` and `Forwarded`: networks, addresses, and the word `unix` for whoever connects to a unix socket of ripd's. " +
			"The log, the app and all limits then speak of the client, and not of the proxy. From all others these fields are taken out and written anew. See [Behind another proxy](proxies.md).",
	},
	{
		key: "proxy.request_buffering", def: `true`, kind: kindBool,
		field: func(c *Config) any { return &c.Proxy.RequestBuffering },
		doc:   "Whether a request's body is read completely before a worker gets the request, so that a slow upload holds no worker. `false` is for apps that read uploads as they arrive.",
	},
	{
		key: "proxy.status_path", def: `"/status"`, kind: kindText,
		field: func(c *Config) any { return &c.Proxy.StatusPath },
		doc:   "The path of the public status page. `\"\"` or `\"off\"` turns it off; the app then sees this path like any other.",
	},
	{
		key: "proxy.error_pages", def: `""`, kind: kindText, sample: `"pages"`,
		field: func(c *Config) any { return &c.Proxy.ErrorPages },
		doc: "The folder with pages for the errors that ripd answers itself: `503.html`, `5xx.html`, `error.html` and the like, and `maintenance.html`. A relative path starts at the app's folder. " +
			"They are read at the start and by `ripctl reload`. See [Error pages](error-pages.md).",
	},

	{
		key: "tls.certificate", def: `""`, kind: kindPaths, sample: `"/etc/shop.crt"`,
		field: func(c *Config) any { return &c.TLS.Certificate },
		doc: "The file with the certificate and its chain, in PEM. Several are a list, `[\"a.crt\", \"b.crt\"]`: clients get the one for the name that they ask for, and the first when there is none. " +
			"Renewed files are noticed within some seconds, and read by `ripctl reload` at once. Without it: the systemd credentials `tls.certificate` and `tls.key`; in the foreground a self-signed certificate.",
	},
	{
		key: "tls.key", def: `""`, kind: kindPaths, sample: `"/etc/shop.key"`,
		field: func(c *Config) any { return &c.TLS.Key },
		doc:   "The file with the certificate's private key, in PEM; a list where `certificate` is one, in the same order. ripd's user must be able to read it.",
	},
	http2Row,
	{
		key: "tls.redirect_http", def: `false`, kind: kindBool, sample: `true`,
		flags: []flag{{name: "--redirect-http", sets: "true", help: "redirect plain HTTP to HTTPS"}},
		field: func(c *Config) any { return &c.TLS.RedirectHTTP },
		doc: "Whether requests over plain HTTP are answered 308 with their https address. Not so: the status page, and what is below `/.well-known/acme-challenge/`. " +
			"The port in that address is 443 when ripd listens there, else the lowest of its https ports. Where a proxy in `proxy.trusted` tells how its client has asked, that decides, and the port is 443.",
	},
	{
		key: "tls.hsts", def: `""`, kind: kindText, sample: `"max-age=31536000"`,
		flags: []flag{{name: "--hsts", sets: "max-age=31536000", help: "send Strict-Transport-Security"}},
		field: func(c *Config) any { return &c.TLS.HSTS },
		doc: "The value of `Strict-Transport-Security` in all answers over HTTPS that have none from the app: browsers then ask for the site over HTTPS only, for so many seconds. The flag means a year. " +
			"Browsers do not forget it when it is taken out: begin with a small `max-age`.",
	},
	{
		key: "tls.acme", def: `[]`, kind: kindHosts, sample: `["shop.example.com", "www.shop.example.com"]`,
		field: func(c *Config) any { return &c.TLS.ACME },
		doc: "The names for which ripd gets certificates by itself, and renews them, from an authority that speaks ACME: one certificate each. Whoever writes names here agrees to the authority's terms. " +
			"They are names of hosts: wildcards need a proof in the DNS, which ripd does not give. A name that a file of `certificate` has too is served from the file. See [TLS](tls.md#certificates-by-themselves).",
	},
	{
		key: "tls.acme_email", def: `""`, kind: kindText, sample: `"admin@example.com"`,
		field: func(c *Config) any { return &c.TLS.ACMEEmail },
		doc:   "The address that the authority may write to. Some want one.",
	},
	{
		key: "tls.acme_directory", def: `"` + DefaultACMEDirectory + `"`, kind: kindText, sample: `"https://ca.example.com/acme/directory"`,
		field: func(c *Config) any { return &c.TLS.ACMEDirectory },
		doc:   "Where the authority's directory is. The default is Let's Encrypt; to try out, take its `https://acme-staging-v02.api.letsencrypt.org/directory`, whose certificates nobody trusts, and which bears more attempts.",
	},
	{
		key: "tls.acme_root", def: `""`, kind: kindPath, sample: `"/etc/ripd/tls/ca.pem"`,
		field: func(c *Config) any { return &c.TLS.ACMERoot },
		doc:   "A file with certificates of authorities, in PEM, that vouch for the directory's own certificate: for a private authority. Without it: those that the system trusts.",
	},
	{
		key: "tls.acme_key_id", def: `""`, kind: kindText, sample: `"kid-1"`,
		field: func(c *Config) any { return &c.TLS.ACMEKeyID },
		doc:   "The account at the authority to which ripd's own is bound, where the authority wants that (external account binding).",
	},
	{
		key: "tls.acme_key", def: `""`, kind: kindPath, sample: `"/etc/ripd/tls/acme.key"`,
		field: func(c *Config) any { return &c.TLS.ACMEKey },
		doc:   "The file with the key to the account of `acme_key_id`, as the authority wrote it (base64url). Without it: the systemd credential `tls.acme_key`.",
	},

	{
		key: "reload.mode", def: `"none"`, kind: kindChoice, options: []string{"none", "process", "module"}, sample: `"process"`,
		flags: []flag{{name: "--hot-reload", arg: "MODE", help: "none, process or module"}},
		field: func(c *Config) any { return &c.Reload.Mode },
		doc: "When changed code is loaded. `none`: only by `ripctl restart`. `process`: before a request, when a file changed that the workers have reported; new workers are started. " +
			"`module`: inside the worker's process, where an adapter loads the app; a program cannot do it. " +
			"In the foreground (without `--instance`) the default is `\"module\"` where it is possible, else (and with `workers.preload`) `\"process\"`.",
	},
}
