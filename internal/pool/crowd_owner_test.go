package pool_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"

	"ripd/internal/pool"
)

// owner is the goroutine that owns the workers.
type owner struct {
	*crowd
	random     *rand.Rand
	generation int
	live       map[*pool.Worker]bool // true: was dropped
	ids        int
}

func (c *crowd) own(clientsDone <-chan struct{}) {
	o := &owner{crowd: c, random: rand.New(rand.NewPCG(3, 0)), generation: 1, live: map[*pool.Worker]bool{}}
	for range c.workers {
		o.start()
	}
	for clients := true; clients || len(o.live) > 0; {
		select {
		case e := <-c.events:
			o.handle(e, clients)
		case <-c.nudge:
			if c.trouble && clients {
				o.disturb()
			}
		case <-clientsDone:
			clients, clientsDone = false, nil
			c.pool.Stop()
			o.retireAll()
		}
	}
	if len(c.events) > 0 {
		c.t.Errorf("%d events of workers that are gone", len(c.events))
	}
}

func (o *owner) start() {
	o.ids++
	w := o.pool.Add(pool.WorkerSpec{ID: o.ids, Generation: o.generation, Slots: o.slots, MaxRequests: o.maxRequests})
	o.live[w] = false
	if err := o.pool.Ready(w, fmt.Sprintf("/run/%d", o.ids)); err != nil {
		o.t.Error(err)
	}
}

func (o *owner) handle(e pool.Event, clients bool) {
	dropped, lives := o.live[e.Worker]
	if !lives {
		o.t.Errorf("event %d of worker %d, which is gone", e.Kind, e.Worker.Spec().ID)
	}
	switch e.Kind {
	case pool.Exhausted:
		if clients {
			o.start()
		}
		_ = o.pool.Retire(e.Worker) // it may have failed meanwhile
	case pool.Dropped:
		if dropped {
			o.t.Errorf("worker %d was dropped twice", e.Worker.Spec().ID)
		}
		o.live[e.Worker] = true
		o.start()
		if !clients {
			o.retireAll()
		}
	case pool.Idle:
		if s := o.pool.Info(e.Worker, 0).State; s == pool.Failed && !dropped {
			o.t.Errorf("worker %d is %v, and nobody told", e.Worker.Spec().ID, s)
		}
		if err := o.pool.Remove(e.Worker); err != nil {
			o.t.Error(err)
		}
		delete(o.live, e.Worker)
	}
}

// disturb does one of the things that operators do.
func (o *owner) disturb() {
	switch o.random.IntN(5) {
	case 0:
		for w := range o.live {
			if o.pool.Drain(w) == nil {
				runtime.Gosched()
				_ = o.pool.Resume(w) // it may have failed meanwhile
			}
		}
	case 1: // a roll without a dip
		old := o.begin()
		o.startAll()
		o.retire(old)
	case 2: // a strict roll
		old := o.begin()
		o.pool.Require(o.generation)
		o.startAll()
		o.retire(old)
	case 3:
		o.pool.Resize(o.random.IntN(o.size + 1))
		runtime.Gosched()
		o.pool.Resize(o.size)
	case 4: // one more, one less
		old := o.begin()
		o.generation--
		o.start()
		o.retire(old[:min(1, len(old))])
	}
}

// begin starts a new generation, and returns the workers of the old ones.
func (o *owner) begin() []*pool.Worker {
	o.generation++
	var old []*pool.Worker
	for w := range o.live {
		old = append(old, w)
	}
	return old
}

func (o *owner) startAll() {
	for range o.workers {
		o.start()
	}
}

func (o *owner) retire(workers []*pool.Worker) {
	for _, w := range workers {
		_ = o.pool.Retire(w) // it may have failed or retired before
	}
}

func (o *owner) retireAll() {
	for w := range o.live {
		_ = o.pool.Retire(w)
	}
}
