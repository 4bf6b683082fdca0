package proxy

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ripd/internal/http1"
)

// outlet is the way of one answer to its client. Writing never waits for the
// client: what its socket does not take at once goes into a spool, and a
// goroutine of the connection's own, which exists only while there is something
// in it, gives it on at the client's pace. So a slow reader never holds a worker.
type outlet struct {
	conn *conn

	mu       sync.Mutex
	begun    bool       // something of the answer was written
	lost     bool       // the client takes nothing any more; what is written is dropped
	final    bool       // the answer is complete; draining ends with done
	cut      bool       // it broke off: the connection ends without a proper end
	draining bool       // the goroutine runs
	spool    *spool     // what the client has not taken yet; nil until needed
	space    *sync.Cond // signalled when the spool was emptied or the client lost
	progress atomic.Int64
	watching atomic.Bool // draining, for the janitor

	sending []byte // what trySend is to write
	errno   syscall.Errno
	once    func(fd uintptr) // sendOnce, made once
}

func (o *outlet) init(c *conn) {
	o.conn = c
	o.once = o.sendOnce
}

// reset readies the outlet for the next answer. The connection's turn is free, so
// nobody else uses it.
func (o *outlet) reset() { o.begun, o.final, o.cut = false, false, false }

// broken reports whether the client takes nothing any more.
func (o *outlet) broken() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

// sendOnce is the callback of trySend: one attempt, no waiting.
func (o *outlet) sendOnce(fd uintptr) {
	var n int
	n, o.errno = send(fd, o.sending)
	o.sending = o.sending[n:]
}

// trySend writes what the socket takes and returns the rest. The caller has the
// lock, and nobody drains. Control has nothing to do with the poller, unlike Write, nor
// with a deadline of the janitor's that was meant for a drain that has ended.
func (o *outlet) trySend(b []byte) []byte {
	o.sending, o.errno = b, 0
	err := o.conn.raw.Control(o.once)
	b, o.sending = o.sending, nil
	if len(b) > 0 && (err != nil || (o.errno != 0 && o.errno != syscall.EAGAIN)) {
		o.lose()
		return nil
	}
	return b
}

// write gives b to the client, or keeps a copy for it. It blocks only when the
// spool has reached its bound, until the client has taken everything or is lost.
func (o *outlet) write(b []byte) {
	if o.conn.secure != nil {
		o.conn.secure.write(b)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun = true
	o.put(b)
}

// put sends b as it is, or keeps it. The caller has the lock.
func (o *outlet) put(b []byte) {
	for !o.lost {
		if !o.draining { // also after each wait below
			if b = o.trySend(b); len(b) == 0 {
				return
			}
			o.startDraining()
		}
		err := o.spool.write(b)
		if err == nil {
			return
		}
		if !errors.Is(err, errSpoolFull) {
			// No room on disk: memory has to do, at the client's pace.
			o.conn.srv.reached(boundDisk, "an answer waits for its slow client: its temporary file cannot be written", "error", err)
		} else {
			o.conn.srv.reached(boundSpool, "an answer waits for its slow client, and its worker with it")
		}
		if o.spool.empty() { // larger than the bound by itself
			o.spool.memLimit = max(o.spool.memLimit, len(b))
			continue
		}
		o.space.Wait()
	}
}

// interim tells the client to send its body (RFC 9110 section 10.1.1).
func (o *outlet) interim() {
	if o.conn.secure != nil {
		o.conn.secure.interim()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.put([]byte(http1.Continue))
}

// probe sends an interim answer to a client that ended its side, unless the
// answer has begun. A client that has closed its socket answers with a reset.
func (o *outlet) probe() {
	if o.conn.secure != nil {
		o.conn.secure.probe()
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.begun && !o.draining {
		o.put([]byte(http1.Continue))
	}
}

// startDraining makes the spool and its goroutine. The caller has the lock.
func (o *outlet) startDraining() {
	s := o.conn.srv
	cfg := s.config.Load()
	if o.spool == nil {
		o.spool = &spool{dir: s.spoolDir, memLimit: int(cfg.Limits.Buffer), limit: cfg.Limits.ResponseSpool}
		o.space = sync.NewCond(&o.mu)
	}
	o.draining = true
	o.progress.Store(int64(s.clock.now()))
	o.watching.Store(true)
	s.tasks.Add(1)
	go o.drain()
}

// drain gives the spool to the client until it is empty.
func (o *outlet) drain() {
	defer o.conn.srv.tasks.Done()
	buf := newCopyBlock()
	defer buf.free()
	for {
		o.mu.Lock()
		n, err := 0, error(nil)
		if !o.lost && !o.spool.empty() {
			n, err = o.spool.read(buf[:])
		}
		if err != nil {
			o.conn.srv.reached(boundDisk, "an answer to a slow client breaks off: its temporary file cannot be read", "error", err)
			o.lose()
		}
		if n == 0 {
			o.stopDraining()
			return
		}
		o.mu.Unlock()
		if err := o.push(buf[:n]); err != nil {
			o.mu.Lock()
			o.lose()
			o.mu.Unlock()
		}
	}
}

// stopDraining ends the goroutine, and the answer where it is complete. It is
// called with the lock and frees it.
func (o *outlet) stopDraining() {
	o.draining = false
	o.watching.Store(false)
	o.spool.close()
	o.spool = nil
	final := o.final
	o.final = false // what follows, as the end of TLS, is none of the answer
	o.space.Broadcast()
	o.mu.Unlock()
	if final {
		o.conn.done()
	}
}

// push writes all of b, waiting for the client. The janitor ends the wait when the
// client has taken nothing for timeouts.client_write.
func (o *outlet) push(b []byte) error {
	for len(b) > 0 {
		var errno syscall.Errno
		err := o.conn.raw.Write(func(fd uintptr) bool {
			var n int
			n, errno = send(fd, b)
			b = b[n:]
			return errno != syscall.EAGAIN
		})
		switch {
		case err != nil:
			if err = o.patience(err); err != nil {
				return err
			}
		case errno != 0:
			return errno
		}
		o.progress.Store(int64(o.conn.srv.clock.now()))
	}
	return nil
}

// patience looks at the error of a wait for the client: nil lets it go on.
func (o *outlet) patience(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	idle := o.conn.srv.clock.now() - time.Duration(o.progress.Load())
	if idle >= o.conn.srv.config.Load().Timeouts.ClientWrite {
		o.conn.srv.reached(boundClientWrite, "a client took nothing of its answer for too long and was cut off")
		return err
	}
	// The janitor and the client's progress crossed.
	_ = o.conn.nc.SetWriteDeadline(time.Time{})
	return nil
}

// lose gives the client up. The caller has the lock.
func (o *outlet) lose() {
	o.lost = true
	if o.space != nil {
		o.space.Broadcast()
	}
}

// finish says that the answer is complete, or breaks off with cut. The connection
// is free for its next request when the client has been given everything.
func (o *outlet) finish(cut bool) {
	if s := o.conn.secure; s != nil && o.conn.req.close && !cut {
		s.bye() // part of the last answer, which may wait in the spool
	}
	o.mu.Lock()
	o.cut = cut
	if o.draining {
		o.final = true
		o.mu.Unlock()
		return
	}
	o.mu.Unlock()
	o.conn.done()
}
