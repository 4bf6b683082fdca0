package pool_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/pool"
	"ripd/internal/testkit"
)

// crowd is a pool in real use: a goroutine for each client and each slot, and
// an owner of the workers that acts on events and makes trouble. Time is a
// counter, so that nothing depends on the machine's speed.
type crowd struct {
	crowdSpec
	t      *testing.T
	pool   *pool.Pool
	clock  atomic.Int64
	events chan pool.Event
	nudge  chan struct{} // a client asks the owner to do something
	tally  tally
}

type crowdSpec struct {
	name            string
	workers, slots  int
	size            int
	clients, visits int // requests of each client, one after the other
	timeout         time.Duration
	leaving         bool // clients leave the queue
	trouble         bool // workers fail, are busy, drained, replaced
	maxRequests     int
	waits           bool // slots that stand idle call Wait at once, not Next
}

// tally is what the clients and slots saw, to be held against the pool's counts.
type tally struct {
	served, retried, full, noWorker, expired, left atomic.Uint64
}

// answer is how a visit ended.
type answer struct {
	visit int
	end   *atomic.Uint64 // which of the tally's
}

// visit is a client's request; the pool hands it to one goroutine after another,
// and the race detector watches the fields that are not atomic.
type visit struct {
	ticket   pool.Ticket
	number   int
	retried  bool
	answered chan answer
}

func (v *visit) Describe() string { return "GET /" }

func TestCrowds(t *testing.T) {
	for _, spec := range []crowdSpec{
		{name: "one of each", workers: 1, slots: 1, size: 1, clients: 1, visits: 3000},
		{name: "no queue", workers: 2, slots: 1, size: 0, clients: 8, visits: 300, leaving: true},
		{name: "a queue for all", workers: 4, slots: 1, size: 64, clients: 64, visits: 60, waits: true},
		{name: "a queue too short", workers: 2, slots: 1, size: 8, clients: 32, visits: 100, leaving: true},
		{name: "workers with four slots", workers: 3, slots: 4, size: 64, clients: 64, visits: 60, leaving: true, waits: true},
		{name: "deadlines", workers: 1, slots: 1, size: 64, clients: 48, visits: 60, timeout: 60, leaving: true},
		{name: "trouble with one worker", workers: 1, slots: 1, size: 32, clients: 32, visits: 100, trouble: true, maxRequests: 50},
		{name: "trouble with a queue for all", workers: 4, slots: 1, size: 64, clients: 64, visits: 80, trouble: true, leaving: true, maxRequests: 20, waits: true},
		{name: "trouble with all", workers: 3, slots: 3, size: 8, clients: 64, visits: 80, trouble: true, leaving: true, timeout: 400, maxRequests: 30},
	} {
		t.Run(spec.name, func(t *testing.T) {
			c := &crowd{crowdSpec: spec, t: t, events: make(chan pool.Event, 1024), nudge: make(chan struct{}, 1)}
			c.pool = pool.New(pool.Options{Size: spec.size, Serve: c.serve, Events: func(e pool.Event) {
				select {
				case c.events <- e:
				default:
					t.Error("more events than anyone expected")
				}
			}})
			c.run()
		})
	}
}

func (c *crowd) now() time.Duration { return time.Duration(c.clock.Add(1)) }

func (c *crowd) run() {
	clientsDone, ownerDone := make(chan struct{}), make(chan struct{})
	go func() { defer close(ownerDone); c.own(clientsDone) }()
	var clients sync.WaitGroup
	for n := range c.clients {
		clients.Go(func() { c.visitOften(rand.New(rand.NewPCG(1, uint64(n)))) })
	}
	clients.Wait() // each visit has its deadline
	close(clientsDone)
	testkit.Closed(c.t, testkit.Timeout, ownerDone, "the owner of the workers")
	waited := make(chan struct{})
	go func() { defer close(waited); c.pool.Wait() }()
	testkit.Closed(c.t, testkit.Timeout, waited, "Wait")
	c.compare()
}

func (c *crowd) compare() {
	if err := c.pool.Check(); err != nil {
		c.t.Error(err)
	}
	s := c.pool.Snapshot(c.now())
	want := pool.Counts{
		Leases:      c.tally.served.Load() + c.tally.retried.Load(),
		RefusedFull: c.tally.full.Load(), RefusedNoWorker: c.tally.noWorker.Load(),
		Expired: c.tally.expired.Load(), Left: c.tally.left.Load(),
	}
	if s.Counts != want || s.QueueLength != 0 || len(s.Workers) != 0 {
		c.t.Errorf("%+v, want counts %+v and nothing left", s, want)
	}
	if all := want.Leases - c.tally.retried.Load() + want.RefusedFull + want.RefusedNoWorker + want.Expired + want.Left; all != uint64(c.clients*c.visits) {
		c.t.Errorf("%d requests ended, of %d", all, c.clients*c.visits)
	}
	c.t.Logf("%+v, %d retried", s.Counts, c.tally.retried.Load())
}

