package journal

import (
	"sync/atomic"
	"time"
)

// maxChosen bounds the access lines that are chosen in one second. Each costs
// systemd's journal some 25 microseconds, and errors come in floods.
const maxChosen = 200

// Why an access line was chosen: the field RIP_CHOSEN.
const (
	chosenError  = "error"
	chosenSlow   = "slow"
	chosenSample = "sample"
)

// Choice chooses the access lines that systemd's journal gets: errors, slow
// requests, and a sample of the others. Its methods may be called from several
// goroutines at once.
type Choice struct {
	slow  time.Duration
	every uint64

	others  atomic.Uint64 // requests that were neither errors nor slow
	second  atomic.Int64  // the time, to count by
	chosen  atomic.Int64  // lines in it
	leftOut atomic.Uint64
}

// NewChoice chooses errors, requests that were in the queue and with a worker
// for slow or longer (0: none is slow), and one of sample others (0: none).
func NewChoice(slow time.Duration, sample int) *Choice {
	return &Choice{slow: slow, every: uint64(max(sample, 0))}
}

// choose says why the line is chosen; "" when it is not.
func (c *Choice) choose(a *Access) (why string) {
	switch {
	case a.Status >= 500:
		why = chosenError
	case c.slow > 0 && max(a.Queue, 0)+max(a.Worker, 0) >= c.slow:
		why = chosenSlow
	case c.every > 0 && (c.others.Add(1)-1)%c.every == 0:
		why = chosenSample
	default:
		return ""
	}
	// Of two requests at a second's turn both may set it: then a few more lines pass.
	if now := a.Time.Unix(); c.second.Load() != now {
		c.second.Store(now)
		c.chosen.Store(0)
	}
	if c.chosen.Add(1) > maxChosen {
		c.leftOut.Add(1)
		return ""
	}
	return why
}
