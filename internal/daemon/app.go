package daemon

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ripd/internal/acme"
	"ripd/internal/adapter"
	"ripd/internal/api"
	"ripd/internal/certs"
	"ripd/internal/config"
	"ripd/internal/control"
	"ripd/internal/journal"
	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/systemd"
	"ripd/internal/worker"
)

// app is one running ripd: its parts, in the order in which open makes them. close
// takes them down in the opposite order, however far open has come.
type app struct {
	config  *config.Config // of the start
	input   config.Input
	args    []string
	environ []string
	out     io.Writer
	errOut  io.Writer
	version string
	started time.Time
	notes   []string

	look     journal.Look
	journal  *journal.Journal
	log      *slog.Logger
	handed   *systemd.Handed
	notifier *systemd.Notifier

	heir *heir // nil: this ripd was started by itself

	dir          string // of the sockets
	lock         *nameLock
	programs     adapter.Programs
	fronts       []front             // the clients' listeners
	certs        *certs.Store        // nil without https
	acme         *acme.Manager       // likewise
	acmeNext     chan *acme.Settings // holds one: what a reload has read
	urls         []string
	frontDoor    net.Listener   // ripd's own control socket, rip_….ctl.sock
	workerDoor   net.Listener   // after an upgrade, a door for this ripd's workers alone
	operatorDoor []net.Listener // systemd's, if it gave any
	workerPath   string         // of the workers' door
	controlPath  string         // of the operators' door

	metrics   *metrics.Metrics
	scrapes   *metrics.Door // on listen.metrics
	seats     *seats
	server    *proxy.Server
	groups    groups
	launcher  *worker.Launcher
	molds     *molds
	fresh     *freshness // nil in reload mode none
	super     *supervisor
	broker    *broker
	control   *control.Server
	count     counter
	rate      rate
	dashboard dashboard
	serving   atomic.Bool // a worker has been ready
	tasks     sync.WaitGroup
	quit      chan struct{} // ends the tasks

	signals  chan os.Signal
	greeting greeting
	stopping atomic.Bool
	hasty    atomic.Bool   // a second signal came
	halt     chan struct{} // closed when it stops

	upgrading  atomic.Bool // holds until this ripd has ended, or the upgrade has failed
	handedOver atomic.Bool // another ripd serves; this one finishes what it has
	linked     *link       // to that one

	asked    chan string   // holds one: why ripd shall stop
	failed   chan error    // holds one: a listener that cannot go on
	stopped  chan struct{} // closed when the workers are gone
	farewell string
	stopTook time.Duration
}

// open starts everything. After an error close has to be called.
func (a *app) open() error {
	a.started = time.Now()
	a.asked, a.failed = make(chan string, 1), make(chan error, 1)
	a.stopped, a.quit, a.halt = make(chan struct{}), make(chan struct{}), make(chan struct{})
	a.broker = newBroker()
	a.listenToSignals()
	var err error
	if a.handed, err = systemd.Files(); err != nil { // first, while no other descriptor is open
		return err
	}
	if err := a.heir.greet(a); err != nil {
		return err
	}
	for _, f := range []func() error{a.openJournal, a.openNotifier, a.openNames, a.openPrograms} {
		if err := f(); err != nil {
			return err
		}
	}
	first, err := newRelease(a.config, a.programs, credentialsOf(a.environ))
	if err != nil {
		return err
	}
	for _, f := range []func() error{a.openListeners, a.openControl} {
		if err := f(); err != nil {
			return err
		}
	}
	if err := a.openData(first); err != nil {
		return err
	}
	return a.openSupervisor(first)
}

