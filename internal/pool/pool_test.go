package pool_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ripd/internal/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// request is the owner of a ticket in the tests that need no more than a name.
type request string

func (r request) Describe() string { return string(r) }

func ticket(name string) *pool.Ticket { return &pool.Ticket{Request: request(name)} }

func name(t *pool.Ticket) string {
	if t == nil {
		return ""
	}
	return t.Request.Describe()
}

// still returns a pool whose slots the test plays itself.
func still(size int) *pool.Pool {
	return pool.New(pool.Options{Size: size, Serve: func(*pool.Slot) {}})
}

// readyWorker adds a worker that is ready, its slots not yet turned.
func readyWorker(t testing.TB, p *pool.Pool, spec pool.WorkerSpec) (*pool.Worker, []*pool.Slot) {
	t.Helper()
	w := p.Add(spec)
	if err := p.Ready(w, ""); err != nil {
		t.Fatal(err)
	}
	return w, p.Slots(w)
}

// take is Wait, for a slot that must not block there.
func take(t testing.TB, s *pool.Slot) *pool.Ticket {
	t.Helper()
	if !s.Given() {
		t.Fatal("the slot was given nothing")
	}
	return s.Wait()
}

func checked(t *testing.T, p *pool.Pool) {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
}

func TestQueueBoundIsExact(t *testing.T) {
	for _, size := range []int{0, 1, 2, 7} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := still(size)
			_, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
			p.Turn(slots[0], 0)
			if v := p.Submit(ticket("leased"), 1); v != pool.Leased {
				t.Fatal(v)
			}
			for n := range size {
				if v := p.Submit(ticket("waits"), 2); v != pool.Queued {
					t.Fatalf("request %d of %d: %v", n+1, size, v)
				}
			}
			if v := p.Submit(ticket("one too many"), 3); v != pool.Full {
				t.Fatalf("request %d of %d: %v", size+1, size, v)
			}
			if got := p.Snapshot(3); got.QueueLength != size || got.Counts.RefusedFull != 1 {
				t.Fatalf("%+v", got)
			}
		})
	}
}

func TestRetryKeepsThePlaceOfItsArrival(t *testing.T) {
	const size = 2
	for _, tc := range []struct {
		name                string
		waiting             []string // submitted after the one that is retried
		verdict             pool.Verdict
		displaced           string
		order               []string
		hopeless, otherIdle bool
	}{
		{name: "alone", verdict: pool.Queued, order: []string{"retried"}},
		{name: "before a younger one", waiting: []string{"a"}, verdict: pool.Queued, order: []string{"retried", "a"}},
		{name: "the queue is full", waiting: []string{"a", "b"}, verdict: pool.Queued, displaced: "b", order: []string{"retried", "a"}},
		{name: "another worker is idle", otherIdle: true, verdict: pool.Leased},
		{name: "no worker can be had", waiting: []string{"a"}, hopeless: true, verdict: pool.NoWorker, order: []string{"a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := still(size)
			_, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
			p.Turn(slots[0], 0)
			p.Submit(ticket("retried"), 1)
			take(t, slots[0])
			for _, n := range tc.waiting {
				p.Submit(ticket(n), 2)
			}
			if tc.otherIdle {
				_, other := readyWorker(t, p, pool.WorkerSpec{ID: 2})
				p.Turn(other[0], 3)
				defer func() {
					if got := name(take(t, other[0])); got != "retried" {
						t.Errorf("the other worker got %q", got)
					}
				}()
			}
			if tc.hopeless {
				p.Outlook(true, time.Second)
			}
			v, displaced := p.Retry(slots[0], 4)
			if v != tc.verdict || name(displaced) != tc.displaced {
				t.Fatalf("%v, displaced %q", v, name(displaced))
			}
			var order []string
			for _, w := range p.Waiting() {
				order = append(order, name(w))
			}
			if !slices.Equal(order, tc.order) {
				t.Fatalf("the queue is %v, want %v", order, tc.order)
			}
			checked(t, p)
		})
	}
}

// A retried request that arrived last of all is the one that a full queue refuses.
func TestRetryOfTheYoungest(t *testing.T) {
	p := still(1)
	_, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Slots: 2})
	p.Turn(slots[1], 0)
	p.Turn(slots[0], 0)
	older, youngest := ticket("older"), ticket("youngest")
	p.Submit(older, 1)
	p.Submit(youngest, 2)
	if v, displaced := p.Retry(slots[0], 3); v != pool.Queued || displaced != nil {
		t.Fatal(v, displaced)
	}
	if v, displaced := p.Retry(slots[1], 3); v != pool.Full || displaced != nil {
		t.Fatal(v, displaced)
	}
	if got := p.Waiting(); len(got) != 1 || got[0] != older {
		t.Fatal(got)
	}
	checked(t, p)
}

