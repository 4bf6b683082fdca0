package pool_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ripd/internal/pool"
)

// TestHistories holds the pool against the model, over random histories. The
// test plays the goroutines of the slots, so that every step is its own.
func TestHistories(t *testing.T) { rapid.Check(t, history) }

// FuzzHistories does the same with histories that the fuzzer steers by coverage.
func FuzzHistories(f *testing.F) { f.Fuzz(rapid.MakeFuzz(history)) }

// rounds is how many runs of random steps one history has; rapid chooses the
// length of each.
const rounds = 4

func history(t *rapid.T) {
	m := newMachine(t)
	for range rounds {
		t.Repeat(map[string]func(*rapid.T){
			"":            m.check,
			"arrive":      m.arrive,
			"arrive more": m.arrive,
			"leave":       m.leave,
			"expire":      m.expire,
			"tick":        m.tick,
			"add":         m.add,
			"ready":       m.ready,
			"turn":        m.turn,
			"turn more":   m.turn,
			"turn again":  m.turnAgain,
			"wait":        m.wait,
			"wait more":   m.wait,
			"rest":        m.rest,
			"retry":       m.retry,
			"drain":       m.drain,
			"resume":      m.resume,
			"retire":      m.retire,
			"fail":        m.fail,
			"remove":      m.remove,
			"roll":        m.roll,
			"scale":       m.scale,
			"require":     m.require,
			"outlook":     m.outlook,
			"resize":      m.resize,
			"stop":        m.stop,
			"abandon":     m.abandon,
		})
	}
	m.settle(t)
}

// machine makes each step in the pool and in the model.
type machine struct {
	pool   *pool.Pool
	model  *model
	events []told
	calls  []*call
	all    []*process // gone ones too
}

// maxWorkers bounds the workers of a history that are not gone.
const maxWorkers = 6

func newMachine(t *rapid.T) *machine {
	m := &machine{model: &model{size: rapid.IntRange(0, 4).Draw(t, "size")}}
	m.pool = pool.New(pool.Options{
		Size:   m.model.size,
		Serve:  func(*pool.Slot) {},
		Events: func(e pool.Event) { m.events = append(m.events, told{e.Worker, e.Kind, e.Cause}) },
	})
	for range rapid.IntRange(0, 2).Draw(t, "workers") {
		m.scale(t)
	}
	return m
}

func (m *machine) arrive(t *rapid.T) {
	c := &call{name: fmt.Sprintf("GET /%d", len(m.calls)+1), ticket: &pool.Ticket{}}
	// A ticket serves one request after another, like its client's connection.
	if over := m.pickCall(t, func(c *call) bool { return c.place == outside }); over != nil && rapid.Bool().Draw(t, "same client") {
		c.ticket = over.ticket
		over.ticket = nil
	}
	c.ticket.Request = c
	m.calls = append(m.calls, c)
	want := m.model.submit(c)
	if got := m.pool.Submit(c.ticket, m.model.now); got != want {
		t.Fatalf("Submit: %v, want %v", got, want)
	}
}

func (m *machine) leave(t *rapid.T) {
	c := m.pickCall(t, func(*call) bool { return true })
	if c == nil {
		t.Skip("no call")
	}
	waited := c.place == inQueue
	if waited {
		m.model.dequeue(c)
		m.model.end(c)
		m.model.counts.Left++
	}
	if got := m.pool.Leave(c.ticket); got != waited {
		t.Fatalf("Leave of a call that waits %v: %v", waited, got)
	}
}

func (m *machine) expire(t *rapid.T) {
	timeout := time.Duration(rapid.IntRange(0, 50).Draw(t, "timeout"))
	var want *call
	if q := m.model.queue; len(q) > 0 && m.model.now-q[0].arrived >= timeout {
		want = q[0]
		m.model.dequeue(want)
		m.model.end(want)
		m.model.counts.Expired++
	}
	m.same(t, "Expire", m.pool.Expire(m.model.now, timeout), want)
}

