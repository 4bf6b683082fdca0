package daemon

import "sync"

// mailbox carries what happened to the supervisor's goroutine. Posting never
// blocks. Its length is bounded by what can be under way: each process posts
// at most that it is ready, that it ended, and three events of the pool; each
// caller of the control socket (whose number is bounded) waits for its one call;
// one measurement and one preparation of a roll run at a time.
type mailbox struct {
	mu     sync.Mutex
	items  []func()
	closed bool
	wake   chan struct{} // holds one
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post adds f. It returns false when nobody reads any more.
func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.items = append(m.items, f)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns the oldest, or nil.
func (m *mailbox) take() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.items) == 0 {
		return nil
	}
	f := m.items[0]
	m.items[0] = nil
	m.items = m.items[1:]
	return f
}

// close refuses what comes and forgets what is there.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed, m.items = true, nil
}
