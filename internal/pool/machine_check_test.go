package pool_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"pgregory.net/rapid"

	"ripd/internal/pool"
)

// check holds after each step.
func (m *machine) check(t *rapid.T) {
	if err := m.pool.Check(); err != nil {
		t.Fatal(err)
	}
	m.checkLeases(t)
	if got, want := m.pool.Snapshot(m.model.now), m.model.snapshot(); !reflect.DeepEqual(got, want) {
		t.Fatalf("snapshot\n%+v, want\n%+v", got, want)
	}
	waiting := m.pool.Waiting()
	for i, c := range m.model.queue {
		m.same(t, fmt.Sprintf("place %d of the queue", i), waiting[i], c)
	}
	if !slices.Equal(m.events, m.model.events) {
		t.Fatalf("events\n%v, want\n%v", m.events, m.model.events)
	}
	if got := m.pool.RetryAfter(); got != m.model.retry {
		t.Fatalf("RetryAfter: %v, want %v", got, m.model.retry)
	}
	for _, p := range m.all {
		if got := m.pool.Info(p.worker, m.model.now); !reflect.DeepEqual(got, m.model.info(p)) {
			t.Fatalf("worker\n%+v, want\n%+v", got, m.model.info(p))
		}
		for _, s := range p.seats {
			if got := s.slot.Given(); got != (s.phase == given) {
				t.Fatalf("a slot of worker %d is in phase %d, and was given something: %v", p.spec.ID, s.phase, got)
			}
		}
	}
	for _, c := range m.calls {
		if want := btoi(c.place == outside); c.ends != want {
			t.Fatalf("%s ended %d times, want %d", c.name, c.ends, want)
		}
	}
}

// checkLeases looks at what was leased in this step, in the pool's own words.
func (m *machine) checkLeases(t *rapid.T) {
	for _, c := range m.model.fresh {
		if m.pool.OlderWaits(c.ticket) {
			t.Fatalf("%s overtook one that waits", c.name)
		}
		if spec := c.slot.process.spec; spec.Generation < m.model.required {
			t.Fatalf("%s went to generation %d, required is %d", c.name, spec.Generation, m.model.required)
		}
		if c.ticket.Arrived() != c.arrived || c.ticket.Leased() != c.leased {
			t.Fatalf("%s arrived %d, leased %d, want %d, %d", c.name, c.ticket.Arrived(), c.ticket.Leased(), c.arrived, c.leased)
		}
	}
	m.model.fresh = m.model.fresh[:0]
}

// settle ends a history: with one worker that is ready everything that waits is
// served, and when the workers have gone nothing is left over.
func (m *machine) settle(t *rapid.T) {
	m.requireGeneration(0)
	able := slices.ContainsFunc(m.model.workers, func(p *process) bool { return p.state == pool.Ready })
	m.play(t)
	if able && len(m.model.queue) > 0 {
		t.Fatalf("%d requests wait, with a worker that is ready", len(m.model.queue))
	}
	m.model.stopping = true
	m.pool.Stop()
	for _, p := range slices.Clone(m.model.workers) {
		if p.state < pool.Retiring {
			m.retireWorker(t, p)
		}
	}
	m.play(t)
	for m.abandonOne(t) {
		m.check(t)
	}
	for _, p := range slices.Clone(m.model.workers) {
		if !p.toldIdle {
			t.Fatalf("nothing told that worker %d is idle", p.spec.ID)
		}
		m.removeWorker(t, p)
	}
	m.check(t)
	for _, p := range m.all {
		for _, s := range p.seats {
			if s.phase != ended {
				t.Fatalf("a slot of worker %d has not ended: phase %d", p.spec.ID, s.phase)
			}
		}
	}
	for _, c := range m.calls {
		if c.ends != 1 {
			t.Fatalf("%s ended %d times", c.name, c.ends)
		}
	}
	m.pool.Wait()
}

// play lets the goroutine of each slot go on until it stands.
func (m *machine) play(t *rapid.T) {
	for moved := true; moved; {
		moved = false
		for _, p := range m.all {
			for _, s := range p.seats {
				switch s.phase {
				case turning, serving:
					m.turnSeat(t, s)
				case given:
					m.waitSeat(t, s)
				default:
					continue
				}
				moved = true
				m.check(t)
			}
		}
	}
}

// same compares a ticket of the pool with a call of the model.
func (m *machine) same(t *rapid.T, what string, got *pool.Ticket, want *call) {
	name := func(t *pool.Ticket) string {
		if t == nil {
			return "nothing"
		}
		return t.Request.Describe()
	}
	var ticket *pool.Ticket
	if want != nil {
		ticket = want.ticket
	}
	if got != ticket {
		t.Fatalf("%s: %s, want %s", what, name(got), name(ticket))
	}
}

// step compares the outcome of a transition that is legal from some states.
func (m *machine) step(t *rapid.T, err error, p *process, to pool.State, from ...pool.State) bool {
	if !slices.Contains(from, p.state) {
		m.illegal(t, err, p, to)
		return false
	}
	m.legal(t, err, p, to)
	return true
}

func (m *machine) legal(t *rapid.T, err error, p *process, to pool.State) {
	if err != nil {
		t.Fatalf("a worker that is %v becomes %v: %v", p.state, to, err)
	}
	p.state = to
}

func (m *machine) illegal(t *rapid.T, err error, p *process, to pool.State) {
	var step *pool.StepError
	if !errors.As(err, &step) || step.From != p.state || step.To != to || step.ID != p.spec.ID || step.Generation != p.spec.Generation {
		t.Fatalf("a worker that is %v becomes %v: %v, want a StepError that says so", p.state, to, err)
	}
}

// newest is the highest generation of the history so far, at least 1.
func (m *machine) newest() int {
	n := 1
	for _, p := range m.all {
		n = max(n, p.spec.Generation)
	}
	return n
}

// pickWorker draws a worker, mostly one in the state where something happens.
func (m *machine) pickWorker(t *rapid.T, likely pool.State) *process {
	from := m.all
	if rapid.IntRange(0, 9).Draw(t, "any state at 0") > 0 {
		from = nil
		for _, p := range m.all {
			if p.state == likely {
				from = append(from, p)
			}
		}
	}
	if len(from) == 0 {
		t.Skip("no such worker")
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(t, "worker")]
}

func (m *machine) pickSeat(t *rapid.T, fits func(*seat) bool) *seat {
	var from []*seat
	for _, p := range m.all {
		for _, s := range p.seats {
			if fits(s) {
				from = append(from, s)
			}
		}
	}
	if len(from) == 0 {
		t.Skip("no such slot")
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(t, "slot")]
}

// pickCall draws a call that still owns its ticket, nil when there is none.
func (m *machine) pickCall(t *rapid.T, fits func(*call) bool) *call {
	var from []*call
	for _, c := range m.calls {
		if c.ticket != nil && fits(c) {
			from = append(from, c)
		}
	}
	if len(from) == 0 {
		return nil
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(t, "call")]
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
