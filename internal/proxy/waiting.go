package proxy

import "ripd/internal/http1"

// AnswerWaiting answers every request that waits in the queue with the page, and
// returns how many there were. It is for the moment at which it is known that no
// worker will come for them.
func (s *Server) AnswerWaiting(p *Page) int {
	n := 0
	for t := s.pool.Abandon(); t != nil; t = s.pool.Abandon() {
		t.Request.(*request).respond(&http1.Reply{Status: p.Status, ContentType: p.ContentType, Body: p.Body}, causeBroken)
		n++
	}
	return n
}
