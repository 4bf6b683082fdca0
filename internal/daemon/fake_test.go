package daemon

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/pool"
	"ripd/internal/testkit"
)

// world is a supervisor on fakes: processes, the pool, and a clock that moves
// only when told to. There are no goroutines in it.
type world struct {
	t     reporter
	s     *supervisor
	clock *testkit.FakeClock

	processes   []*fakeProcess // all that were ever started
	seats       []*fakeSeat
	startError  error                   // of the next starts
	onStart     func(p *fakeProcess)    // called when a process was started
	stubborn    func(*fakeProcess) bool // does it ignore SIGTERM?
	prepareErr  error
	prepared    int
	nextConfig  *config.Config // of the next release; nil: the one in force
	nextDir     string         // of the next release; "": the one in force
	required    int
	hopeless    bool
	retryAfter  time.Duration
	events      []api.Event
	commits     []*release
	respawned   []string
	rolled      []string
	verdicts    []api.Verdict
	memory      map[int]int64
	batchDenied error // what SetBatch(true) answers
	readies     int
	settled     int
	maintained  bool
	pids        int
	files       []string
}

type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

type fakeProcess struct {
	w             *world
	l             launch
	pid           int
	ready, exited func()
	over          bool
	exit          string
	shortage      string // why the kernel has ended it
	words         []string
	batch         bool // runs by SCHED_BATCH
	asked         int  // how often it was asked to end
	killed        bool
}

func (p *fakeProcess) PID() int { return p.pid }
func (p *fakeProcess) Watch(ready, exited func()) {
	p.ready, p.exited = ready, exited
	if p.over {
		exited()
	}
}
func (p *fakeProcess) Owns(pid int) bool   { return pid == p.pid }
func (p *fakeProcess) Exit() string        { return p.exit }
func (p *fakeProcess) OutOfMemory() string { return p.shortage }
func (p *fakeProcess) Usage() (usage, error) {
	return usage{memory: p.w.memory[p.pid]}, nil
}
func (p *fakeProcess) SetBatch(on bool) error {
	if on && p.w.batchDenied != nil {
		return p.w.batchDenied
	}
	p.batch = on
	return nil
}
func (p *fakeProcess) Group() string       { return "" }
func (p *fakeProcess) LastWords() []string { return p.words }
func (p *fakeProcess) Terminate() {
	p.asked++
	if p.w.stubborn == nil || !p.w.stubborn(p) {
		p.ends("exit status 0")
	}
}
func (p *fakeProcess) Kill() {
	p.killed = true
	p.ends("signal: killed")
}

// ends makes the process end; nothing is said twice.
func (p *fakeProcess) ends(exit string, words ...string) {
	if p.over {
		return
	}
	p.over, p.exit = true, exit
	p.words = append(p.words, words...)
	if p.exited != nil {
		p.exited()
	}
}

// fakeSeat is a worker in the pool, as far as states go.
type fakeSeat struct {
	w        *world
	spec     pool.WorkerSpec
	event    func(pool.Event)
	state    pool.State
	inFlight int
	request  string
	handled  int
	served   time.Duration
}

func (f *fakeSeat) to(next pool.State, from ...pool.State) error {
	for _, s := range from {
		if f.state == s {
			f.state = next
			return nil
		}
	}
	return fmt.Errorf("a %v seat cannot become %v", f.state, next)
}
func (f *fakeSeat) Ready(string) error { return f.to(pool.Ready, pool.Starting) }
func (f *fakeSeat) Drain() error       { return f.to(pool.Drained, pool.Ready) }
func (f *fakeSeat) Resume() error      { return f.to(pool.Ready, pool.Drained) }
func (f *fakeSeat) Retire() error {
	err := f.to(pool.Retiring, pool.Starting, pool.Ready, pool.Drained)
	if err == nil && f.inFlight == 0 {
		f.event(pool.Event{Kind: pool.Idle})
	}
	return err
}
func (f *fakeSeat) Remove() error {
	return f.to(pool.Gone, pool.Starting, pool.Ready, pool.Drained, pool.Retiring, pool.Failed)
}
func (f *fakeSeat) Info() pool.WorkerInfo {
	return pool.WorkerInfo{WorkerSpec: f.spec, State: f.state, InFlight: f.inFlight, Request: f.request, Handled: f.handled, Served: f.served}
}

// finish ends what the seat has in flight.
func (f *fakeSeat) finish() {
	f.inFlight = 0
	if f.state == pool.Retiring || f.state == pool.Failed {
		f.event(pool.Event{Kind: pool.Idle})
	}
}

// drop is what the pool does at a failure.
func (f *fakeSeat) drop(cause pool.Cause, detail string) {
	if f.state == pool.Failed || f.state == pool.Gone || f.state == pool.Starting {
		return
	}
	f.state = pool.Failed
	f.event(pool.Event{Kind: pool.Dropped, Cause: cause, Detail: detail})
	f.finish()
}

