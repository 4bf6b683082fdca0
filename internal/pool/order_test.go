package pool_test

import (
	"fmt"
	"testing"

	"ripd/internal/pool"
	"ripd/internal/testkit"
)

// One slot serves in the order of arrival, whatever comes between its turns.
func TestOneSlotServesInOrder(t *testing.T) {
	const requests = 5000
	served := make(chan int, requests)
	var p *pool.Pool
	p = pool.New(pool.Options{Size: requests, Serve: func(s *pool.Slot) {
		for t := p.Next(s, 0); t != nil; t = p.Next(s, 0) {
			served <- t.Request.(*visit).number
		}
	}})
	w := p.Add(pool.WorkerSpec{ID: 1})
	if err := p.Ready(w, ""); err != nil {
		t.Fatal(err)
	}
	for n := range requests {
		v := &visit{number: n}
		v.ticket.Request = v
		if verdict := p.Submit(&v.ticket, 0); verdict != pool.Queued && verdict != pool.Leased {
			t.Fatal(verdict)
		}
		if n%100 == 0 {
			if err := p.Drain(w); err != nil {
				t.Fatal(err)
			}
			if err := p.Resume(w); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range requests {
		if got := testkit.Receive(t, testkit.Timeout, served); got != n {
			t.Fatalf("request %d was served in place %d", got, n)
		}
	}
	if err := p.Retire(w); err != nil {
		t.Fatal(err)
	}
	p.Wait()
}

// A worker that becomes ready, or comes back, serves those that wait.
func TestQueueIsServedByAWorkerThatComes(t *testing.T) {
	for _, drained := range []bool{false, true} {
		t.Run(fmt.Sprintf("drained before %v", drained), func(t *testing.T) {
			served := make(chan string, 8)
			var p *pool.Pool
			p = pool.New(pool.Options{Size: 8, Serve: func(s *pool.Slot) {
				for t := p.Next(s, 0); t != nil; t = p.Next(s, 0) {
					served <- name(t)
				}
			}})
			w := p.Add(pool.WorkerSpec{ID: 1, Slots: 2})
			come := func() error { return p.Ready(w, "") }
			if drained {
				if err := p.Ready(w, ""); err != nil {
					t.Fatal(err)
				}
				if err := p.Drain(w); err != nil {
					t.Fatal(err)
				}
				come = func() error { return p.Resume(w) }
			}
			for n := range 8 {
				if v := p.Submit(ticket(fmt.Sprint(n)), 0); v != pool.Queued {
					t.Fatal(v)
				}
			}
			if err := come(); err != nil {
				t.Fatal(err)
			}
			for range 8 {
				testkit.Receive(t, testkit.Timeout, served)
			}
			if err := p.Retire(w); err != nil {
				t.Fatal(err)
			}
			p.Wait()
		})
	}
}
