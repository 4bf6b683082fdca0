package config

import "time"

// Bounds of names, so that the path of a socket, which Linux limits to 107
// bytes and a NUL (unix(7)), fits: /run/ripd/<name>/rip_<variant>_<name>.1024.sock.
const (
	MaxNameBytes    = 32
	MaxVariantBytes = 16
	// MaxPrefixBytes is the length of "rip_<variant>_<name>".
	MaxPrefixBytes = len("rip_") + MaxVariantBytes + len("_") + MaxNameBytes
	// MaxSocketPathBytes is sun_path without its NUL, unix(7).
	MaxSocketPathBytes = 107
)

// Bounds of numbers. Each is far above what is useful and far below what would
// harm ripd itself.
const (
	MaxWorkers     = 1024
	MaxConcurrency = 1024
	// MaxUpgrades is the most that workers.upgrades can be.
	MaxUpgrades = 100_000
	// MaxMaxRequests is the most that workers.max_requests can be.
	MaxMaxRequests = 1_000_000_000
	MaxQueueSize   = 1_000_000
	MaxConnections = 1_000_000
	// MaxStreams is the most that limits.streams can be.
	MaxStreams = 10_000
	// MaxSample is the most that log.sample can be.
	MaxSample = 1_000_000_000
	// MaxCompressedStreams is the most that compression.streams can be.
	MaxCompressedStreams = 10_000
	// MaxHSTSBytes is the length of tls.hsts: some times that of all directives
	// that there are.
	MaxHSTSBytes = 256
	// MaxIndexBytes is the length of a file's name (NAME_MAX).
	MaxIndexBytes = 255
	// MaxACMETextBytes is the length of tls.acme_email, acme_directory and acme_key_id.
	MaxACMETextBytes = 512
	// MaxListeners is the number of addresses of one kind, of certificates, and of
	// names in tls.acme.
	MaxListeners = 64
)

// Bounds of durations.
const (
	// MinTimeout is the least of every timeout: less is lost in the scheduler.
	MinTimeout = time.Millisecond
	// MaxTimeout is the most of every timeout.
	MaxTimeout = 24 * time.Hour
	// MinAge keeps workers.max_age from replacing workers without end.
	MinAge = time.Second
	MaxAge = 366 * 24 * time.Hour
)

// Units of sizes. As in nginx and systemd, KB, MB, GB and TB count in steps of 1024.
const (
	kib int64 = 1 << 10
	mib int64 = 1 << 20
	gib int64 = 1 << 30
	tib int64 = 1 << 40
)

// Bounds of sizes, in bytes.
const (
	// MinMemory is below what any worker needs, and keeps workers.max_memory
	// from replacing workers without end.
	MinMemory = mib
	MaxMemory = 64 * tib
	// MinMemoryHard is more than what ripd itself needs to become a worker: it
	// counts from the first moment.
	MinMemoryHard = 16 * mib
	MinHeader     = kib
	MaxHeader     = mib
	MinBody       = kib
	MaxBody       = tib
	MinBuffer     = 4 * kib
	MaxBuffer     = 64 * mib
	MinSpool      = mib
	MaxSpool      = tib
	MinLine       = 256
	MaxLine       = mib
	// MaxMinSize is the most that compression.min_size can be.
	MaxMinSize = gib
)

// Bounds of what is read and reported.
const (
	// MaxFileBytes is the size of a configuration file. The decoder compares each
	// key with those before it, so the time grows with the square of this.
	MaxFileBytes = 128 * kib
	// MaxEnvFileBytes is the size of an environment file.
	MaxEnvFileBytes = mib
	// MaxEnv is the number of variables that env, or an environment file, may have.
	MaxEnv = 1024
	// MaxArguments is the number of elements of command.
	MaxArguments = 1024
	// MaxStringBytes is the length of one string: what Linux allows for one
	// argument or variable, MAX_ARG_STRLEN in execve(2).
	MaxStringBytes = 128 * kib
	// MaxErrors is the number of errors that Load reports at once.
	MaxErrors = 20
)