func (w *world) Add(spec pool.WorkerSpec, event func(pool.Event)) seat {
	f := &fakeSeat{w: w, spec: spec, event: event}
	w.seats = append(w.seats, f)
	return f
}
func (w *world) Require(generation int)                 { w.required = generation }
func (w *world) Outlook(hopeless bool, d time.Duration) { w.hopeless, w.retryAfter = hopeless, d }
func (w *world) Respawned(cause string)                 { w.respawned = append(w.respawned, cause) }
func (w *world) Rolled(verdict string)                  { w.rolled = append(w.rolled, verdict) }

func (w *world) start(l launch) (process, error) {
	if w.startError != nil {
		return nil, w.startError
	}
	w.pids++
	p := &fakeProcess{w: w, l: l, pid: 1000 + w.pids}
	w.processes = append(w.processes, p)
	if w.onStart != nil {
		w.onStart(p)
	}
	return p, nil
}

// doubling is a back-off without chance: at once, then 1 s, 2 s, up to 30 s.
type doubling struct {
	count int
	ready time.Time
}

func (b *doubling) Ready(now time.Time) { b.ready = now }
func (b *doubling) Next(now time.Time) time.Duration {
	if !b.ready.IsZero() && now.Sub(b.ready) >= time.Minute {
		b.count = 0
	}
	b.ready = time.Time{}
	b.count++
	if b.count == 1 {
		return 0
	}
	return min(time.Second<<(b.count-2), 30*time.Second)
}

// testConfig is a configuration of n workers with short words for times.
func testConfig(n int) *config.Config {
	c := &config.Config{Name: "shop", Command: []string{"serve"}}
	c.Workers.Count, c.Workers.Concurrency, c.Workers.Surge = n, 1, 1
	c.Workers.StartTimeout, c.Workers.StopTimeout = 60*time.Second, 30*time.Second
	c.Workers.Ready = config.ReadyAuto
	return c
}

func newWorld(t testing.TB, c *config.Config) *world {
	w := makeWorld(t, c)
	w.do(func() {})
	return w
}

