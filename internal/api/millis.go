package api

import (
	"fmt"
	"strconv"
	"time"
)

// Millis is a length of time that JSON shows as whole milliseconds, rounded
// down. The zero value is no time.
type Millis time.Duration

// Duration gives the value as Go counts time.
func (m Millis) Duration() time.Duration { return time.Duration(m) }

// String gives the value in Go's notation ("1.5s").
func (m Millis) String() string { return time.Duration(m).String() }

// MarshalJSON writes whole milliseconds.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendInt(nil, time.Duration(m).Milliseconds(), 10), nil
}

// maxMillis is the longest time that a Millis can hold, about 292 years.
const maxMillis = int64(1<<63-1) / int64(time.Millisecond)

// UnmarshalJSON reads whole milliseconds. Fractions, strings and what does not
// fit are errors.
func (m *Millis) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n > maxMillis || n < -maxMillis {
		return fmt.Errorf("%q is not a whole number of milliseconds", b)
	}
	*m = Millis(time.Duration(n) * time.Millisecond)
	return nil
}
