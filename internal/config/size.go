package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errSize     = errors.New("not a size")
	errSizeHuge = errors.New("more bytes than can be counted")
	errDuration = errors.New("not a duration")
)

// ParseSize reads a size in bytes: a whole number and a unit, as 32KB or 1GB.
// K, KB and KiB are all 1024 bytes, and so on; a number alone, or with B, is
// bytes. Case does not matter.
func ParseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGTIbkmgti ")
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return 0, errSizeHuge
		}
		return 0, errSize
	}
	var unit int64
	switch strings.ToUpper(strings.TrimSpace(text[len(digits):])) {
	case "", "B":
		unit = 1
	case "K", "KB", "KIB":
		unit = kib
	case "M", "MB", "MIB":
		unit = mib
	case "G", "GB", "GIB":
		unit = gib
	case "T", "TB", "TIB":
		unit = tib
	default:
		return 0, errSize
	}
	if int64(n) > math.MaxInt64/unit {
		return 0, errSizeHuge
	}
	return int64(n) * unit, nil
}

// FormatSize writes a size in the largest unit that loses nothing, so that
// ParseSize gives it back.
func FormatSize(bytes int64) string {
	if bytes == 0 {
		return "0"
	}
	for _, u := range []struct {
		bytes int64
		name  string
	}{{tib, "TB"}, {gib, "GB"}, {mib, "MB"}, {kib, "KB"}} {
		if bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// parseDuration reads numbers with units, as 30s, 1m30s or 1500ms. A number
// without a unit is refused, because it could be seconds or milliseconds.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errDuration
	}
	return d, nil
}

// FormatDuration writes a duration short (60s, 90m, 1h1m1s), so that it can be
// read back.
func FormatDuration(d time.Duration) string {
	in := func(unit time.Duration, name string) string { return strconv.FormatInt(int64(d/unit), 10) + name }
	switch {
	case d <= 0:
		return "0s"
	case d%time.Hour == 0:
		return in(time.Hour, "h")
	case d%time.Minute == 0 && d >= 2*time.Minute:
		return in(time.Minute, "m")
	case d%time.Second == 0 && d <= 2*time.Minute:
		return in(time.Second, "s")
	case d%time.Millisecond == 0 && d < 10*time.Second:
		return in(time.Millisecond, "ms")
	}
	return d.String()
}