func makeWorld(t reporter, c *config.Config) *world {
	w := &world{t: t, clock: testkit.NewFakeClock(), memory: map[int]int64{}}
	serial := 0
	d := seams{
		starter: w, seating: w, now: w.clock.Now, random: rand.New(rand.NewPCG(1, 2)),
		backoff: func() backoff { return &doubling{} },
		prepare: w.prepare,
		aside:   func(f func()) { f() },
		commit:  func(r *release) { w.commits = append(w.commits, r) },
		usage: func(pid int) (usage, error) {
			size, known := w.memory[pid]
			if !known {
				return usage{}, errors.New("no such process")
			}
			return usage{memory: size}, nil
		},
		state:  func(int) string { return "S (sleeping)" },
		files:  func(_ int, files []string) { w.files = append(w.files, files...) },
		token:  func() string { serial++; return fmt.Sprint("token", serial) },
		socket: func(id, number int) string { return fmt.Sprintf("/run/shop.%d.%d.sock", id, number) },
		events: func(e api.Event) { w.events = append(w.events, e) },
		count:  w,
		rolled: func(v api.Verdict) { w.verdicts = append(w.verdicts, v) },
		ready:  func() { w.readies++ }, settled: func() { w.settled++ }, maintenance: func(on bool) { w.maintained = on },
		log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	w.s = newSupervisor(d, &release{config: c, dir: "/srv/shop", app: "/srv/shop"})
	return w
}

func (w *world) prepare(kind string, old *release) (*release, []string, error) {
	w.prepared++
	if w.prepareErr != nil {
		return nil, nil, w.prepareErr
	}
	r := *old
	if w.nextConfig != nil {
		r.config = w.nextConfig
	}
	if w.nextDir != "" {
		r.dir = w.nextDir
	}
	return &r, nil, nil
}

// pump lets the supervisor take in what happened, as its goroutine does (there is no
// turn without a reason), and checks the invariants after each turn.
func (w *world) pump() {
	w.t.Helper()
	for f := w.s.mail.take(); f != nil; f = w.s.mail.take() {
		w.s.turn(f)
		w.check()
	}
}

// do is an operator's or a worker's call.
func (w *world) do(f func()) {
	w.t.Helper()
	w.s.turn(f)
	w.check()
	w.pump()
}

// advance moves the clock, stopping at each moment that the supervisor waits for.
func (w *world) advance(d time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(d)
	for turns := 0; ; turns++ {
		next := w.s.nextDeadline()
		if next.After(end) {
			break
		}
		if turns > 10000 {
			w.t.Fatalf("the supervisor turns and turns at %v", next)
		}
		w.clock.Advance(next.Sub(w.clock.Now()))
		w.do(func() {})
	}
	w.clock.Advance(end.Sub(w.clock.Now()))
}

// check holds what has to hold after each turn.
func (w *world) check() {
	w.t.Helper()
	if w.s.illegal != 0 {
		w.t.Fatalf("%d illegal steps", w.s.illegal)
	}
	tracked := map[process]bool{}
	for i, sl := range w.s.slots {
		if i > 0 && w.s.slots[i-1].id >= sl.id {
			w.t.Fatalf("slots are not in order")
		}
		if sl.next != nil && sl.current == nil {
			w.t.Fatalf("slot %d has a successor of nothing", sl.id)
		}
		if c := sl.current; c != nil && c.phase.ending() {
			w.t.Fatalf("slot %d: the current process is %v", sl.id, c.phase)
		}
		if n := sl.next; n != nil && n.phase != phaseStarting {
			w.t.Fatalf("slot %d: the successor is %v", sl.id, n.phase)
		}
		if len(sl.leaving) > maxLeaving+1 {
			w.t.Fatalf("slot %d: %d processes are leaving", sl.id, len(sl.leaving))
		}
		sockets := map[string]bool{}
		sl.instances(func(in *instance) {
			if sockets[in.socket] {
				w.t.Fatalf("slot %d: two processes share %s", sl.id, in.socket)
			}
			sockets[in.socket] = true
			if in.process != nil {
				tracked[in.process] = true
			}
		})
		for _, in := range sl.leaving {
			if !in.phase.ending() || in.phase == phaseGone {
				w.t.Fatalf("slot %d: a leaving process is %v", sl.id, in.phase)
			}
			if in.deadline.IsZero() {
				w.t.Fatalf("slot %d: a leaving process has no deadline", sl.id)
			}
		}
	}
	for _, p := range w.processes {
		if !p.over && p.exited != nil && !tracked[p] {
			w.t.Fatalf("process %d of slot %d runs and nobody knows it", p.pid, p.l.ID)
		}
	}
}

// alive returns the running processes, oldest first.
func (w *world) alive() []*fakeProcess {
	var list []*fakeProcess
	for _, p := range w.processes {
		if !p.over {
			list = append(list, p)
		}
	}
	return list
}

// last returns the process of a slot that was started last.
func (w *world) last(id int) *fakeProcess {
	w.t.Helper()
	for i := len(w.processes) - 1; i >= 0; i-- {
		if w.processes[i].l.ID == id {
			return w.processes[i]
		}
	}
	w.t.Fatalf("slot %d never had a process", id)
	return nil
}

// seat returns the pool's view of a process.
func (w *world) seat(p *fakeProcess) *fakeSeat {
	w.t.Helper()
	for _, f := range w.seats {
		if f.spec.PID == p.pid {
			return f
		}
	}
	w.t.Fatalf("process %d has no seat", p.pid)
	return nil
}

// makeReady makes processes ready, as if they had notified.
func (w *world) makeReady(list ...*fakeProcess) {
	w.t.Helper()
	for _, p := range list {
		p.ready()
	}
	w.pump()
}

// allReady makes every process ready at its start, from now on and at once.
func (w *world) allReady() {
	w.t.Helper()
	w.makeReady(w.alive()...)
}

// crash ends a process as if by itself.
func (w *world) crash(p *fakeProcess, words ...string) {
	w.t.Helper()
	p.ends("exit status 1", words...)
	w.pump()
}

// serving counts the workers to which the pool gives requests, by generation.
func (w *world) serving() map[int]int {
	n := map[int]int{}
	for _, f := range w.seats {
		if f.state == pool.Ready {
			n[f.spec.Generation]++
		}
	}
	return n
}

func (w *world) total() int {
	sum := 0
	for _, n := range w.serving() {
		sum += n
	}
	return sum
}

func (w *world) roll(kind string) *watcher {
	w.t.Helper()
	var watch *watcher
	w.do(func() { watch = w.s.requestRoll(kind) })
	return watch
}

// steps takes the messages that the watcher has.
func messages(watch *watcher) []string {
	var list []string
	watch.drain(func(st api.Step) { list = append(list, st.Message) })
	return list
}

// verdict takes the watcher's verdict, which must be there.
func (w *world) verdict(watch *watcher) api.Verdict {
	w.t.Helper()
	select {
	case v := <-watch.verdict:
		return v
	default:
		w.t.Fatalf("no verdict yet")
		return api.Verdict{}
	}
}

func (w *world) noVerdict(watch *watcher) {
	w.t.Helper()
	select {
	case v := <-watch.verdict:
		w.t.Fatalf("a verdict already: %+v", v)
	default:
	}
}
