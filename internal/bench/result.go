package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// sample is one measurement.
type sample struct {
	wrkResult
	CPUMicros   float64 // the balancer's user and system time of one request
	WholeMicros float64 // likewise, with the workers
	Memory      int64   // bytes of the balancer, at the end

	// Of a paced load only.
	Capacity float64       `json:",omitempty"` // requests/s when always busy
	Added    time.Duration `json:",omitempty"` // to the p50 of a request that meets no other one
	Goodput  float64       `json:",omitempty"` // answers with 200 as a part of the capacity
	Refused  float64       `json:",omitempty"` // other answers, as a part of what was sent
	Waiting  float64       `json:",omitempty"` // by how many more wait at the end than when it began to count, likewise
	Refusal  time.Duration `json:",omitempty"` // p50 of other answers
}

// result is all measurements of one server at one load.
type result struct {
	Group, Scenario string
	Server, Version string
	Seconds         int
	Fault           string `json:",omitempty"` // why it could not be measured; "" when it could
	Samples         []sample
}

// column gives one figure of all samples.
func (r *result) column(of func(sample) float64) []float64 {
	var values []float64
	for _, s := range r.Samples {
		values = append(values, of(s))
	}
	return values
}

// middle is a figure's median.
func (r *result) middle(of func(sample) float64) float64 { return median(r.column(of)) }

func rate(s sample) float64   { return s.PerSecond }
func cpu(s sample) float64    { return s.CPUMicros }
func whole(s sample) float64  { return s.WholeMicros }
func p50(s sample) float64    { return millis(s.P50) }
func p99(s sample) float64    { return millis(s.P99) }
func p999(s sample) float64   { return millis(s.P999) }
func most(s sample) float64   { return millis(s.Max) }
func failed(s sample) float64 { return float64(s.Failed) }
func memory(s sample) float64 { return float64(s.Memory) / (1 << 20) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

func sum(values []float64) float64 {
	var total float64
	for _, v := range values {
		total += v
	}
	return total
}

// spread is a median with the lowest and the highest value.
type spread struct{ middle, low, high float64 }

// String is empty when there is nothing to compare.
func (s spread) String() string {
	if s.middle == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f – %.2f)", s.middle, s.low, s.high)
}

// ratio compares a with b turn by turn: what the machine did besides met both.
func ratio(a, b *result, of func(sample) float64) spread {
	var ratios []float64
	for i := range min(len(a.Samples), len(b.Samples)) {
		if divisor := of(b.Samples[i]); divisor > 0 {
			ratios = append(ratios, of(a.Samples[i])/divisor)
		}
	}
	if len(ratios) == 0 {
		return spread{}
	}
	return spread{median(ratios), slices.Min(ratios), slices.Max(ratios)}
}

// store keeps results, and writes them into a file where there is one, so that a
// run that was interrupted can go on.
type store struct {
	file    string
	results []*result
}

func openStore(file string) (*store, error) {
	s := &store{file: file}
	if file == "" {
		return s, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &s.results); err != nil {
		return nil, fmt.Errorf("%s was not written by this command: %w", file, err)
	}
	return s, nil
}

// has reports whether a scenario has been measured as the options ask for.
func (s *store) has(g group, what scenario, o options) bool {
	for _, name := range g.servers {
		if !slices.ContainsFunc(s.results, func(r *result) bool {
			return r.Group == g.name && r.Scenario == what.name && r.Server == name && r.Fault == "" && len(r.Samples) >= o.turns && r.Seconds == what.length(o)
		}) {
			return false
		}
	}
	return true
}

// add replaces what is there of the same servers and loads.
func (s *store) add(results []*result) error {
	s.results = slices.DeleteFunc(s.results, func(old *result) bool {
		return slices.ContainsFunc(results, func(r *result) bool {
			return r.Group == old.Group && r.Scenario == old.Scenario && r.Server == old.Server
		})
	})
	s.results = append(s.results, results...)
	if s.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(s.results, "", " ")
	if err != nil {
		return err
	}
	// In one step: an interrupted write leaves what was there.
	if err := os.WriteFile(s.file+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(s.file+".new", s.file)
}

// reported is a scenario with its results.
type reported struct {
	scenario
	results []*result
}

// chapter is a group with its results.
type chapter struct {
	group
	loads []reported
}

// of returns the results of groups, in their order.
func (s *store) of(groups []group) []chapter {
	var all []chapter
	for _, g := range groups {
		c := chapter{group: g}
		for _, what := range g.scenarios {
			r := reported{scenario: what}
			for _, name := range g.servers {
				for _, one := range s.results {
					if one.Group == g.name && one.Scenario == what.name && one.Server == name {
						r.results = append(r.results, one)
					}
				}
			}
			c.loads = append(c.loads, r)
		}
		all = append(all, c)
	}
	return all
}
