package pool_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"ripd/internal/pool"
)

// lives says how a worker comes into each state.
var lives = map[pool.State]func(*pool.Pool, *pool.Worker) error{
	pool.Starting: func(*pool.Pool, *pool.Worker) error { return nil },
	pool.Ready:    func(p *pool.Pool, w *pool.Worker) error { return p.Ready(w, "") },
	pool.Drained:  func(p *pool.Pool, w *pool.Worker) error { return errors.Join(p.Ready(w, ""), p.Drain(w)) },
	pool.Retiring: func(p *pool.Pool, w *pool.Worker) error { return errors.Join(p.Ready(w, ""), p.Retire(w)) },
	pool.Failed:   func(p *pool.Pool, w *pool.Worker) error { return p.Fail(w, pool.CauseConnect, "") },
	pool.Gone:     func(p *pool.Pool, w *pool.Worker) error { return p.Remove(w) },
}

// orders are the methods that move a worker, with the state that each leads to.
var orders = map[string]struct {
	to    pool.State
	give  func(*pool.Pool, *pool.Worker) error
	legal []pool.State // from which it may be given
	quiet []pool.State // from which it does nothing and is no error
}{
	"Ready": {pool.Ready, func(p *pool.Pool, w *pool.Worker) error { return p.Ready(w, "/run/told") },
		[]pool.State{pool.Starting}, nil},
	"Drain": {pool.Drained, (*pool.Pool).Drain,
		[]pool.State{pool.Ready}, nil},
	"Resume": {pool.Ready, (*pool.Pool).Resume,
		[]pool.State{pool.Drained}, nil},
	"Retire": {pool.Retiring, (*pool.Pool).Retire,
		[]pool.State{pool.Starting, pool.Ready, pool.Drained}, nil},
	"Fail": {pool.Failed, func(p *pool.Pool, w *pool.Worker) error { return p.Fail(w, pool.CauseRead, "") },
		[]pool.State{pool.Starting, pool.Ready, pool.Drained, pool.Retiring}, []pool.State{pool.Failed, pool.Gone}},
	"Remove": {pool.Gone, (*pool.Pool).Remove,
		[]pool.State{pool.Starting, pool.Ready, pool.Drained, pool.Retiring, pool.Failed}, nil},
}

func TestSteps(t *testing.T) {
	for from, live := range lives {
		for name, order := range orders {
			t.Run(fmt.Sprintf("%s of a worker that is %s", name, from), func(t *testing.T) {
				events := 0
				p := pool.New(pool.Options{Serve: func(*pool.Slot) {}, Events: func(pool.Event) { events++ }})
				w := p.Add(pool.WorkerSpec{ID: 3, Generation: 7, Socket: "/run/asked", Slots: 2})
				if err := live(p, w); err != nil {
					t.Fatal(err)
				}
				before, info, eventsBefore := p.Snapshot(0), p.Info(w, 0), events
				err := order.give(p, w)
				defer p.Wait()
				if holds(order.legal, from) {
					if err != nil || p.Info(w, 0).State != order.to {
						t.Fatalf("%v, and it is %s", err, p.Info(w, 0).State)
					}
					return
				}
				var step *pool.StepError
				if want := (pool.StepError{ID: 3, Generation: 7, From: from, To: order.to}); holds(order.quiet, from) {
					if err != nil {
						t.Fatal(err)
					}
				} else if !errors.As(err, &step) || *step != want {
					t.Fatalf("%#v, want %#v", err, want)
				}
				if !reflect.DeepEqual(p.Snapshot(0), before) || !reflect.DeepEqual(p.Info(w, 0), info) || events != eventsBefore {
					t.Fatalf("something changed: %+v, events %d", p.Info(w, 0), events-eventsBefore)
				}
				if err := p.Check(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func holds(all []pool.State, s pool.State) bool {
	for _, other := range all {
		if other == s {
			return true
		}
	}
	return false
}

func TestStepErrorSaysWhatIsWrong(t *testing.T) {
	p := pool.New(pool.Options{})
	w := p.Add(pool.WorkerSpec{ID: 3, Generation: 7})
	const want = "worker 3 of generation 7 is starting: it cannot become drained"
	if err := p.Drain(w); err == nil || err.Error() != want {
		t.Fatalf("%v, want %s", err, want)
	}
}