func (m *machine) tick(t *rapid.T) {
	m.model.now += time.Duration(rapid.IntRange(1, 40).Draw(t, "time"))
}

func (m *machine) add(t *rapid.T) {
	m.addWorker(t, rapid.IntRange(1, m.newest()+1).Draw(t, "generation"))
}

func (m *machine) addWorker(t *rapid.T, generation int) *process {
	if len(m.model.workers) >= maxWorkers {
		t.Skip("workers enough")
	}
	spec := pool.WorkerSpec{
		ID: len(m.all) + 1, Generation: generation, Socket: "/run/asked",
		Slots:       rapid.IntRange(0, 3).Draw(t, "slots"),
		MaxRequests: rapid.IntRange(0, 4).Draw(t, "max requests"),
	}
	p := &process{worker: m.pool.Add(spec), spec: spec, state: pool.Starting}
	p.spec.Slots = max(spec.Slots, 1)
	m.model.workers = append(m.model.workers, p)
	m.all = append(m.all, p)
	return p
}

func (m *machine) ready(t *rapid.T) { m.becomeReady(t, m.pickWorker(t, pool.Starting)) }

func (m *machine) becomeReady(t *rapid.T, p *process) {
	socket := rapid.SampledFrom([]string{"", "/run/told"}).Draw(t, "socket")
	err := m.pool.Ready(p.worker, socket)
	if p.state != pool.Starting {
		m.illegal(t, err, p, pool.Ready)
		return
	}
	m.legal(t, err, p, pool.Ready)
	m.model.hopeless = false
	if socket != "" {
		p.spec.Socket = socket
	}
	for _, s := range m.pool.Slots(p.worker) {
		p.seats = append(p.seats, &seat{slot: s, process: p})
	}
}

func (m *machine) turn(t *rapid.T) {
	m.turnSeat(t, m.pickSeat(t, func(s *seat) bool { return s.phase == turning || s.phase == serving }))
}

func (m *machine) turnSeat(t *rapid.T, s *seat) {
	// The goroutine may have read its clock some time before it got the lock.
	now := max(m.model.now-time.Duration(rapid.IntRange(0, 5).Draw(t, "clock behind")), 0)
	want, wantEnded := m.model.turn(s, now)
	got, ended := m.pool.Turn(s.slot, now)
	m.same(t, "Turn", got, want)
	if ended != wantEnded {
		t.Fatalf("Turn: ended %v, want %v", ended, wantEnded)
	}
}

// turnAgain turns a slot that owes a Wait: nothing happens.
func (m *machine) turnAgain(t *rapid.T) {
	s := m.pickSeat(t, func(s *seat) bool { return s.phase == idle || s.phase == given })
	if got, ended := m.pool.Turn(s.slot, m.model.now); got != nil || ended {
		t.Fatalf("Turn of a slot that stands idle: %v, %v", got, ended)
	}
}

func (m *machine) wait(t *rapid.T) {
	m.waitSeat(t, m.pickSeat(t, func(s *seat) bool { return s.phase == given }))
}

func (m *machine) waitSeat(t *rapid.T, s *seat) {
	m.same(t, "Wait", s.slot.Wait(), s.call)
	s.phase = serving
	if s.call == nil {
		s.phase = ended
	}
}

// rest lets everything that runs end, so that many slots stand idle.
func (m *machine) rest(t *rapid.T) { m.play(t) }

func (m *machine) retry(t *rapid.T) {
	s := m.pickSeat(t, func(s *seat) bool { return s.phase == serving })
	want, wantDisplaced := m.model.retryCall(s)
	got, displaced := m.pool.Retry(s.slot, m.model.now)
	if got != want {
		t.Fatalf("Retry: %v, want %v", got, want)
	}
	m.same(t, "Retry", displaced, wantDisplaced)
}

