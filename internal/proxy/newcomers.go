package proxy

import "time"

// step is how far a connection has come on the way to its first request. The zero value
// is that of one that has had a request.
type step int8

const (
	stepDone     step = iota
	stepSilent        // nothing has come
	stepBegun         // a part has come: of a head, of a PROXY header, or of a handshake
	stepAnswered      // ripd has answered in the handshake
	stepsEnd
)

// stepGrace is what a newcomer at a step is given before it may have to make room. What
// an honest client sends follows its handshake of TCP at once; what it sends in parts, or
// after ripd's part of a handshake of TLS, takes some time on slow lines.
var stepGrace = [stepsEnd]time.Duration{
	stepSilent: 5 * time.Millisecond, stepBegun: 20 * time.Millisecond, stepAnswered: 200 * time.Millisecond,
}

// stepNames are the states of connections that made room, as the metrics show them.
var stepNames = [stepsEnd]string{stepDone: "idle", stepSilent: "silent", stepBegun: "begun", stepAnswered: "handshake"}

// newcomers are the connections that have not yet had a request, those that came to
// their step first in front. The zero value has none. The server's lock guards it.
type newcomers struct {
	lines [stepsEnd]newcomerLine
	count int
}

type newcomerLine struct{ first, last *conn }

// newcomer is a connection's place among them.
type newcomer struct {
	step       step
	since      time.Duration // when it came to its step, or was last asked to make room
	prev, next *conn
}

func (n *newcomers) add(c *conn, at step, now time.Duration) {
	line := &n.lines[at]
	c.newcomer = newcomer{step: at, since: now, prev: line.last}
	if line.last == nil {
		line.first = c
	} else {
		line.last.newcomer.next = c
	}
	line.last = c
	n.count++
}

// remove takes a connection off, if it is one of them.
func (n *newcomers) remove(c *conn) {
	at := c.newcomer
	if at.step == stepDone {
		return
	}
	line := &n.lines[at.step]
	if at.prev == nil {
		line.first = at.next
	} else {
		at.prev.newcomer.next = at.next
	}
	if at.next == nil {
		line.last = at.prev
	} else {
		at.next.newcomer.prev = at.prev
	}
	c.newcomer = newcomer{}
	n.count--
}

// goesOn notes that a newcomer has come to a later step; stepDone: it has a request.
func (c *conn) goesOn(to step) {
	if at := step(c.step.Load()); at == stepDone || to != stepDone && to <= at {
		return
	}
	s := c.srv
	s.mu.Lock()
	defer s.mu.Unlock()
	c.step.Store(int32(to))
	s.newcomers.remove(c)
	if _, open := s.conns[c]; open && to != stepDone {
		s.newcomers.add(c, to, s.clock.now())
	}
}

// evictNewcomer ends the connection that has been longest at its step, at the first
// step at which one has had its time. Otherwise it tells how long that takes; 0: there
// is none to wait for. The caller has the lock.
func (s *Server) evictNewcomer(now time.Duration) (done bool, wait time.Duration) {
	for at := stepSilent; at < stepsEnd; at++ {
		for c := s.newcomers.lines[at].first; c != nil; c = s.newcomers.lines[at].first {
			if left := stepGrace[at] - (now - c.newcomer.since); left > 0 {
				if wait == 0 || left < wait {
					wait = left
				}
				break
			}
			due := time.Duration(c.deadline.Load())
			s.newcomers.remove(c)
			switch c.phase.Load() {
			case phaseIdle, phaseHead, phaseHandshake:
			default: // it is about to end
				continue
			}
			s.newcomers.add(c, at, now) // its next bytes may be there already
			if c.hurry(due) {
				s.metrics.Evicted(stepNames[at])
				return true, 0
			}
		}
	}
	return false, wait
}
