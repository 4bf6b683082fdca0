package proxy

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/pool"
)

// rest is how an idle lease waits where it can: not for the pool, but on its connection,
// as it does for an answer. Who submits a request that the pool gives to its slot then
// writes it to the worker itself, and the lease's goroutine first runs when the answer
// is there. Waking it for the request would cost two switches of goroutines, a look at
// the empty socket, and often the wake-up of a thread.
//
// Between rests the lease has all of its fields for itself, as it has while the request
// runs; while it rests they belong to whoever has mu.
type rest struct {
	mu   sync.Mutex
	open bool // somebody may start the next request, or must rouse the lease
	deep bool // the lease's goroutine waits; it alone reads and writes this

	try   func(fd uintptr) // startOn, made once
	wire  []byte           // for it, what to write
	wrote int              // how much it has written
}

// lieDown has the lease, inside of onReadable, wait for the next answer, with nothing in
// hand. It reports false when its slot has been given something meanwhile.
func (l *lease) lieDown() bool {
	l.rest.mu.Lock()
	defer l.rest.mu.Unlock()
	l.rest.open = !l.slot.Given()
	l.rest.deep = l.rest.open
	return l.rest.open
}

// stir is for a resting lease that hears from its connection: begun when a request was
// started meanwhile; else it may go on resting (stay) or has to look to its slot, because it
// was roused or the worker has ended the connection.
func (l *lease) stir(fd uintptr) (begun, stay bool) {
	l.rest.mu.Lock()
	defer l.rest.mu.Unlock()
	if l.req == nil && l.rest.open {
		if _, errno := recv(fd, l.one[:], unix.MSG_PEEK); errno == syscall.EAGAIN {
			return false, true
		}
	}
	l.getUp()
	return l.req != nil, false
}

// rise is for a resting lease whose waiting was ended. It reports whether a request was
// started meanwhile, for which the janitor has done that.
func (l *lease) rise() (begun bool) {
	l.rest.mu.Lock()
	defer l.rest.mu.Unlock()
	l.getUp()
	return l.req != nil
}

// getUp ends the rest. The caller has its lock. A deadline that roused the lease has done
// its work; of one for a request that runs, overdue knows more.
func (l *lease) getUp() {
	l.rest.open, l.rest.deep = false, false
	if l.req == nil {
		_ = l.nc.SetReadDeadline(time.Time{})
	}
}

// Rouse has a resting lease look to its slot, which was given something.
func (l *lease) Rouse() {
	l.rest.mu.Lock()
	defer l.rest.mu.Unlock()
	if l.rest.open {
		l.rouse()
	}
}

func (l *lease) rouse() {
	l.rest.open = false
	_ = l.nc.SetReadDeadline(time.Unix(1, 0)) // exchange sees it
}

// Start is called by who has submitted a request that the lease's slot was given. Of a lease
// that does not rest, the goroutine takes the request from the slot. What the worker
// does not take as a whole is the goroutine's as well. The clock is read here: the submission
// may have been a while ago, and what is in the slot may be a later one's.
func (l *lease) Start() {
	l.rest.mu.Lock()
	defer l.rest.mu.Unlock()
	if !l.rest.open || !l.slot.Given() {
		return
	}
	t := l.slot.Wait() // is there
	if t == nil {
		l.over, l.wait = true, false
		l.rouse()
		return
	}
	l.wait, l.sent = false, 0
	now := l.srv.clock.now()
	r := l.leased(t, now)
	if whole := l.startWith(r, now); !whole {
		l.next = r
		l.rouse()
		return
	}
	l.rest.open = false
	l.req = r
	l.readyForAnswer()
}

// startWith writes the request to the worker, if the connection may take it (usable says
// when, and waits where this gives up). It reports whether all of it was written.
func (l *lease) startWith(r *request, now time.Duration) (whole bool) {
	if r.rest != nil || r.live != nil || now-l.idle > workerIdle {
		return false
	}
	l.rest.wire, l.rest.wrote = r.wire, 0
	err := l.raw.Control(l.rest.try)
	l.sent, l.rest.wire = l.rest.wrote, nil
	return err == nil && l.sent == len(r.wire)
}

// startOn is the callback of startWith.
func (l *lease) startOn(fd uintptr) {
	if _, errno := recv(fd, l.one[:], unix.MSG_PEEK); errno == syscall.EAGAIN {
		l.rest.wrote, _ = send(fd, l.rest.wire) // an error shows again when begin writes
	}
}

var _ pool.Sleeper = (*lease)(nil)