// Several that are retried stand in the order of their arrival, in whichever
// order they come back.
func TestRetriesKeepTheirOrder(t *testing.T) {
	for _, back := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}} {
		t.Run(fmt.Sprint(back), func(t *testing.T) {
			p := still(10)
			_, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Slots: 3})
			for n, s := range slots {
				p.Submit(ticket(fmt.Sprint(n)), 0)
				p.Turn(s, 0)
			}
			p.Submit(ticket("3"), 0)
			for _, n := range back {
				if v, _ := p.Retry(slots[n], 1); v != pool.Queued {
					t.Fatal(v)
				}
				checked(t, p)
			}
			for n, w := range p.Waiting() {
				if name(w) != fmt.Sprint(n) {
					t.Fatalf("place %d is of %s", n, name(w))
				}
			}
		})
	}
}

func TestExpireTakesOnlyWhatIsOldEnough(t *testing.T) {
	p := still(10)
	first, second := ticket("first"), ticket("second")
	p.Submit(first, 100)
	p.Submit(second, 150)
	const timeout = 50
	for _, step := range []struct {
		now  time.Duration
		want *pool.Ticket
	}{{149, nil}, {150, first}, {199, nil}, {200, second}, {300, nil}} {
		if got := p.Expire(step.now, timeout); got != step.want {
			t.Fatalf("at %d: %v", step.now, name(got))
		}
	}
	if p.Leave(first) || p.Snapshot(300).Counts.Expired != 2 {
		t.Fatalf("%+v", p.Snapshot(300).Counts)
	}
}

// Between Turn and Wait the pool believes the slot idle; whatever happens there
// reaches its goroutine.
func TestBetweenTurnAndWait(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*pool.Pool, *pool.Worker) error
		want string // what Wait returns; "" is the slot's end
	}{
		{"a request", func(p *pool.Pool, _ *pool.Worker) error { p.Submit(ticket("new"), 1); return nil }, "new"},
		{"retired", (*pool.Pool).Retire, ""},
		{"removed", (*pool.Pool).Remove, ""},
		{"failed", func(p *pool.Pool, w *pool.Worker) error { return p.Fail(w, pool.CauseRead, "") }, ""},
		{"drained, then retired", func(p *pool.Pool, w *pool.Worker) error { _ = p.Drain(w); return p.Retire(w) }, ""},
		{"drained, a request, resumed", func(p *pool.Pool, w *pool.Worker) error {
			_ = p.Drain(w)
			p.Submit(ticket("new"), 1)
			return p.Resume(w)
		}, "new"},
		{"a request, then drained", func(p *pool.Pool, w *pool.Worker) error { p.Submit(ticket("new"), 1); return p.Drain(w) }, "new"},
		{"a request, then failed", func(p *pool.Pool, w *pool.Worker) error {
			p.Submit(ticket("new"), 1)
			return p.Fail(w, pool.CauseRead, "")
		}, "new"},
		{"held back by Require, then not", func(p *pool.Pool, _ *pool.Worker) error {
			p.Require(9)
			p.Submit(ticket("new"), 1)
			p.Require(1)
			return nil
		}, "new"},
		{"turned again", func(p *pool.Pool, w *pool.Worker) error {
			p.Turn(p.Slots(w)[0], 1)
			p.Submit(ticket("new"), 1)
			p.Turn(p.Slots(w)[0], 2)
			return nil
		}, "new"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := still(1)
			w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Generation: 1})
			p.Turn(slots[0], 0)
			if err := tc.do(p, w); err != nil {
				t.Fatal(err)
			}
			checked(t, p)
			if got := name(take(t, slots[0])); got != tc.want {
				t.Fatalf("%q, want %q", got, tc.want)
			}
			checked(t, p)
		})
	}
}

func TestRequireHoldsBackOldGenerations(t *testing.T) {
	p := still(4)
	old, oldSlots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Generation: 1})
	p.Turn(oldSlots[0], 0)
	p.Require(2)
	waits := ticket("waits")
	if v := p.Submit(waits, 1); v != pool.Queued {
		t.Fatal(v)
	}
	if got := p.Snapshot(1); got.Idle != 0 || got.QueueLength != 1 {
		t.Fatalf("an old slot counts as one that takes requests: %+v", got)
	}
	_, freshSlots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Generation: 2})
	if got, _ := p.Turn(freshSlots[0], 2); got != waits {
		t.Fatal(name(got))
	}
	if err := p.Retire(old); err != nil || take(t, oldSlots[0]) != nil {
		t.Fatal(err)
	}
	checked(t, p)
}

