package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"ripd/internal/adapter"
	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/worker"
)

// workerStarter starts real processes.
type workerStarter struct {
	launcher *worker.Launcher
	output   *journal.WorkerLog
	environ  []string // ripd's own
	control  string   // the control socket that workers may use
	binary   string   // ripd's own program
	molds    *molds
}

func (w *workerStarter) start(l launch) (process, error) {
	c := l.Release.config
	command := l.Release.command()
	if c.Demo {
		command = []string{w.binary, adapter.DemoArg}
	}
	credentials := ""
	if len(c.Workers.Credentials) > 0 {
		credentials = credentialsOf(w.environ)
	}
	s := worker.Spec{
		App: c.Name, ID: l.ID, Generation: l.Generation, Command: command, Dir: l.Release.dir,
		Env: worker.Environment(w.environ, nil, l.Release.env, worker.Variables{
			App: c.Name, ID: l.ID, Generation: l.Generation, Variant: c.Variant, Socket: l.Socket,
			Control: w.control, Token: l.Token, Binary: w.binary, Dir: l.Release.dir, Credentials: credentials,
		}),
		Socket: l.Socket, Ready: c.Workers.Ready, Activation: c.Workers.Activation,
		MemoryMax: c.Workers.MaxMemoryHard, Batch: c.Workers.Scheduling == config.SchedulingBatch, LineLimit: int(c.Limits.Line),
	}
	if c.Workers.Preload {
		if p, err := w.molds.fork(l, s); p != nil || err != nil {
			return wrap(p, err)
		}
	}
	return wrap(w.launcher.Start(s, w.line))
}

func wrap(p *worker.Process, err error) (process, error) {
	if err != nil {
		return nil, err
	}
	return &workerProcess{p}, nil
}

// line passes a line of a worker's output on to the log.
func (w *workerStarter) line(l worker.Line) {
	w.output.Log(&journal.WorkerLine{
		Time: time.Now(), Worker: l.Worker, Generation: l.Generation, PID: l.PID,
		Stream: l.Stream, Text: l.Text, Truncated: l.Truncated,
	})
}

// workerProcess makes a worker.Process what the supervisor calls a process.
type workerProcess struct{ *worker.Process }

// Exit says how the process ended.
func (p *workerProcess) Exit() string { return p.Process.Exit().String() }

// OutOfMemory says why the kernel has ended it for want of memory.
func (p *workerProcess) OutOfMemory() string {
	return shortage(p.Process.OutOfMemory(), p.Spec().MemoryMax)
}

// Usage is what the worker uses now.
func (p *workerProcess) Usage() (usage, error) {
	u, err := p.Process.Usage()
	return usage{memory: u.Memory, cpu: u.CPU}, err
}

// Watch follows the process until its end.
func (p *workerProcess) Watch(ready, exited func()) {
	go func() {
		select {
		case <-p.ReadyC():
			ready()
			<-p.Done()
		case <-p.Done():
		}
		exited()
	}()
}

// seats makes the proxy's pool what the supervisor calls a seating.
type seats struct {
	server *proxy.Server // set once, before the first Add

	mu     sync.Mutex
	events map[*pool.Worker]func(pool.Event)
}

func newSeats() *seats { return &seats{events: map[*pool.Worker]func(pool.Event){}} }

// event is called by the pool; it must not block.
func (s *seats) event(e pool.Event) {
	s.mu.Lock()
	f := s.events[e.Worker]
	s.mu.Unlock()
	if f != nil {
		f(e)
	}
}

// Add brings a worker into the pool.
func (s *seats) Add(spec pool.WorkerSpec, event func(pool.Event)) seat {
	w := s.server.Pool().Add(spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[w] = event
	return poolSeat{s, w}
}

// Require bars older generations.
func (s *seats) Require(generation int) { s.server.Pool().Require(generation) }

// Outlook tells whether a worker can be expected.
func (s *seats) Outlook(hopeless bool, retryAfter time.Duration) {
	s.server.Pool().Outlook(hopeless, retryAfter)
}

type poolSeat struct {
	seats *seats
	w     *pool.Worker
}

func (p poolSeat) pool() *pool.Pool          { return p.seats.server.Pool() }
func (p poolSeat) Ready(socket string) error { return p.pool().Ready(p.w, socket) }
func (p poolSeat) Drain() error              { return p.pool().Drain(p.w) }
func (p poolSeat) Resume() error             { return p.pool().Resume(p.w) }
func (p poolSeat) Retire() error             { return p.pool().Retire(p.w) }
func (p poolSeat) Info() pool.WorkerInfo     { return p.pool().Info(p.w, p.seats.server.Now()) }
func (p poolSeat) Remove() error {
	err := p.pool().Remove(p.w)
	p.seats.mu.Lock()
	defer p.seats.mu.Unlock()
	delete(p.seats.events, p.w)
	return err
}

// socketOf gives the path of the number-th socket of a slot. The first has the
// documented name; the others are for processes that overlap with it.
func socketOf(dir, prefix string) func(id, number int) string {
	return func(id, number int) string {
		path := api.WorkerSocket(dir, prefix, id)
		if number == 1 {
			return path
		}
		return strings.TrimSuffix(path, ".sock") + "-" + strconv.Itoa(number) + ".sock"
	}
}

// ownBinary is the path of ripd's program.
func ownBinary() string {
	if path, err := os.Executable(); err == nil && filepath.IsAbs(path) {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return fmt.Sprintf("/proc/%d/exe", os.Getpid())
}
