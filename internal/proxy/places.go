package proxy

import (
	"cmp"
	"slices"
	"time"
)

const (
	// spareShare is the part of limits.connections that is kept free, spareMost at most,
	// for pressedFor after one had to wait for a place: so that not each of a flood waits
	// until the one that makes room for it has ended.
	spareShare = 16
	spareMost  = 64
	pressedFor = time.Second
	// idleShare is the part of the connections that evictIdle finds with one look, beside one.
	idleShare = 64
	// roomGrace is for how long a connection that has had a request must have been idle to
	// be closed for another: one that just got an answer is about to send.
	roomGrace = tick * roundTicks
)

// taken counts the places that are taken. An upgraded connection, and one with a stream
// without a slot, counts twice: it has a worker's connection for itself. The caller has
// the lock.
func (s *Server) taken() int { return len(s.conns) + len(s.tunnels) + len(s.released) }

// enlist puts t into one of the server's sets, of what the janitor looks at.
func enlist[T comparable](s *Server, set map[T]struct{}, t T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set[t] = struct{}{}
}

// delist takes t out of the set again, and who waits for a place looks once more.
func delist[T comparable](s *Server, set map[T]struct{}, t T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(set, t)
	s.places.Broadcast()
}

// awaitPlace returns when there is a place for a new connection. At limits.connections
// one that is not in use makes room; where there is none, new clients stay in the
// kernel's backlog.
func (s *Server) awaitPlace(a *acceptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for first := true; s.taken() >= s.placesFor() && !s.stopping.Load(); first = false {
		if first {
			s.crowded.Add(1)
			defer s.crowded.Add(-1)
			s.reached(boundConnections, "new connections take the places of those that have sent no request, or have been idle longest", "connections", len(s.conns))
		}
		_, wait := s.evict()
		if s.taken() < int(s.most.Load()) {
			return
		}
		s.pressed = s.clock.now() + pressedFor
		s.prove(a) // it waits as it should
		if wait > 0 && wait < tick {
			time.AfterFunc(wait, s.lookForPlaces)
		}
		s.places.Wait()
	}
}

// placesFor is how many places may be taken before one has to make room. The caller has
// the lock.
func (s *Server) placesFor() int {
	most := int(s.most.Load())
	if s.clock.now() < s.pressed {
		return most - min(most/spareShare, spareMost)
	}
	return most
}

// lookForPlaces wakes the loops that wait for a place.
func (s *Server) lookForPlaces() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places.Broadcast()
}

// evict ends a connection that is not in use, so that another may come; or it tells how
// long it takes until there is one; 0: that is not known. Newcomers may have half of the
// places, and more of those that nobody is idle on; beyond that they make room for each
// other. So neither a flood that says nothing, nor one that makes a good request
// and then says nothing, takes all places. The caller has the lock.
func (s *Server) evict() (done bool, wait time.Duration) {
	now := s.clock.now()
	if s.newcomers.count <= int(s.most.Load())/2 && s.evictIdle(now) {
		return true, 0
	}
	return s.evictNewcomer(now)
}

// candidate is a connection that may make room.
type candidate struct {
	*conn
	since time.Duration // when it became idle
	due   time.Duration // its deadline
}

// evictIdle ends the connection that has been idle longest, of those that have had a
// request. It looks at all of them for the next few at once. The caller has the lock.
func (s *Server) evictIdle(now time.Duration) bool {
	for range 2 {
		for len(s.idlest) > 0 {
			c := s.idlest[0]
			s.idlest = s.idlest[1:]
			if _, open := s.conns[c.conn]; open && c.hurry(c.due) {
				s.metrics.Evicted(stepNames[stepDone])
				return true
			}
		}
		if s.idlestAt != 0 && now-s.idlestAt < tick {
			return false
		}
		s.findIdle(now, len(s.conns)/idleShare+1)
	}
	return false
}

// findIdle looks for the connections that have been idle longest, so many at most. One whose
// next head has begun long ago counts as idle, too. The caller has the lock.
func (s *Server) findIdle(now time.Duration, most int) {
	timeouts := &s.config.Load().Timeouts
	var all []candidate
	for c := range s.conns {
		due := time.Duration(c.deadline.Load())
		since, grace := due-timeouts.ClientIdle, roomGrace
		switch c.phase.Load() {
		case phaseIdle:
		case phaseHead:
			since, grace = due-timeouts.ClientHeader, handshakeGrace
		default:
			continue
		}
		if c.newcomer.step == stepDone && now-since >= grace {
			all = append(all, candidate{c, since, due})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	s.idlest, s.idlestAt = slices.Clone(all[:min(len(all), most)]), now
}
