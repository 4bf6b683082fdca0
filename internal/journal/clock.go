package journal

import (
	"sync/atomic"
	"time"
)

// Stamp says which time starts a line for people. JSON lines always carry the
// date and time in UTC.
type Stamp uint8

// The stamps. The zero value is Clock.
const (
	// Clock is the local time of day, 15:04:05.000: for terminals.
	Clock Stamp = iota
	// Date is the local date and time, 2006-01-02 15:04:05.000: for files and pipes.
	Date
	// None leaves the time to what reads the lines: for systemd's journal.
	None

	stampJSON // 2006-01-02T15:04:05.000Z
)

// layout is what time.Format makes of the whole seconds; milliseconds follow.
func (s Stamp) layout() string {
	return [...]string{Clock: time.TimeOnly, Date: time.DateTime, None: "", stampJSON: "2006-01-02T15:04:05"}[s]
}

// clock writes times. The text of a second is kept, because most lines fall
// into the same second as the line before. It is safe for use by several
// goroutines.
type clock struct {
	stamp Stamp
	last  atomic.Pointer[second]
}

// second is the text of one second; it does not change.
type second struct {
	unix int64
	n    int
	text [len(time.DateTime)]byte
}

// append adds t in milliseconds, for lines for people with a space after it.
func (c *clock) append(dst []byte, t time.Time) []byte {
	if c.stamp == None {
		return dst
	}
	unix := t.Unix()
	s := c.last.Load()
	if s == nil || s.unix != unix {
		s = c.second(t, unix)
		// An allocation a second. Of two goroutines at a second's turn the
		// loser's text is used once and forgotten.
		c.last.Store(s)
	}
	dst = append(dst, s.text[:s.n]...)
	ms := t.Nanosecond() / int(time.Millisecond)
	dst = append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
	if c.stamp == stampJSON {
		return append(dst, 'Z')
	}
	return append(dst, ' ')
}

func (c *clock) second(t time.Time, unix int64) *second {
	if c.stamp == stampJSON {
		t = t.UTC()
	} else {
		t = t.Local()
	}
	s := &second{unix: unix}
	s.n = len(t.AppendFormat(s.text[:0], c.stamp.layout()))
	return s
}
