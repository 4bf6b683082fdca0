// Package config reads, defaults, checks and explains the settings of one app.
//
// One table (settings.go) drives everything: the TOML file, the RIP_*
// variables, the words and flags of the command line, the bounds, the help text
// and the reference in docs/configuration.md. The later source wins: built-in
// default, file, environment, words and flags. The result, a Config, is never
// changed after Load.
//
// The package imports no other internal package. It reads files (the
// configuration, the environment file, what lies in the app's folder) and
// changes none.
package config

import (
	"log/slog"
	"time"
)

// Config is one app's settings, complete and checked. It is immutable: nobody
// writes to it after Load, nor to the slices and maps in it.
type Config struct {
	// Name is the app's name: --instance, else made from the name of the app's
	// folder or program, "demo" for the demo. It has letters, digits, '-', '_'
	// and '.' only, and at most MaxNameBytes bytes.
	Name string
	// Variant tells several ripd of one app apart. It is part of the sockets'
	// names; at most MaxVariantBytes bytes. Default "main".
	Variant string
	// SocketPrefix is how the names of ripd's own sockets begin. Default
	// "rip_<variant>_<name>"; at most MaxPrefixBytes bytes.
	SocketPrefix string
	// File is the absolute path of the TOML file in force, "" when there is none.
	File string
	// Demo is true for `ripd demo`: the workers are ripd's own binary. App and
	// Command are empty then.
	Demo bool
	// Foreground is true without --instance: ripd opens its sockets itself and
	// writes for people.
	Foreground bool
	// App is what is served: the absolute path of a folder or a program.
	// Symbolic links in it are not resolved, because each roll resolves them anew.
	App string
	// Adapter is what was asked for: auto, rack, node, bun, wsgi, asgi or exec.
	// See AdapterInUse.
	Adapter string
	// Detected is the adapter that loads the app, "" where Command runs it. Which
	// file it loads is found anew by each roll, with FindEntry.
	Detected string
	// Object is what the adapter looks for in the file, "app" of "app.py:app"; ""
	// lets the adapter look for the usual names.
	Object string
	// Command is the program and its arguments, empty for the demo and for an
	// app that an adapter loads.
	// $NAME in it is not expanded: the worker's environment is known only later.
	Command []string
	// Workdir is the absolute path of the folder in which workers start. Default:
	// the app's folder.
	Workdir string
	// User is who runs ripd and the app under systemd, "" for the unit's own user.
	User string
	// Env is added to the workers' environment. Nil when nothing is added.
	Env map[string]string
	// EnvFile is the absolute path of a file of KEY=value lines, "" for none. It
	// was readable at Load; each roll reads it anew with ReadEnvFile.
	EnvFile string

	// EnvCredentials is added to the workers' environment too; each roll reads the
	// credentials anew. Nil when nothing is added. No name of it is in Env.
	EnvCredentials EnvCredentials

	// Listen says where clients connect.
	Listen Listen
	// Workers says how many workers run, how, and for how long.
	Workers Workers
	// Queue bounds the requests that wait for a worker.
	Queue Queue
	// Timeouts bounds each wait on a worker or a client.
	Timeouts Timeouts
	// Limits bounds sizes and numbers, in bytes where not said otherwise.
	Limits Limits
	// Proxy says how requests are passed on.
	Proxy Proxy
	// TLS says how the https listeners speak.
	TLS TLS
	// Static says which files ripd serves by itself.
	Static Static
	// Reload says when changed code is loaded.
	Reload Reload
	// Log says what is written, and in which form.
	Log Log
	// Compression says which answers are compressed. Default: none.
	Compression Compression

	settings []Setting
	notes    []string
}

// Listen says where clients connect.
type Listen struct {
	// HTTP are the plain listeners. It may be empty with --instance, when systemd
	// passes the sockets, or beside HTTPS. Default: port 3080 of all interfaces.
	HTTP []Address
	// HTTPS are the listeners that speak TLS. Default: none.
	HTTPS []Address
	// Metrics are the listeners for Prometheus. Default: none.
	Metrics []Address
	// ProxyProtocol has each connection from Proxy.Trusted begin with a PROXY header.
	// Default false.
	ProxyProtocol bool
	// HTTPAsked and HTTPSAsked tell that somebody chose the address, so that a
	// busy port is an error. Otherwise the next free port is taken.
	HTTPAsked, HTTPSAsked bool
}

