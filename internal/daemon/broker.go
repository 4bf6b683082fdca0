package daemon

import (
	"context"
	"sync"
	"time"

	"ripd/internal/api"
)

// eventBuffer is how many events one reader may be behind before it loses some.
const eventBuffer = 256

// broker passes events on to those who read them. A slow reader loses events, and
// is told how many with the next that it gets; nobody waits for it.
type broker struct {
	mu      sync.Mutex
	readers map[*reader]struct{}
	closed  bool
}

type reader struct {
	events chan api.Event
	lost   int
}

func newBroker() *broker { return &broker{readers: map[*reader]struct{}{}} }

// publish gives the event to every reader.
func (b *broker) publish(e api.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for r := range b.readers {
		r.offer(e)
	}
}

// offer keeps one place for the notice about what was lost.
func (r *reader) offer(e api.Event) {
	if r.lost > 0 && len(r.events) < cap(r.events)-1 {
		r.events <- api.Event{Time: e.Time, Kind: api.EventLost, Lost: r.lost}
		r.lost = 0
	}
	if r.lost > 0 || len(r.events) == cap(r.events) {
		r.lost++
		return
	}
	r.events <- e
}

// subscribe gives what happens from now on until ctx ends or the broker is closed.
func (b *broker) subscribe(ctx context.Context) <-chan api.Event {
	r := &reader{events: make(chan api.Event, eventBuffer)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(r.events)
		return r.events
	}
	b.readers[r] = struct{}{}
	context.AfterFunc(ctx, func() { b.drop(r) })
	return r.events
}

func (b *broker) drop(r *reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.readers[r]; there {
		delete(b.readers, r)
		close(r.events)
	}
}

// close ends every subscription.
func (b *broker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for r := range b.readers {
		delete(b.readers, r)
		close(r.events)
	}
}

// note publishes an event that is not about one worker.
func (b *broker) note(kind api.EventKind, message string) {
	b.publish(api.Event{Time: time.Now(), Kind: kind, Message: message})
}