func (a *app) getenv(name string) string {
	value := ""
	for _, entry := range a.environ {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// openNotifier finds out whether the service manager wants to be told of ripd's state.
func (a *app) openNotifier() (err error) {
	for _, odd := range a.handed.Odd() {
		a.log.Warn("a socket from systemd is not used", "name", odd.Name, "fd", odd.FD, "problem", odd.Problem)
	}
	a.notifier, err = systemd.NewNotifier()
	if a.heir != nil {
		a.notifier.Mute() // until this is the main process
	}
	return err
}

// openNames claims the names of this app's sockets.
func (a *app) openNames() (err error) {
	if a.dir, err = api.EnsureRuntimeDir(a.environ); err != nil {
		return err
	}
	prefix := a.config.SocketPrefix
	longest := socketOf(a.dir, heirPrefix(prefix, a.heir.epoch()))(config.MaxWorkers, 2)
	if err := api.CheckSocketPath(longest); err != nil {
		return err
	}
	if a.heir != nil {
		a.lock, err = a.heir.takeNames(a.dir, prefix)
		return err
	}
	if a.lock, err = takeLock(a.dir, prefix, a.config.Name); err != nil {
		return err
	}
	return removeStale(a.dir, prefix)
}

// openPrograms writes the adapters' programs beside the sockets.
func (a *app) openPrograms() (err error) {
	if len(a.config.Command) > 0 || a.config.Demo {
		return nil
	}
	a.programs, err = adapter.Write(filepath.Join(a.dir, a.workerPrefix()+programsSuffix))
	return err
}

// openControl opens ripd's own control socket. In the foreground it is for
// operators and workers; where systemd gives the operators a door of their own, it
// is for workers alone.
func (a *app) openControl() (err error) {
	if a.heir != nil {
		return a.inheritControl()
	}
	a.workerPath = api.ControlSocket(a.dir, a.config.SocketPrefix)
	a.controlPath = a.workerPath
	if a.frontDoor, err = openUnix(a.workerPath); err != nil {
		return err
	}
	if err := os.Chmod(a.workerPath, 0o600); err != nil {
		return fmt.Errorf("the control socket: %w", err)
	}
	if a.operatorDoor = a.handed.Take(systemd.Control); len(a.operatorDoor) > 0 {
		a.controlPath = a.operatorDoor[0].Addr().String()
	}
	unused, err := a.handed.Close()
	if err != nil {
		return fmt.Errorf("close what systemd gave and nobody uses: %w", err)
	}
	for _, name := range unused {
		a.log.Warn("a socket from systemd is not used", "name", name, "problem", "this version has no use for one of this name")
	}
	return nil
}

// openData makes the way of the requests.
func (a *app) openData(first *release) (err error) {
	a.metrics = metrics.New(metrics.Options{App: a.config.Name, Version: a.version, Snapshot: a.gauges})
	a.count.metrics = a.metrics
	a.scrapes = metrics.NewDoor(a.metrics, a.log)
	files, err := proxy.OpenFiles(a.config)
	if err != nil {
		return err
	}
	options := proxy.Options{Files: files, Config: a.config, Access: a.journal.Access, Metrics: a.metrics, Log: a.log, Proofs: a.proof}
	// In the mode "module", workers report the files alone that they cannot
	// load anew themselves.
	if a.config.Reload.Mode != config.ModeNone {
		if a.fresh, err = newFreshness(first.ownFiles()); err != nil {
			return fmt.Errorf("watch the app's files: %w", err)
		}
		a.fresh.changed = func(path string) error { return a.super.ask(func() { a.super.changed(path) }) }
		a.fresh.flush = func(p *proxy.Page) { go a.server.AnswerWaiting(p) }
		a.fresh.warn = a.unwatched
		options.Fresh = a.fresh.check
		if a.config.Foreground { // the app's words are for its developer alone
			options.Broken = reportPage
		}
	}
	a.seats = newSeats()
	a.server = proxy.New(options, a.seats.event)
	a.seats.server = a.server
	return nil
}

// openSupervisor makes what starts the workers.
func (a *app) openSupervisor(first *release) (err error) {
	a.openGroups()
	batchProblem := a.tryBatch()
	if a.launcher, err = worker.NewLauncher(worker.LauncherOptions{Groups: a.groups.tree, Log: a.log}); err != nil {
		return err
	}
	starter := &workerStarter{launcher: a.launcher, output: a.journal.Workers, environ: a.environ, control: a.workerPath, binary: ownBinary()}
	a.molds = newMolds(a.launcher, starter.line, a.log)
	starter.molds = a.molds
	d := seams{
		starter: starter, retain: a.molds.retain, loading: a.molds.words,
		seating: a.seats, now: time.Now, random: mathrand.New(mathrand.NewPCG(mathrand.Uint64(), mathrand.Uint64())),
		backoff: func() backoff { return worker.NewBackoff(mathrand.Float64) },
		prepare: preparer{a.input, a.programs, a.groups, batchProblem, a.readPapers}.prepare, aside: func(f func()) { go f() }, commit: a.commit,
		usage: readUsage, batchProblem: batchProblem, state: worker.ProcState, files: func(int, []string) {}, token: rand.Text,
		socket: socketOf(a.dir, a.workerPrefix()), events: a.publish, count: &a.count, rolled: a.rolled,
		ready: a.firstReady, settled: a.settled, maintenance: a.server.Maintain, log: a.log,
	}
	if a.fresh != nil {
		d.files, d.newest = a.watch, a.fresh.newest
		if a.config.Foreground {
			d.tellTrouble = a.fresh.trouble
		}
	}
	a.super = newSupervisor(d, first)
	a.heir.adopt(a.super)
	a.control = control.NewServer(control.Options{
		Operator: operator{a}, Registrar: operator{a}, Metrics: a.metrics.Handler(), Version: a.version,
		Connections: control.DefaultConnections + 2*a.config.Workers.Count, Log: a.log,
	})
	return nil
}

func readUsage(pid int) (usage, error) {
	u, err := worker.ReadUsage(pid)
	return usage{memory: u.Memory, cpu: u.CPU}, err
}

// watch adds files to those whose change starts a new generation.
func (a *app) watch(generation int, files []string) {
	if err := a.fresh.loaded(generation, files); err != nil {
		a.unwatched(err)
	}
}

func (a *app) unwatched(err error) {
	a.log.Warn("some of the app's files are not watched", "error", err.Error())
}

// commit puts a release's settings into force outside of the workers. The
// supervisor's goroutine calls it.
func (a *app) commit(r *release) {
	a.server.Configure(r.config)
	if r.papers != nil {
		a.commitPapers(r.papers)
	}
	if r.files != nil {
		a.server.UseFiles(r.files)
	}
	if a.fresh == nil {
		return
	}
	if err := a.fresh.startedFrom(r.generation, r.ownFiles()); err != nil {
		a.unwatched(err)
	}
	for _, file := range a.fresh.stamps.Restless() {
		a.log.Info("the app writes this file whenever it starts: its changes start nothing anew", "file", file)
	}
}

// run starts the goroutines. They end with close.
func (a *app) run() {
	go a.super.run()
	a.tasks.Go(a.sample)
	a.followCertificates()
	a.watchOver()
	a.wedgeOnSignal()
	if a.heir != nil {
		a.door(a.workerDoor, a.control.ServeWorkers)
		a.tasks.Go(a.inherit) // which calls serveAll when it is time
		return
	}
	a.serveAll()
}

// serveAll starts to accept, from operators and from clients.
func (a *app) serveAll() {
	if len(a.operatorDoor) > 0 {
		a.door(a.frontDoor, a.control.ServeWorkers)
		for _, l := range a.operatorDoor {
			a.door(l, a.control.ServeOperators)
		}
	} else {
		a.door(a.frontDoor, a.control.ServeBoth)
	}
	a.accept()
}

func (a *app) door(l net.Listener, serve func(net.Listener) error) {
	a.tasks.Go(func() {
		if err := serve(l); err != nil {
			a.fail(fmt.Errorf("the control socket %s: %w", l.Addr(), err))
		}
	})
}

// fail ends ripd because a part of it cannot go on.
func (a *app) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// settled is called by the supervisor when the start is over.
func (a *app) settled() {
	if a.heir != nil {
		a.heir.settled(a)
		return
	}
	a.greeting.suggest(a)
}

// publish passes an event on, and what an upgrade is to know of it.
func (a *app) publish(e api.Event) {
	a.broker.publish(e)
	if a.heir != nil && e.Kind == api.EventReady && !a.heir.owns() {
		a.heir.note(api.StepReady, e.Worker, "worker %d: %s", e.Worker, e.Message)
	}
}

func (a *app) tellSystemd(err error) {
	if err != nil {
		a.log.Warn("systemd does not listen", "error", err.Error())
	}
}
