package proxy

import "sync"

// sealed is the way of a connection of HTTP/2 from the TLS layer to the socket: what is
// encrypted together goes out in one system call, however many records it is.
type sealed struct {
	mu     sync.Mutex // the TLS layer answers the client while it reads, too
	block  *batchBlock
	filled int
}

// encrypt gives b to the client, at its pace. Only one goroutine calls it.
func (m *streams) encrypt(b []byte) error {
	s := &m.sealed
	if len(b) > batchLeast {
		s.mu.Lock()
		s.block = newBatchBlock()
		s.mu.Unlock()
	}
	_, err := m.conn.secure.tls.Write(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.block == nil {
		return err
	}
	if sent := m.give(s.block[:s.filled]); err == nil {
		err = sent
	}
	s.block.free()
	s.block, s.filled = nil, 0
	return err
}

// push takes a record from the TLS layer.
func (m *streams) push(b []byte) (int, error) {
	s := &m.sealed
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.block == nil {
		return len(b), m.give(b)
	}
	for taken := 0; ; {
		n := copy(s.block[s.filled:], b[taken:])
		s.filled += n
		if taken += n; taken == len(b) {
			return taken, nil
		}
		if err := m.give(s.block[:s.filled]); err != nil {
			return taken, err
		}
		s.filled = 0
	}
}
