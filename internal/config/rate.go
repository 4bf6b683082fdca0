package config

import (
	"strconv"
	"strings"
	"time"
)

// Rate is a number of requests in a time. The zero value is no bound.
type Rate struct {
	// Requests is 1 to MaxRate; 0 is no bound.
	Requests int
	// Per is a second, a minute or an hour.
	Per time.Duration
}

// MaxRate is the most requests of a Rate, and the most of limits.rate_burst.
const MaxRate = 1_000_000

// rateUnits are what the text of a Rate can end in.
var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}

// Interval is the time between two requests at exactly this rate; 0: there is no bound.
func (r Rate) Interval() time.Duration {
	if r.Requests == 0 {
		return 0
	}
	return r.Per / time.Duration(r.Requests)
}

// String writes the rate as the file has it: "20/s", "600/m", "0".
func (r Rate) String() string {
	for _, u := range rateUnits {
		if r.Requests > 0 && r.Per == u.per {
			return strconv.Itoa(r.Requests) + "/" + u.name
		}
	}
	return "0"
}

// parseRate reads "20/s", "600/m", "10000/h" or "0".
func parseRate(r raw) (Rate, *fault) {
	const want = `a rate, as "20/s" or "600/m"`
	if r.form == formInteger && r.text == "0" {
		return Rate{}, nil
	}
	text, f := parseText(r, want)
	if f != nil {
		return Rate{}, f
	}
	if text == "0" {
		return Rate{}, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil && !isRange(err) {
		return Rate{}, faultf("found %s, wanted %s", r.describe(), want)
	}
	for _, u := range rateUnits {
		switch {
		case unit != u.name:
		case n == 0:
			return Rate{}, faultf("no request at all is too little").hinted(`"0" is no bound`)
		case err != nil || n > MaxRate:
			return Rate{}, faultf("%s is too much: 1 to %d requests", shorten(number), MaxRate)
		default:
			return Rate{int(n), u.per}, nil
		}
	}
	return Rate{}, faultf("found %s, wanted %s", r.describe(), want).hinted("write /s, /m or /h behind the number: for each second, minute or hour")
}