// An idle worker of the newest generation is preferred; among equals the one
// that has been idle longest; an old one still serves when it is the only one.
func TestWhoseTurnItIs(t *testing.T) {
	p := still(0)
	var slots []*pool.Slot
	for n, generation := range []int{1, 2, 1, 2, 3} {
		_, s := readyWorker(t, p, pool.WorkerSpec{ID: n + 1, Generation: generation})
		slots = append(slots, s...)
	}
	for _, n := range []int{2, 0, 3, 4, 1} {
		p.Turn(slots[n], 0)
	}
	var got []int
	for range slots {
		one := ticket("one")
		if v := p.Submit(one, 0); v != pool.Leased {
			t.Fatal(v)
		}
		for n, s := range slots {
			if s.Given() && take(t, s) == one {
				got = append(got, n)
			}
		}
	}
	if want := []int{4, 3, 1, 2, 0}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

// A worker that takes several requests gets the next one when no other has fewer.
func TestTheLeastBusyWorkerIsTaken(t *testing.T) {
	p := still(0)
	var slots []*pool.Slot
	for n := range 3 {
		_, s := readyWorker(t, p, pool.WorkerSpec{ID: n + 1, Generation: 1, Slots: 3})
		slots = append(slots, s...)
	}
	for _, s := range slots {
		p.Turn(s, 0)
	}
	var got []int
	for range slots {
		one := ticket("one")
		if v := p.Submit(one, 0); v != pool.Leased {
			t.Fatal(v)
		}
		for _, s := range slots {
			if s.Given() && take(t, s) == one {
				got = append(got, s.Worker().Spec().ID)
			}
		}
	}
	if want := []int{1, 2, 3, 1, 2, 3, 1, 2, 3}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

func TestHopelessEndsWithAWorkerThatIsReady(t *testing.T) {
	p := still(4)
	w, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
	p.Turn(slots[0], 0)
	if err := p.Drain(w); err != nil {
		t.Fatal(err)
	}
	p.Outlook(true, 3*time.Second)
	if v := p.Submit(ticket("early"), 0); v != pool.NoWorker || p.RetryAfter() != 3*time.Second {
		t.Fatal(v, p.RetryAfter())
	}
	if err := p.Resume(w); err != nil {
		t.Fatal(err)
	}
	if v := p.Submit(ticket("first"), 1); v != pool.Leased {
		t.Fatal(v)
	}
	if v := p.Submit(ticket("second"), 1); v != pool.Queued {
		t.Fatal(v)
	}
}

func TestSnapshotShowsWhatRunsLongest(t *testing.T) {
	p := still(4)
	_, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1, Slots: 2})
	p.Turn(slots[0], 0)
	p.Submit(ticket("first"), 10)
	take(t, slots[0])
	p.Turn(slots[1], 10)
	p.Submit(ticket("second"), 20)
	// The first goes back, and runs again: it arrived first, and runs shorter.
	if v, _ := p.Retry(slots[0], 30); v != pool.Queued {
		t.Fatal(v)
	}
	if got, _ := p.Turn(slots[0], 40); name(got) != "first" {
		t.Fatal(name(got))
	}
	if got := p.Snapshot(50).Workers[0]; got.Request != "second" || got.Running != 30 {
		t.Fatalf("%q for %d", got.Request, got.Running)
	}
}

// A goroutine reads its clock before it gets the lock: a request may arrive in
// between, and has not waited less than nothing.
func TestClockBehindTheArrival(t *testing.T) {
	p := still(4)
	_, slots := readyWorker(t, p, pool.WorkerSpec{ID: 1})
	p.Submit(ticket("new"), 100)
	if got := p.Snapshot(99).OldestWait; got != 0 {
		t.Fatal(got)
	}
	got, _ := p.Turn(slots[0], 99)
	if got.Leased() != got.Arrived() {
		t.Fatalf("arrived at %d, leased at %d", got.Arrived(), got.Leased())
	}
	if got := p.Snapshot(99).Workers[0].Running; got != 0 {
		t.Fatal(got)
	}
}

func TestNames(t *testing.T) {
	for v, want := range []string{"leased", "queued", "queue-full", "no-worker", "stopping"} {
		if got := pool.Verdict(v).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