// visitOften is a client on a kept-alive connection.
func (c *crowd) visitOften(random *rand.Rand) {
	v := &visit{answered: make(chan answer, 2)}
	v.ticket.Request = v
	for v.number < c.visits {
		v.number++
		v.retried = false
		if !c.visitOnce(v, random) {
			return
		}
		if c.timeout > 0 && random.IntN(4) == 0 {
			if late := c.pool.Expire(c.now(), c.timeout); late != nil {
				c.end(late, &c.tally.expired)
			}
		}
		if random.IntN(30) == 0 {
			select {
			case c.nudge <- struct{}{}:
			default:
			}
		}
	}
	if len(v.answered) > 0 {
		c.t.Error("a request was answered twice")
	}
}

func (c *crowd) visitOnce(v *visit, random *rand.Rand) bool {
	switch verdict := c.pool.Submit(&v.ticket, c.now()); verdict {
	case pool.Full:
		c.tally.full.Add(1)
		runtime.Gosched()
		return true
	case pool.Leased, pool.Queued:
	default:
		c.t.Errorf("Submit: %v", verdict)
		return false
	}
	if c.leaving && random.IntN(8) == 0 {
		if random.IntN(2) == 0 {
			runtime.Gosched()
		}
		if c.pool.Leave(&v.ticket) {
			c.tally.left.Add(1)
			return true
		}
	}
	deadline := time.NewTimer(testkit.Timeout)
	defer deadline.Stop()
	select {
	case a := <-v.answered:
		if a.visit != v.number {
			c.t.Errorf("visit %d got the answer of visit %d", v.number, a.visit)
		}
		a.end.Add(1)
		return true
	case <-deadline.C:
		c.t.Errorf("a request was lost, it waits: %v; %+v", c.pool.Waits(&v.ticket), c.pool.Snapshot(c.now()))
		return false
	}
}

// end answers the ticket's visit.
func (c *crowd) end(t *pool.Ticket, end *atomic.Uint64) {
	v := t.Request.(*visit)
	select {
	case v.answered <- answer{v.number, end}:
	default:
		c.t.Error("a request was answered more than twice")
	}
}

// serve is the goroutine of a slot.
func (c *crowd) serve(s *pool.Slot) {
	random := rand.New(rand.NewPCG(2, uint64(c.now())))
	t := c.pool.Next(s, c.now())
	for t != nil {
		if !c.trouble && c.pool.OlderWaits(t) {
			c.t.Error("a request overtook one that waits")
		}
		if n := c.pool.Info(s.Worker(), c.now()).InFlight; n < 1 || n > c.slots {
			c.t.Errorf("%d requests in flight on %d slots", n, c.slots)
		}
		switch {
		case c.trouble && !t.Request.(*visit).retried && random.IntN(10) == 0:
			c.giveBack(s, t, random)
			t = c.pool.Next(s, c.now())
		case c.waits:
			next, ended := c.pool.Turn(s, c.now())
			c.end(t, &c.tally.served)
			if next == nil && !ended {
				next = s.Wait()
			}
			t = next
		default:
			// The same with Next, which turns the slot again where it stands idle.
			next, ended := c.pool.Turn(s, c.now())
			c.end(t, &c.tally.served)
			if next == nil && !ended {
				runtime.Gosched()
				next = c.pool.Next(s, c.now())
			}
			t = next
		}
	}
}

// giveBack retries a request, now and then with the worker failed.
func (c *crowd) giveBack(s *pool.Slot, t *pool.Ticket, random *rand.Rand) {
	if random.IntN(3) == 0 {
		if err := c.pool.Fail(s.Worker(), pool.CauseClosed, ""); err != nil {
			c.t.Error(err)
		}
	}
	t.Request.(*visit).retried = true
	c.tally.retried.Add(1)
	// From here on the visit belongs to whoever takes it next.
	switch v, displaced := c.pool.Retry(s, c.now()); {
	case v == pool.Full:
		c.end(t, &c.tally.full)
	case displaced != nil:
		c.end(displaced, &c.tally.full)
	case v != pool.Leased && v != pool.Queued:
		c.t.Errorf("Retry: %v", v)
	}
}
