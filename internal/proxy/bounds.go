package proxy

import (
	"errors"
	"math"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
	"ripd/internal/pool"
)

// notice is a kind of line that clients, workers or the machine could cause over
// and over. One of each kind is written in noticePause; the next one tells how
// many were left out.
type notice uint8

// The first kinds are bounds that were reached: each is also counted, as its name
// in noticeNames.
const (
	boundConnections notice = iota
	boundDescriptors
	boundHead
	boundBody
	boundClientHeader
	boundClientBody
	boundClientWrite
	boundSpool
	boundDisk
	boundQueue
	boundQueueTime
	boundUpgrades
	boundUpgradeIdle
	boundMessage
	boundRate
	boundStreams
	boundOpenStreams
	boundResets
	boundFrames
	boundContinuations
	boundReleased
	boundsEnd
)

// The others are about peers.
const (
	noticeAccept notice = iota + boundsEnd
	noticeBadAnswer
	noticeExtraBytes
	noticeUnasked
	noticeHandshake
	noticeHeader
	noticeLink
	noticeUnreadable
	noticeRefused
	noticeStreams
	noticesEnd
)

// noticeNames names the bounds: a setting's name, what the machine has no more of, or
// what HTTP/2 has no setting for.
var noticeNames = [boundsEnd]string{
	boundConnections: "limits.connections", boundDescriptors: "open-files", boundHead: "limits.header", boundBody: "limits.body",
	boundClientHeader: "timeouts.client_header", boundClientBody: "timeouts.client_body", boundClientWrite: "timeouts.client_write",
	boundSpool: "limits.response_spool", boundDisk: "temporary-files", boundQueue: "queue.size", boundQueueTime: "queue.timeout",
	boundUpgrades: "workers.upgrades", boundUpgradeIdle: "timeouts.upgrade_idle", boundMessage: "limits.body", boundRate: "limits.rate",
	boundStreams:     "compression.streams",
	boundOpenStreams: "limits.streams", boundResets: "http2-resets", boundFrames: "http2-frames", boundContinuations: "http2-continuations",
	boundReleased: "workers.streams",
}

// noticePause is the least time between two lines of one kind.
const noticePause = 10 * time.Second

// notices says which lines may be written.
type notices struct {
	mu     sync.Mutex
	last   [noticesEnd]time.Duration // 0: never
	hidden [noticesEnd]uint64
}

// may reports whether a line of the kind may be written at the moment now, and how
// many were left out since the last.
func (n *notices) may(kind notice, now time.Duration) (hidden uint64, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last[kind] != 0 && now-n.last[kind] < noticePause {
		n.hidden[kind]++
		return 0, false
	}
	hidden = n.hidden[kind]
	n.last[kind], n.hidden[kind] = now, 0
	return hidden, true
}

// warn writes a line, unless one of its kind was written a moment ago.
func (s *Server) warn(kind notice, text string, about ...any) {
	hidden, ok := s.notices.may(kind, s.clock.now())
	if !ok {
		return
	}
	if hidden > 0 {
		about = append(about, "left_out", hidden)
	}
	s.log.Warn(text, about...)
}

// reached counts a bound that was reached, and tells of it.
func (s *Server) reached(bound notice, text string, about ...any) {
	s.metrics.LimitReached(noticeNames[bound])
	s.warn(bound, text, append([]any{"limit", noticeNames[bound]}, about...)...)
}

// reachedByRequest is reached for what a request was refused with.
func (s *Server) reachedByRequest(status int, cause string) {
	switch {
	case status == 431, status == 414:
		s.reached(boundHead, "a head was too long and was refused")
	case cause == causeTooLarge:
		s.reached(boundBody, "a body was too long and was refused")
	case cause == causeBodyTimeout:
		s.reached(boundClientBody, "a client sent its body too slowly and was refused")
	case status == errHeadTimeout.Status:
		s.reached(boundClientHeader, "a client sent its head too slowly and was refused")
	case cause == pool.Full.String():
		s.reached(boundQueue, "the queue is full; requests are answered 503")
	case cause == pool.Crowded.String():
		s.reached(boundUpgrades, "each worker has as many upgraded connections as it may have; one more is answered 503")
	case cause == causeQueueTimeout:
		s.reached(boundQueueTime, "a request waited too long for a worker and was answered 504")
	}
}

// Descriptors that client connections must not take: for ripd's own sockets, logs
// and control calls, for temporary files, and for each worker its connections,
// pipes and sockets.
const (
	reservedDescriptors  = 128
	descriptorsPerWorker = 8
	// leastConnections is what clients get in any case.
	leastConnections = 16
)

// connectionsFor is limits.connections, or less where the process may not open as
// many descriptors: without a reserve the workers could not be reached any more
// while clients hold all of them.
func connectionsFor(c *config.Config, openFiles uint64) int {
	workers := c.Workers.Count * (descriptorsPerWorker + c.Workers.Concurrency)
	room := int(min(openFiles, math.MaxInt32)) - reservedDescriptors - workers
	return min(c.Limits.Connections, max(room, leastConnections))
}

// boundConnections computes how many connections may be open, and tells when that
// is less than the setting.
func (s *Server) boundConnections(c *config.Config) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		limit.Cur = math.MaxInt32 // getrlimit(2): it does not fail
	}
	n := connectionsFor(c, limit.Cur)
	if n < c.Limits.Connections && int64(n) != s.most.Load() {
		s.log.Warn("fewer connections than limits.connections are taken: the limit of open files is too low (ulimit -n, LimitNOFILE=)",
			"connections", n, "asked", c.Limits.Connections, "open_files", limit.Cur)
	}
	s.most.Store(int64(n))
}

// starved reports whether err says that ripd or the machine has no descriptor or
// no memory left for a socket: no fault of the peer's.
func starved(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// starvedShare is the part of the connections that makeDescriptors closes at once, and one
// more: not just one, as at limits.connections, since what waits in the backlog takes
// descriptors too, one after the other.
const starvedShare = 8

// makeDescriptors meets a lack of descriptors: connections that are idle make room. Whoever
// comes within a tick finds that it has just been done: they are about to close.
func (s *Server) makeDescriptors(err error) {
	s.reached(boundDescriptors, "no descriptor is left for a connection; idle connections are closed", "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	if s.starvedAt != 0 && now-s.starvedAt < tick {
		return
	}
	s.starvedAt = now
	share := len(s.conns)/starvedShare + 1
	s.findIdle(now, share)
	for range share {
		if done, _ := s.evict(); !done {
			break
		}
	}
}
