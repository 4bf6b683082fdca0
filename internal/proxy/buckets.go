package proxy

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// rateNetworks bounds the networks whose requests are counted at a time. Of more than
	// these the one that has been silent longest is forgotten: its bucket is full, unless
	// so many ask at the same time.
	rateNetworks = 64 << 10
	// rateShards is the number of parts of the table, each with a lock of its own.
	rateShards = 64
	// rateBits6 is how much of an IPv6 address makes a network: one customer's, at least
	// (RFC 6177). Of an IPv4 address it is all.
	rateBits6 = 64
)

// network is a client's, as far as its requests are counted: the first 64 bits of an
// IPv6 address; or those of IPv4, which are no IPv6 network's.
type network struct {
	high uint64
	old  bool // IPv4
}

// networkOf returns the network of an address.
func networkOf(a netip.Addr) network {
	if a.Is4() {
		b := a.As4()
		return network{uint64(binary.BigEndian.Uint32(b[:])), true}
	}
	b := a.As16()
	return network{binary.BigEndian.Uint64(b[:]), false}
}

// buckets are the token buckets of all networks. A bucket is one moment: when it will
// be full again. The zero value has none.
type buckets struct {
	seed   maphash.Seed
	shards [rateShards]bucketShard
}

func newBuckets() *buckets { return &buckets{seed: maphash.MakeSeed()} }

// bucketShard is a part of the table: an index, and a ring of buckets by the time of
// their last request, through entry 0, which is none itself.
type bucketShard struct {
	mu      sync.Mutex
	index   map[network]int32
	entries []allowance
	_       [64]byte // the next lock is in another cache line
}

type allowance struct {
	of         network
	full       time.Duration // the moment, on the server's clock
	next, last int32         // in the ring: asked before this one, and after
}

// take takes a token out of a network's bucket, which has room for burst of them and
// gets one each interval. It returns 0, or how long there will be none.
func (t *buckets) take(of network, now, interval time.Duration, burst int) (wait time.Duration) {
	s := &t.shards[maphash.Comparable(t.seed, of)%rateShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(of)
	room := interval * time.Duration(burst)
	full := min(max(b.full, now), now+room) // settings may have been larger
	if wait = full + interval - (now + room); wait > 0 {
		return wait
	}
	b.full = full + interval
	return 0
}

// find returns the bucket of a network, and makes it the one that was asked for last.
func (s *bucketShard) find(of network) *allowance {
	if s.index == nil {
		s.index = map[network]int32{}
		s.entries = make([]allowance, 1, 8)
	}
	at, known := s.index[of]
	switch {
	case known:
		s.unlink(at)
	case len(s.entries) <= rateNetworks/rateShards:
		at = int32(len(s.entries))
		s.entries = append(s.entries, allowance{})
	default:
		at = s.entries[0].last
		delete(s.index, s.entries[at].of)
		s.unlink(at)
	}
	if !known {
		s.index[of] = at
		s.entries[at] = allowance{of: of}
	}
	ring := s.entries
	ring[at].next, ring[at].last = ring[0].next, 0
	ring[ring[0].next].last = at
	ring[0].next = at
	return &ring[at]
}

// unlink takes an entry out of the ring.
func (s *bucketShard) unlink(at int32) {
	b := &s.entries[at]
	s.entries[b.last].next, s.entries[b.next].last = b.next, b.last
}

// clear forgets all networks.
func (t *buckets) clear() {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		s.index, s.entries = nil, nil
		s.mu.Unlock()
	}
}
