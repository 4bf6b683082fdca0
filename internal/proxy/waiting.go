package proxy

// AnswerWaiting answers every request that waits in the queue with the page, and
// returns how many there were. It is for the moment at which it is known that no
// worker will come for them.
func (s *Server) AnswerWaiting(p *Page) int {
	n := 0
	for t := s.pool.Abandon(); t != nil; t = s.pool.Abandon() {
		t.Request.(*request).respondPage(p, causeBroken)
		n++
	}
	return n
}