// Workers says how many workers run, how, and for how long.
type Workers struct {
	// Count is the number of workers, 1 to MaxWorkers.
	Count int
	// CountAuto tells that Count was taken from the number of CPUs.
	CountAuto bool
	// Concurrency is the number of requests in flight per worker. Default 1.
	Concurrency int
	// Serial makes a worker that an adapter (or the demo) runs take its requests
	// one after the other, in the order in which they came. Default false.
	Serial bool
	// Preload has one process of each generation load the app, which is then forked to
	// make the workers. It is true only where AdapterInUse can do that. Default false.
	Preload bool
	// Upgrades is the number of connections of one worker that may have been switched
	// to another protocol, such as WebSocket; 0 is none. Default 100.
	Upgrades int
	// Release is ReleaseAnswer (the default) or ReleaseEarly.
	Release string
	// Streams is the number of answers of one worker that may go on without a slot; 0 is
	// none. Default 100.
	Streams int
	// MaxRequests is the number of requests after which a worker is replaced;
	// 0 is never. Default 10000.
	MaxRequests int
	// MaxAge is the age at which a worker is replaced; 0 (the default) is never.
	MaxAge time.Duration
	// MaxMemory is the size in bytes above which a worker is replaced; 0 (the
	// default) is never.
	MaxMemory int64
	// MaxMemoryHard is the size in bytes at which the kernel ends a worker; 0 (the
	// default) is none. It is not less than MaxMemory.
	MaxMemoryHard int64
	// Scheduling is SchedulingAuto (the default), SchedulingBatch or SchedulingInherit.
	Scheduling string
	// Ready says by which sign a new worker is taken as ready.
	Ready Ready
	// StartTimeout is how long a worker may take to become ready.
	StartTimeout time.Duration
	// StopTimeout is how long a worker may take to end what it does.
	StopTimeout time.Duration
	// Activation gives each worker its listening socket, opened by ripd.
	Activation bool
	// Credentials are the names of those that must be there, and whose folder
	// workers are told.
	Credentials []string
	// External allows workers to join that ripd did not start.
	External bool
	// Surge is how many workers a roll replaces at once. Default 1.
	Surge int
}

// Queue bounds the requests that wait for a worker.
type Queue struct {
	// Size is the number of requests that may wait; 0 lets none wait.
	Size int
	// Timeout is how long a request may wait.
	Timeout time.Duration
}

// Timeouts bounds each wait on a worker or a client. None of them is ever zero where
// that is not said.
type Timeouts struct {
	// Connect is for connecting to a worker.
	Connect time.Duration
	// Read is for a worker's next byte of an answer.
	Read time.Duration
	// ClientHeader is for a request's complete head.
	ClientHeader time.Duration
	// ClientBody is for a request's complete body. What has arrived buys more.
	ClientBody time.Duration
	// ClientIdle is for the next request of a kept-alive connection.
	ClientIdle time.Duration
	// ClientWrite is for a client to take the next byte of an answer.
	ClientWrite time.Duration
	// UpgradeIdle is for the next byte, of either side, of a connection that was
	// switched to another protocol; 0 is for ever. Default 1h.
	UpgradeIdle time.Duration
	// UpgradeDrain is how long such a connection of a worker that is drained or on its
	// way out lives on. Default 20s. UpgradePatience is what is in force.
	UpgradeDrain time.Duration
}

// Limits bounds sizes (in bytes) and numbers. None of them but Rate is ever zero.
type Limits struct {
	// Header is the size of a request's head, and of an answer's.
	Header int64
	// Body is the size of a request's body.
	Body int64
	// Buffer is the part of a body that is kept in memory; the rest goes to a
	// temporary file.
	Buffer int64
	// ResponseSpool is the size of one answer's temporary file.
	ResponseSpool int64
	// Connections is the number of clients' connections.
	Connections int
	// Streams is the number of requests that a client may have open on one connection
	// of HTTP/2. Default 100.
	Streams int
	// Line is the length of a line of a worker's output; a longer one is split.
	Line int64
	// Rate is how many requests a client's network may send; the zero value (the
	// default) is no bound. RateBurst is how many of them may come at once. Default 50.
	Rate      Rate
	RateBurst int
}

// Proxy says how requests are passed on.
type Proxy struct {
	// Trusted are those whose X-Forwarded-* and Forwarded is believed. Default: nobody.
	Trusted Peers
	// RequestBuffering makes a request's body complete before a worker gets it.
	RequestBuffering bool
	// ErrorPages is the absolute path of the folder with pages for ripd's own answers; ""
	// for none.
	ErrorPages string
	// StatusPath is the path of the public status page, "" when it is turned off.
	StatusPath string
}

