package box

import (
	"fmt"
	"sync"
	"time"
)

// Load is clients that ask for one page again and again, and count.
type Load struct {
	stop chan struct{}
	wait sync.WaitGroup

	mu      sync.Mutex
	good    int
	bad     []string
	longest time.Duration
}

// badMost bounds the failures that are told in words.
const badMost = 20

// Load starts clients on an address. Each request has a connection of its own
// for every second client; the others keep theirs.
func (b *Box) Load(address, page, want string, clients int) *Load {
	l := &Load{stop: make(chan struct{})}
	for i := range clients {
		l.wait.Go(func() {
			client := b.Client(address, i%2 == 1)
			defer client.CloseIdleConnections()
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				began := time.Now()
				got, err := get(client, page)
				l.count(time.Since(began), got, err, want)
			}
		})
	}
	return l
}

func (l *Load) count(took time.Duration, got string, err error, want string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.longest = max(l.longest, took)
	if err == nil && got == want {
		l.good++
		return
	}
	if len(l.bad) < badMost {
		l.bad = append(l.bad, fmt.Sprintf("%q %v", got, err))
	}
}

// Good gives the number of good answers so far.
func (l *Load) Good() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.good
}

// End ends the clients after the answer that they wait for. It gives the number
// of good answers, what the others were, and the longest time of an answer.
func (l *Load) End() (good int, bad []string, longest time.Duration) {
	close(l.stop)
	l.wait.Wait()
	return l.good, l.bad, l.longest
}
