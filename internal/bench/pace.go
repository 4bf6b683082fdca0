package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the paced load.
const (
	paceReady   = 64    // connections that are open before it begins
	paceMost    = 12000 // connections; a request that finds all busy has failed
	paceDialing = 2 * time.Second
)

// paced is a load that does not wait for its answers: requests begin at a constant
// rate, each on a connection that is free or new. Times count from the moment at
// which a request was due, so that a server that is late is late for all of them.
type paced struct {
	addr, path string
	rate       float64       // requests/s; 0: as many as clients can, one after the other
	clients    int           // with rate 0
	lead       time.Duration // with a rate: before it counts; a queue, and what waits for connections, is then as it stays
	length     time.Duration // in which it counts
}

// pacedResult is what happened within the time that counts: the requests that were sent then,
// and the answers that came then. Where neither more nor less waits at the end than at the
// beginning, the answers are those to as many requests as came.
type pacedResult struct {
	sent    int
	answers int             // all of them, also those before the time that counts
	good    []time.Duration // of answers with 200, sorted
	refused []time.Duration // of all others, sorted
	failed  int             // without an answer, before the end
	took    time.Duration
}

// pacing is one run.
type pacing struct {
	paced
	request []byte
	start   time.Time
	due     chan time.Time
	idle    sync.WaitGroup // clients

	mu     sync.Mutex
	result pacedResult
	conns  []net.Conn
	counts bool
	over   bool
}

// errNoneInTime says that no answer with 200 came in the time that counts.
var errNoneInTime = errors.New("no request was answered")

// run sends the load.
func (p paced) run(ctx context.Context) (pacedResult, error) {
	r := &pacing{paced: p, due: make(chan time.Time), request: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", p.path)}
	ready := p.clients
	if p.rate > 0 {
		ready = paceReady
	}
	var conns []net.Conn
	for range ready {
		c, err := net.DialTimeout("tcp", p.addr, paceDialing)
		if err != nil {
			r.end(time.Now())
			return r.result, err
		}
		conns = append(conns, c)
		r.keep(c)
	}
	r.start = time.Now()
	if p.lead == 0 {
		r.begin()
	}
	for _, c := range conns {
		r.idle.Add(1)
		go r.client(c)
	}
	if p.rate > 0 {
		r.dispatch(ctx)
	} else {
		wait(ctx, p.length)
	}
	r.end(time.Now())
	close(r.due)
	r.idle.Wait()
	slices.Sort(r.result.good)
	slices.Sort(r.result.refused)
	if ctx.Err() != nil {
		return r.result, ctx.Err()
	}
	if len(r.result.good) == 0 {
		return r.result, errNoneInTime
	}
	return r.result, nil
}

// dispatch hands each request to a client at its time. The thread sleeps itself:
// Go's timers may be a millisecond late.
func (r *pacing) dispatch(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it, a little later
	each := time.Duration(float64(time.Second) / r.rate)
	clients := paceReady
	first := r.start
	for n := time.Duration(0); n*each < r.lead+r.length && ctx.Err() == nil; n++ {
		due := first.Add(n * each)
		if !r.counts && n*each >= r.lead { // nobody else writes it
			r.begin()
		}
		if pause := time.Until(due); pause > 0 {
			t := unix.NsecToTimespec(pause.Nanoseconds())
			_ = unix.Nanosleep(&t, nil) // a signal makes it early
		}
		if r.counts {
			r.result.sent++ // likewise
		}
		select {
		case r.due <- due:
			continue
		default:
		}
		if clients == paceMost {
			r.fail()
			continue
		}
		clients++
		r.idle.Add(1)
		go func() {
			c, err := net.DialTimeout("tcp", r.addr, paceDialing)
			if err != nil || !r.keep(c) {
				r.fail()
				r.idle.Done()
				return
			}
			r.clientFrom(c, due)
		}()
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// begin is the beginning of the time that counts.
func (r *pacing) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts, r.start = true, time.Now()
}

// keep remembers a connection, which the end closes; false after the end.
func (r *pacing) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		c.Close()
		return false
	}
	r.conns = append(r.conns, c)
	return true
}

// end stops counting, and closes what is open.
func (r *pacing) end(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.result.took = now.Sub(r.start)
	for _, c := range r.conns {
		c.Close()
	}
}

func (r *pacing) fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts && !r.over {
		r.result.failed++
	}
}

// client sends one request after another.
func (r *pacing) client(c net.Conn) {
	first := time.Now()
	if r.rate > 0 {
		var ok bool
		if first, ok = <-r.due; !ok {
			r.idle.Done()
			return
		}
	}
	r.clientFrom(c, first)
}

func (r *pacing) clientFrom(c net.Conn, due time.Time) {
	defer r.idle.Done()
	br := bufio.NewReader(c)
	for ok := true; ok; {
		status, last, err := r.ask(c, br)
		now := time.Now()
		if !r.count(status, err, now.Sub(due)) {
			return
		}
		if err != nil || last {
			c.Close()
			if c, err = net.DialTimeout("tcp", r.addr, paceDialing); err != nil || !r.keep(c) {
				return
			}
			br.Reset(c)
		}
		if due = now; r.rate > 0 {
			due, ok = <-r.due
		}
	}
}

// count counts one answer, and reports whether the run goes on.
func (r *pacing) count(status int, err error, took time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return false
	case err != nil && r.counts:
		r.result.failed++
	case err != nil:
	case !r.counts:
		r.result.answers++
	case status == 200:
		r.result.answers++
		r.result.good = append(r.result.good, took)
	default:
		r.result.answers++
		r.result.refused = append(r.result.refused, took)
	}
	return true
}

var errNoAnswer = errors.New("not an answer of HTTP/1.1")

// ask sends the request and reads its answer. last says that the connection ends
// with it.
func (r *pacing) ask(c net.Conn, br *bufio.Reader) (status int, last bool, err error) {
	if _, err := c.Write(r.request); err != nil {
		return 0, true, err
	}
	line, err := br.ReadSlice('\n')
	if err != nil {
		return 0, true, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, true, errNoAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, true, errNoAnswer
	}
	length := -1
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return 0, true, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, true, errNoAnswer
			}
		case bytes.EqualFold(name, []byte("connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 { // as HAProxy's own answers
		_, err := io.Copy(io.Discard, br)
		return status, true, err
	}
	_, err = br.Discard(length)
	return status, last, err
}

// share is a part of sorted durations: 0.5 is the median; 0 of none.
func share(sorted []time.Duration, part float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}