// TLS says how the https listeners speak.
type TLS struct {
	// Certificate and Key are PEM files, as many of the one as of the other; the
	// first pair is for clients that ask for no name that is known. Empty: the
	// credentials from systemd, or in the foreground a self-signed certificate.
	Certificate, Key Paths
	// RedirectHTTP sends clients of the plain listeners to the https ones.
	RedirectHTTP bool
	// HTTP2 offers HTTP/2 to clients. Default true.
	HTTP2 bool
	// HSTS is the value of Strict-Transport-Security, "" for none.
	HSTS string
	// ACME are the names for which ripd gets certificates by itself, in lower case and
	// without a final dot. Empty: none.
	ACME []string
	// ACMEEmail is the address that an authority may write to, "" for none.
	ACMEEmail string
	// ACMEDirectory is the URL of the authority's directory. Default
	// DefaultACMEDirectory.
	ACMEDirectory string
	// ACMERoot is a file of certificates, in PEM, of which one vouches for the
	// directory's own. "": those that the system trusts.
	ACMERoot string
	// ACMEKeyID names an account at the authority to which ripd's is bound (external
	// account binding, RFC 8555 section 7.3.4); "": none. ACMEKey is the file with that
	// account's key; "": systemd's credential.
	ACMEKeyID, ACMEKey string
}

// Reload says when changed code is loaded.
type Reload struct{ Mode Mode }

// Log says what is written, and in which form.
type Log struct {
	// Access is the form of the access log.
	Access Access
	// JSON tells that ripd's own lines are JSON too: log.access is "json", or
	// --json-logging was given.
	JSON bool
	// AccessTo says where access lines go. Load leaves it at AccessToFile where
	// a file was given, and never at AccessToOff: then Access is off.
	AccessTo AccessTo
	// AccessFile is the absolute path of the access log's file, "" for none.
	AccessFile string
	// Slow is the time in the queue and with a worker from which on a request is
	// slow; 0 makes none slow. Default 1 s.
	Slow time.Duration
	// Sample makes one of so many requests, that are neither errors nor slow, have
	// a line in systemd's journal; 0 is none. Default 100.
	Sample int
	// Level is the least level of ripd's own lines. Default info.
	Level slog.Level
}

// AccessTo is where access lines go.
type AccessTo string

// The places of access lines. AccessToAuto is a selection of them where the output is
// systemd's journal, else all of them to the output.
const (
	AccessToAuto   AccessTo = "auto"
	AccessToOutput AccessTo = "output"
	AccessToFile   AccessTo = "file"
	AccessToOff    AccessTo = "off"
)

// Ready says by which sign a new worker is taken as ready.
type Ready string

// The signs of readiness. ReadyAuto takes the first of the other three.
const (
	ReadyAuto     Ready = "auto"
	ReadyRegister Ready = "register"
	ReadyNotify   Ready = "notify"
	ReadyListen   Ready = "listen"
)

// The values of workers.release: when a request leaves its slot, with the whole of the
// answer, or with its head where nobody knows how long the body becomes.
const (
	ReleaseAnswer = "answer"
	ReleaseEarly  = "early"
)

// The values of workers.scheduling: workers run by the policy SCHED_BATCH (sched(7)), by
// that of ripd, or by whichever is better for what they do.
const (
	SchedulingAuto    = "auto"
	SchedulingBatch   = "batch"
	SchedulingInherit = "inherit"
)

// Mode is how changed code is noticed and loaded.
type Mode string

// The reload modes. ModeModule needs an adapter that can do it.
const (
	ModeNone    Mode = "none"
	ModeProcess Mode = "process"
	ModeModule  Mode = "module"
)

// Access is the form of the access log.
type Access string

// The forms of the access log.
const (
	AccessHuman Access = "human"
	AccessJSON  Access = "json"
	AccessOff   Access = "off"
)

// AdapterInUse is the adapter that runs the app: "demo" for the demo, "exec" for
// a program, else the one that loads it.
func (c *Config) AdapterInUse() string {
	switch {
	case c.Demo:
		return adapterDemo
	case len(c.Command) > 0 || c.Detected == "":
		return AdapterExec
	}
	return c.Detected
}

// loadsCode tells whether the adapter can exchange code inside of its process.
func (c *Config) loadsCode() bool {
	in := c.AdapterInUse()
	return in != adapterDemo && in != AdapterExec
}

// Notes are the decisions that depended on the machine, one sentence each, for
// people. Do not change the slice.
func (c *Config) Notes() []string { return c.notes }
