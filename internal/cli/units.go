package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Quantities as people read them: 1,240 and 12.3 MB and 2 h 3 m.

// count writes a whole number with a comma between groups of three digits.
func count[N int | int64 | uint64](n N) string {
	digits := fmt.Sprint(n)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return sign + b.String()
}

// counted writes a number and its noun, with an s where it is not one.
func counted[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// bytesUnits are powers of 1000, as disks and networks count.
const bytesUnits = "kMGTPE"

// size writes a number of bytes: "512 B", "12.3 MB".
func size[N int64 | uint64](n N) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, 0
	for math.Round(v*10)/10 >= 1000 && unit < len(bytesUnits)-1 {
		v /= 1000
		unit++
	}
	if v >= 99.95 {
		return fmt.Sprintf("%.0f %cB", v, bytesUnits[unit])
	}
	return fmt.Sprintf("%.1f %cB", v, bytesUnits[unit])
}

// perSecond writes a rate: "0 req/s", "3.2 req/s", "1,240 req/s".
func perSecond(r float64) string {
	switch {
	case math.IsNaN(r) || math.IsInf(r, 0) || r < 0:
		return "? req/s"
	case r < 0.05:
		return "0 req/s"
	case r < 9.95:
		return strconv.FormatFloat(r, 'f', 1, 64) + " req/s"
	}
	return count(int64(math.Round(r))) + " req/s"
}

// span writes a length of time with its two largest units: "840 ms", "3.2 s", "4 s",
// "45 s", "2 m 5 s", "2 h 3 m", "4 d 1 h".
func span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return two(d, time.Minute, "m", time.Second, "s")
	case d < 24*time.Hour:
		return two(d, time.Hour, "h", time.Minute, "m")
	}
	return two(d, 24*time.Hour, "d", time.Hour, "h")
}

func two(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	if rest := d % big / small; rest > 0 {
		return fmt.Sprintf("%d %s %d %s", d/big, bigName, rest, smallName)
	}
	return fmt.Sprintf("%d %s", d/big, bigName)
}

// ago writes how long before now a moment was: "12 s ago", "just now".
func ago(t, now time.Time) string {
	d := now.Sub(t)
	if d < time.Second {
		return "just now"
	}
	return span(d.Truncate(time.Second)) + " ago"
}

// until writes how long after now a moment will be: "in 12 s", "now".
func until(t, now time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return "now"
	}
	return "in " + span(d)
}