func (m *machine) drain(t *rapid.T) {
	p := m.pickWorker(t, pool.Ready)
	m.step(t, m.pool.Drain(p.worker), p, pool.Drained, pool.Ready)
}

func (m *machine) resume(t *rapid.T) {
	p := m.pickWorker(t, pool.Drained)
	if !m.step(t, m.pool.Resume(p.worker), p, pool.Ready, pool.Drained) {
		return
	}
	m.model.hopeless = false
	for _, s := range p.seats {
		if s.phase == idle {
			m.model.park(s)
		}
	}
	m.model.dispatch()
}

func (m *machine) retire(t *rapid.T) { m.retireWorker(t, m.pickWorker(t, pool.Ready)) }

func (m *machine) retireWorker(t *rapid.T, p *process) {
	if m.step(t, m.pool.Retire(p.worker), p, pool.Retiring, pool.Starting, pool.Ready, pool.Drained) {
		m.model.finish(p)
	}
}

func (m *machine) fail(t *rapid.T) {
	p := m.pickWorker(t, pool.Ready)
	err := m.pool.Fail(p.worker, pool.CauseRead, "broke off")
	if p.state == pool.Failed || p.state == pool.Gone {
		if err != nil {
			t.Fatalf("Fail of a worker that is %v: %v", p.state, err)
		}
		return
	}
	m.legal(t, err, p, pool.Failed)
	m.model.tell(p, pool.Dropped, pool.CauseRead)
	m.model.finish(p)
}

func (m *machine) remove(t *rapid.T) { m.removeWorker(t, m.pickWorker(t, pool.Failed)) }

func (m *machine) removeWorker(t *rapid.T, p *process) {
	if m.step(t, m.pool.Remove(p.worker), p, pool.Gone, pool.Starting, pool.Ready, pool.Drained, pool.Retiring, pool.Failed) {
		m.model.finish(p)
		m.model.workers = slices.DeleteFunc(m.model.workers, func(other *process) bool { return other == p })
	}
}

// roll brings in a worker of a newer generation and retires an old one.
func (m *machine) roll(t *rapid.T) {
	p := m.addWorker(t, m.newest()+1)
	m.becomeReady(t, p)
	for _, old := range m.model.workers {
		if old != p && (old.state == pool.Ready || old.state == pool.Drained) {
			m.retireWorker(t, old)
			return
		}
	}
}

// scale adds a worker of the newest generation that is ready at once.
func (m *machine) scale(t *rapid.T) { m.becomeReady(t, m.addWorker(t, m.newest())) }

func (m *machine) require(t *rapid.T) {
	m.requireGeneration(max(m.newest()+1-rapid.IntRange(0, 5).Draw(t, "generations below the next"), 0))
}

func (m *machine) requireGeneration(generation int) {
	m.model.required = generation
	m.model.dispatch()
	m.pool.Require(generation)
}

func (m *machine) outlook(t *rapid.T) {
	m.model.hopeless = rapid.Bool().Draw(t, "hopeless")
	m.model.retry = time.Duration(rapid.IntRange(1, 30).Draw(t, "retry after"))
	m.pool.Outlook(m.model.hopeless, m.model.retry)
}

func (m *machine) resize(t *rapid.T) {
	m.model.size = rapid.IntRange(0, 6).Draw(t, "size")
	m.pool.Resize(m.model.size)
}

func (m *machine) stop(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "stop at 0") > 0 {
		t.Skip("goes on")
	}
	m.model.stopping = true
	m.pool.Stop()
}

func (m *machine) abandon(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "abandon at 0") > 0 {
		t.Skip("goes on")
	}
	m.abandonOne(t)
}

func (m *machine) abandonOne(t *rapid.T) bool {
	var want *call
	if len(m.model.queue) > 0 {
		want = m.model.queue[0]
		m.model.dequeue(want)
		m.model.end(want)
		m.model.counts.RefusedStopping++
	}
	m.same(t, "Abandon", m.pool.Abandon(), want)
	return want != nil
}
