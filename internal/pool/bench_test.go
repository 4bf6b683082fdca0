package pool_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/pool"
)

// idlePool returns a pool of ready workers whose slots stand idle.
func idlePool(tb testing.TB, size, workers, generation int) (*pool.Pool, []*pool.Worker) {
	p := still(size)
	var all []*pool.Worker
	for n := range workers {
		w, slots := readyWorker(tb, p, pool.WorkerSpec{ID: n + 1, Generation: generation})
		p.Turn(slots[0], 0)
		all = append(all, w)
	}
	return p, all
}

// slotsOf finds the slot that a ticket was leased to without a search in the loop.
func slotsOf(p *pool.Pool, workers []*pool.Worker) []*pool.Slot {
	var all []*pool.Slot
	for _, w := range workers {
		all = append(all, p.Slots(w)...)
	}
	return all
}

// oneIdle returns a step that leases a request to the idle slot whose turn it
// is, and ends the lease. The slots take their turns one after another.
func oneIdle(tb testing.TB, workers int) func() {
	p, all := idlePool(tb, 1, workers, 1)
	slots := slotsOf(p, all)
	t, n := ticket("GET /"), 0
	return func() {
		p.Submit(t, 1)
		s := slots[n%workers]
		take(tb, s)
		p.Turn(s, 2)
		n++
	}
}

// behind returns a step that puts a request behind those that wait, and lets
// the one slot take the oldest.
func behind(tb testing.TB, waiting int) func() {
	p, all := idlePool(tb, waiting+1, 1, 1)
	s := slotsOf(p, all)[0]
	p.Submit(ticket("GET /"), 0)
	t := take(tb, s)
	for range waiting {
		p.Submit(ticket("GET /"), 0)
	}
	next := ticket("GET /")
	return func() {
		p.Submit(next, 1)
		next = t
		t, _ = p.Turn(s, 2)
	}
}

// leaving returns a step in which a request leaves from the middle of the queue
// and another arrives.
func leaving(waiting int) func() {
	p := still(waiting)
	all := make([]*pool.Ticket, waiting)
	for n := range all {
		all[n] = ticket("GET /")
		p.Submit(all[n], 0)
	}
	middle := waiting / 2
	return func() {
		p.Leave(all[middle])
		p.Submit(all[middle], 1)
		// Those before the middle stay; those behind it become the middle in turn.
		if middle++; middle == waiting {
			middle = waiting / 2
		}
	}
}

func BenchmarkIdleSlot(b *testing.B) {
	for _, workers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) { run(b, oneIdle(b, workers)) })
	}
}

func BenchmarkQueue(b *testing.B) {
	for _, waiting := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) { run(b, behind(b, waiting)) })
	}
}

func BenchmarkLeaveFromTheMiddle(b *testing.B) {
	for _, waiting := range []int{2, 100, 10_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) { run(b, leaving(waiting)) })
	}
}

// BenchmarkOldGeneration is the worst case of the choice between generations:
// the newest is gone, or busy, and all old slots are idle.
func BenchmarkOldGeneration(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			p, all := idlePool(b, 1, workers, 1)
			slots := slotsOf(p, all)
			newest, _ := readyWorker(b, p, pool.WorkerSpec{Generation: 2})
			if err := p.Remove(newest); err != nil {
				b.Fatal(err)
			}
			t, n := ticket("GET /"), 0
			run(b, func() {
				p.Submit(t, 1)
				s := slots[n%workers]
				take(b, s)
				p.Turn(s, 2)
				n++
			})
		})
	}
}

// BenchmarkContention is the whole way, with a goroutine for each slot and client;
// "lock" is what the pool does alone, two times under its lock, by as many
// goroutines as there are processors.
func BenchmarkContention(b *testing.B) {
	b.Run("lock", func(b *testing.B) {
		p := still(1 << 10)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for t := ticket("GET /"); pb.Next(); p.Leave(t) {
				p.Submit(t, 1)
			}
		})
	})
	for _, workers := range []int{1, 2, 4, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) { contend(b, workers) })
	}
}

// contend has twice as many clients as the most workers, so that there is a queue.
func contend(b *testing.B, workers int) {
	const clients = 128
	var p *pool.Pool
	p = pool.New(pool.Options{Size: clients, Serve: func(s *pool.Slot) {
		t := p.Next(s, 0)
		for t != nil {
			done := t.Request.(*visit)
			next, ended := p.Turn(s, 0)
			done.answered <- answer{}
			if next == nil && !ended {
				next = s.Wait()
			}
			t = next
		}
	}})
	var all []*pool.Worker
	for n := range workers {
		w, _ := readyWorker(b, p, pool.WorkerSpec{ID: n + 1})
		all = append(all, w)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			v := &visit{answered: make(chan answer, 1)}
			v.ticket.Request = v
			for left.Add(-1) >= 0 {
				p.Submit(&v.ticket, time.Duration(1))
				<-v.answered
			}
		})
	}
	group.Wait()
	b.StopTimer()
	for _, w := range all {
		if err := p.Retire(w); err != nil {
			b.Fatal(err)
		}
	}
	p.Wait()
}

func run(b *testing.B, step func()) {
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

// The way of a request through the pool allocates nothing.
func TestNoAllocations(t *testing.T) {
	for name, step := range map[string]func(){
		"an idle slot":          oneIdle(t, 4),
		"a queue":               behind(t, 100),
		"leave from the middle": leaving(100),
	} {
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
}
