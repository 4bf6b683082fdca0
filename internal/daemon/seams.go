package daemon

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"ripd/internal/adapter"
	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/pool"
	"ripd/internal/proxy"
)

// This file holds all that the supervisor needs from outside. Tests put fakes
// here; wire.go puts the real things.

// process is one running worker process.
type process interface {
	PID() int
	// Watch arranges for ready to be called at most once, when the process was
	// seen to be ready by notifying or listening, and for exited to be called once,
	// when no process of the group is left. Both come from any goroutine.
	Watch(ready, exited func())
	// Owns tells whether the process pid is this worker or descends from it.
	Owns(pid int) bool
	// Terminate asks the whole process group to end.
	Terminate()
	// Kill ends the whole process group.
	Kill()
	// Exit says how the process ended: "exit status 1", "signal: killed".
	Exit() string
	// OutOfMemory says why the kernel has ended the process for want of memory; ""
	// when it has not. It is known as soon as the process's connections break off.
	OutOfMemory() string
	// Usage is what the process and its descendants use now.
	Usage() (usage, error)
	// SetBatch has the process and its descendants run by SCHED_BATCH, or as ripd does.
	SetBatch(on bool) error
	// Group is its control group, "" when it has none of its own.
	Group() string
	// LastWords are the last lines of its output.
	LastWords() []string
}

// launch is what a starter needs to start one process.
type launch struct {
	ID, Generation int
	Release        *release
	Token, Socket  string
	// Context ends when the process is not wanted any more, before it was started.
	Context context.Context
}

// starter starts processes. It may block for a while.
type starter interface {
	start(l launch) (process, error)
}

// seat is one worker's place in the pool.
type seat interface {
	Ready(socket string) error
	Drain() error
	Resume() error
	Retire() error
	Remove() error
	Info() pool.WorkerInfo
}

// seating is the part of the pool that the supervisor uses. What the pool tells
// about a seat arrives as calls of the event function.
type seating interface {
	Add(spec pool.WorkerSpec, event func(pool.Event)) seat
	Require(generation int)
	Outlook(hopeless bool, retryAfter time.Duration)
}

// backoff paces the starts of one slot.
type backoff interface {
	// Ready notes that the slot's process became ready.
	Ready(now time.Time)
	// Next is how long to wait until the next start, after an end at now.
	Next(now time.Time) time.Duration
}

// usage is what a worker and its descendants use.
type usage struct {
	memory int64 // in bytes
	cpu    time.Duration
}

// recorder counts for the metrics.
type recorder interface {
	Respawned(cause string)
	Rolled(verdict string)
}

// release is what one roll deploys: the settings, and the code's place as it was
// when the roll began. It is immutable.
type release struct {
	generation int
	config     *config.Config
	dir        string            // workdir, symbolic links resolved
	app        string            // app, symbolic links resolved
	env        map[string]string // env_file, then env_credentials, env and the plan's, of which the later wins
	plan       *adapter.Plan     // nil for a program and for the demo
	papers     *papers           // that a reload has read; nil: those in force stay
	files      *proxy.Files      // likewise
}

// seams are the supervisor's dependencies.
type seams struct {
	starter starter
	seating seating
	now     func() time.Time
	random  *rand.Rand
	backoff func() backoff
	// prepare makes the release of a roll; the old one says what is in force. It
	// reads files, so it runs aside. Notes are for whoever asked for the roll.
	prepare func(kind string, old *release) (r *release, notes []string, err error)
	// aside runs f on another goroutine, so that the supervisor never waits.
	aside func(f func())
	// commit puts the release's settings into force outside of the workers.
	commit func(r *release)
	// usage is for a worker that ripd did not start.
	usage func(pid int) (usage, error)
	// batchProblem is why workers cannot run by SCHED_BATCH, nil when they can.
	batchProblem error
	// state describes a process for the log: what it is waiting for.
	state func(pid int) string
	// files is told what a registering worker has loaded.
	files func(generation int, files []string)
	// newest tells whether a file has changed since the newest generation was started;
	// nil when nobody looks at files.
	newest func() (path string, changed bool)
	// tellTrouble is told after each turn why the newest code does not serve, nil
	// when it does. It is nil itself when nobody wants to know.
	tellTrouble func(*failure)
	token       func() string
	socket      func(id, number int) string // path of the number-th socket of a slot, from 1
	events      func(api.Event)
	count       recorder
	// retain is told from which release processes are started when no roll goes on. nil:
	// nobody keeps anything of a release.
	retain func(r *release)
	// loading are the last words of what loads the release for its workers, before
	// they have words of their own. nil: nothing does.
	loading func(r *release) []string
	// rolled is told how a roll ended.
	rolled func(api.Verdict)
	// ready is called once, when the first worker is ready; settled once, when all
	// workers of the start are ready or have failed.
	ready, settled func()
	// maintenance has requests answered with the maintenance page, or no more.
	maintenance func(on bool)
	log         *slog.Logger
}
