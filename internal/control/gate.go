package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxTurned is how many callers beyond the places may be told, at once, that there
// are none. Those beyond that are cut off without a word.
const maxTurned = 16

// evictAge is how long a connection may say nothing before it can lose its
// place to a newcomer.
const evictAge = 250 * time.Millisecond

// gate is a listener that asks the kernel who connects and bounds how many do.
// When all places are taken, a newcomer takes the place of the connection that
// has been silent for the longest time, of the user who holds the most: so one user who
// opens connections and says nothing cannot keep the others out.
type gate struct {
	net.Listener
	max int
	log *refusals

	mu     sync.Mutex
	open   map[*conn]struct{} // they have a place
	turned int                // connections without a place, which are being told so
	waits  []chan struct{}    // for a proof that connections are accepted
}

// conn is one caller's connection.
type conn struct {
	net.Conn
	gate   *gate
	peer   Peer
	turned bool // it has no place: its call is answered with 503
	close  sync.Once

	// Guarded by gate.mu.
	silent bool      // no request is being read or answered
	since  time.Time // when it fell silent
}

func newGate(l net.Listener, max int, log *refusals) *gate {
	return &gate{Listener: l, max: max, log: log, open: map[*conn]struct{}{}}
}

// Accept gives the next connection that gets a place.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if errors.Is(err, os.ErrDeadlineExceeded) && g.proved() {
			continue
		}
		if err != nil {
			return nil, err
		}
		peer, err := peerOf(raw)
		if err != nil {
			g.log.note("control connection refused", "error", err)
			raw.Close()
			continue
		}
		c := &conn{Conn: raw, gate: g, peer: peer, silent: true, since: time.Now()}
		if g.admit(c) {
			return c, nil
		}
		g.log.note("control connection refused: all places are taken", "uid", peer.UID, "pid", peer.PID, "places", g.max)
		if g.turnAway(c) {
			return c, nil
		}
		raw.Close()
	}
}

// prove gives what is closed when the loop that accepts has come around. It is
// woken by a deadline that has passed.
func (g *gate) prove() <-chan struct{} {
	done := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	if d, ok := g.Listener.(interface{ SetDeadline(time.Time) error }); !ok || d.SetDeadline(time.Unix(1, 0)) != nil {
		close(done) // a listener that is closed, or of a test
		return done
	}
	g.waits = append(g.waits, done)
	return done
}

// proved answers prove. It reports whether the loop goes on.
func (g *gate) proved() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, done := range g.waits {
		close(done)
	}
	g.waits = nil
	d, ok := g.Listener.(interface{ SetDeadline(time.Time) error })
	return ok && d.SetDeadline(time.Time{}) == nil
}

// admit gives c a place, if need be another's.
func (g *gate) admit(c *conn) bool {
	g.mu.Lock()
	var victim *conn
	if len(g.open) >= g.max {
		victim = g.victim(c)
		if victim == nil {
			g.mu.Unlock()
			return false
		}
		delete(g.open, victim)
	}
	g.open[c] = struct{}{}
	g.mu.Unlock()
	if victim != nil {
		victim.Close()
	}
	return true
}

// turnAway lets a connection in that is only told that there is no place for it.
func (g *gate) turnAway(c *conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turned == maxTurned {
		return false
	}
	g.turned++
	c.turned = true
	return true
}

// victim finds who has to leave for c: a silent connection of the user who holds the
// most, the longest silent first. A busy one has to leave only for a
// user who holds far less.
func (g *gate) victim(c *conn) *conn {
	held := map[int]int{c.peer.UID: 1}
	for o := range g.open {
		held[o.peer.UID]++
	}
	var best *conn
	for o := range g.open {
		share := held[o.peer.UID]
		mayTake := o.silent && time.Since(o.since) >= evictAge && share >= held[c.peer.UID] ||
			share > 2*held[c.peer.UID]
		if mayTake && (best == nil || worse(o, best, held)) {
			best = o
		}
	}
	return best
}

// worse says whether a should leave before b.
func worse(a, b *conn, held map[int]int) bool {
	if ha, hb := held[a.peer.UID], held[b.peer.UID]; ha != hb {
		return ha > hb
	}
	if a.silent != b.silent {
		return a.silent
	}
	return a.since.Before(b.since)
}

// Close ends the connection and gives its place back.
func (c *conn) Close() error {
	var err error
	c.close.Do(func() {
		c.gate.mu.Lock()
		delete(c.gate.open, c)
		if c.turned {
			c.gate.turned--
		}
		c.gate.mu.Unlock()
		err = c.Conn.Close()
	})
	return err
}

// trackState notes which connections are silent.
func trackState(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok || state == http.StateClosed {
		return
	}
	c.gate.mu.Lock()
	c.silent = state != http.StateActive
	c.since = time.Now()
	c.gate.mu.Unlock()
}

// peerOf asks the kernel who is at the other end: SO_PEERCRED, unix(7).
func peerOf(c net.Conn) (Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("%T is not a connection of a unix socket", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("peer credentials: %w", err)
	}
	var cred *unix.Ucred
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		cred, sockErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, sockErr); err != nil {
		return Peer{}, fmt.Errorf("peer credentials: %w", err)
	}
	return Peer{PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}, nil
}

type connKey struct{}

// withConn puts the connection into the context of its calls.
func withConn(ctx context.Context, nc net.Conn) context.Context {
	if c, ok := nc.(*conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// peerFrom gives the caller. A call without one has a user id that is nobody's.
func peerFrom(ctx context.Context) Peer {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.peer
	}
	return Peer{UID: -1, GID: -1}
}

// turnedAway says whether the call's connection got no place.
func turnedAway(ctx context.Context) bool {
	c, ok := ctx.Value(connKey{}).(*conn)
	return ok && c.turned
}
