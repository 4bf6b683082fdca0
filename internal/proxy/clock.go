package proxy

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"ripd/internal/http1"
)

// clock tells monotonic time since it was made, and the wall-clock time of such
// moments. One reading of the system's clock serves both.
type clock struct {
	start time.Time
	today func() time.Time // the system's clock
	zero  *atomic.Int64    // nanoseconds since 1970 of the moment 0, as the system's clock has it now
	date  *dateCache
}

func newClock(today func() time.Time) clock {
	c := clock{start: time.Now(), today: today, zero: &atomic.Int64{}, date: &dateCache{}}
	c.look()
	return c
}

// now is never zero, so that zero can mean "not yet".
func (c *clock) now() time.Duration { return time.Since(c.start) + 1 }

// wall is the time of day at the moment at, as far as look knows.
func (c *clock) wall(at time.Duration) time.Time { return time.Unix(0, c.zero.Load()+int64(at)) }

// look reads the system's clock, so that wall follows its steps and the time for
// which the machine was suspended, which monotonic time does not count.
func (c *clock) look() time.Time {
	t := c.today()
	c.zero.Store(t.UnixNano() - int64(c.now()))
	return t
}

// dateCache holds the Date field of the current second.
type dateCache struct {
	mu    sync.Mutex // writers
	value atomic.Pointer[dateValue]
}

type dateValue struct {
	second int64
	text   []byte // IMF-fixdate, RFC 9110 section 5.6.7
}

// httpDate is the Date field's value for the moment at. It looks at the system's
// clock once a second.
func (c *clock) httpDate(at time.Duration) []byte {
	second := int64(at / time.Second)
	if v := c.date.value.Load(); v != nil && v.second == second {
		return v.text
	}
	c.date.mu.Lock()
	defer c.date.mu.Unlock()
	if v := c.date.value.Load(); v != nil && v.second == second {
		return v.text
	}
	v := &dateValue{second: second, text: http1.AppendDate(nil, c.look())}
	c.date.value.Store(v)
	return v.text
}

// requestIDLength is the length of a request's id: 24 hexadecimal digits.
const requestIDLength = 24

// requestIDs makes ids that are unique among all processes of all machines, as
// far as 48 random bits a process and a counter are.
type requestIDs struct {
	prefix  [12]byte
	counter *atomic.Uint64
}

func newRequestIDs() requestIDs {
	ids := requestIDs{counter: &atomic.Uint64{}}
	var seed [6]byte
	rand.Read(seed[:]) // never fails, crypto/rand
	hex.Encode(ids.prefix[:], seed[:])
	return ids
}

// next writes a new id to dst.
func (ids *requestIDs) next(dst *[requestIDLength]byte) {
	copy(dst[:12], ids.prefix[:])
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], ids.counter.Add(1))
	hex.Encode(dst[12:], n[2:])
}
