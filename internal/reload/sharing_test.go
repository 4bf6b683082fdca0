package reload

import (
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Who comes while a check runs gets the next one, and shares it.
func TestSharingStartsAnewForLaterCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sharing
		world, checks := "old", 0
		gate := make(chan struct{})
		check := func() verdict {
			checks++
			saw := world // the check passes by the world's state here
			<-gate
			return verdict{path: saw}
		}
		answers := make(chan string, 10)
		ask := func() { answers <- s.do(check).path }
		go ask()
		synctest.Wait()
		world = "new" // a save, complete before the next callers come
		for range 5 {
			go ask()
		}
		synctest.Wait()
		gate <- struct{}{}
		if got := <-answers; got != "old" {
			t.Errorf("the first caller: %s", got)
		}
		synctest.Wait()
		gate <- struct{}{}
		for range 5 {
			if got := <-answers; got != "new" {
				t.Errorf("a later caller: %s", got)
			}
		}
		if checks != 2 {
			t.Errorf("%d checks for 6 callers", checks)
		}
	})
}

// The guarantee, under load: an answer is never older than its question. The
// world is a counter, and a check tells the value that it read at its start.
func TestSharingNeverAnswersWithAnOlderCheck(t *testing.T) {
	const callers, rounds = 8, 3000
	var s sharing
	var world, checks, running atomic.Int64
	check := func() verdict {
		if running.Add(1) != 1 {
			t.Error("two checks at once")
		}
		checks.Add(1)
		saw := world.Load()
		runtime.Gosched()
		running.Add(-1)
		return verdict{path: strconv.FormatInt(saw, 10)}
	}
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for range rounds {
				mine := world.Add(1)
				saw, err := strconv.ParseInt(s.do(check).path, 10, 64)
				if err != nil || saw < mine {
					t.Errorf("asked after %d, answered with %d", mine, saw)
					return
				}
			}
		})
	}
	group.Wait()
	if n := checks.Load(); n > callers*rounds {
		t.Errorf("%d checks for %d calls", n, callers*rounds)
	}
	t.Logf("%d checks for %d calls", checks.Load(), callers*rounds)
}

// The same with real files and the real clock: a save is complete, the request
// comes, and must see it, while others ask all the time.
func TestEverySaveIsSeen(t *testing.T) {
	names := files(t, 40)
	var s Stamps
	must(t, s.Set(names))
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Changed()
				}
			}
		})
	}
	defer group.Wait()
	defer close(stop)
	for round := range 200 {
		name := names[round*7%len(names)]
		content := fmt.Sprintf("%04d", round) // of the same size
		if round%3 == 0 {
			replace(t, name, content)
		} else {
			write(t, name, content)
		}
		if path, changed := s.Changed(); !changed || path != name {
			t.Fatalf("round %d: a save of %s is not seen: %q %v", round, name, path, changed)
		}
		s.Refresh()
		if path, changed := s.Changed(); changed {
			t.Fatalf("round %d: %s has not changed since", round, path)
		}
	}
}

func TestChangedAllocatesNothing(t *testing.T) {
	var s Stamps
	must(t, s.Set(files(t, 20)))
	tick(t)
	s.Changed()
	if n := testing.AllocsPerRun(100, func() { s.Changed() }); n != 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkChanged(b *testing.B) {
	for _, n := range []int{50, 500, 5000} {
		var s Stamps
		must(b, s.Set(files(b, n)))
		s.Refresh()
		b.Run(fmt.Sprint(n, "-files"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Changed()
			}
		})
		for _, callers := range []int{16, 64, 256} {
			b.Run(fmt.Sprint(n, "-files/", callers, "-callers"), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(callers / runtime.GOMAXPROCS(0))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						s.Changed()
					}
				})
			})
		}
	}
}
