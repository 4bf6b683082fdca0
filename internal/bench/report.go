package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

// sample is one measurement.
type sample struct {
	wrkResult
	cpuMicros float64 // the balancer's user and system time of one request
	resident  int64   // bytes, at the end
}

// result is all measurements of one server at one load.
type result struct {
	server, version string
	load            load
	note            string // what the handler does, where there are several
	samples         []sample
}

// rates are the lowest and the highest rate.
func (r *result) rates() (low, high float64) {
	rates := r.column(rate)
	return slices.Min(rates), slices.Max(rates)
}

// column gives one figure of all samples.
func (r *result) column(of func(sample) float64) []float64 {
	var values []float64
	for _, s := range r.samples {
		values = append(values, of(s))
	}
	return values
}

func rate(s sample) float64   { return s.perSecond }
func cpu(s sample) float64    { return s.cpuMicros }
func p50(s sample) float64    { return float64(s.p50) / float64(time.Millisecond) }
func p99(s sample) float64    { return float64(s.p99) / float64(time.Millisecond) }
func failed(s sample) float64 { return float64(s.failed) }
func memory(s sample) float64 { return float64(s.resident) / (1 << 20) }

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

// ratio is a's median by b's; 0 when b's is 0.
func ratio(a, b *result, of func(sample) float64) float64 {
	divisor := median(b.column(of))
	if divisor == 0 {
		return 0
	}
	return median(a.column(of)) / divisor
}

// report prints one table of figures and one of ratios.
func report(out io.Writer, results []*result, opts options) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%d workers (%s), %d turns of %d s, medians; %d CPUs for all, wrk included.\n", opts.workers, opts.worker, opts.turns, opts.seconds, runtime.NumCPU())
	said := map[string]bool{}
	for _, r := range results {
		if !said[r.server] {
			fmt.Fprintf(&text, "%s: %s\n", r.server, r.version)
			said[r.server] = true
		}
	}
	text.WriteString("\n| load | server | requests/s | lowest – highest | CPU µs a request | p50 ms | p99 ms | failed | resident MB |\n")
	text.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range results {
		low, high := r.rates()
		fmt.Fprintf(&text, "| %v | %s | %.0f | %.0f – %.0f | %.1f | %.2f | %.2f | %.0f | %.0f |\n",
			r.load, r.server, median(r.column(rate)), low, high, median(r.column(cpu)),
			median(r.column(p50)), median(r.column(p99)), sum(r.column(failed)), median(r.column(memory)))
	}
	text.WriteString("\n| load | ratio | requests/s | CPU a request | p50 | p99 |\n| --- | --- | ---: | ---: | ---: | ---: |\n")
	for _, pair := range pairs(results) {
		a, b := pair[0], pair[1]
		fmt.Fprintf(&text, "| %v | %s / %s | %.2f | %.2f | %.2f | %.2f |\n", a.load, a.server, b.server,
			ratio(a, b, rate), ratio(a, b, cpu), ratio(a, b, p50), ratio(a, b, p99))
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// pairs sets each ripd beside each other server of the same load.
func pairs(results []*result) [][2]*result {
	var all [][2]*result
	for _, a := range results {
		for _, b := range results {
			if strings.HasPrefix(a.server, "ripd") && a.load == b.load && !strings.HasPrefix(b.server, "ripd") {
				all = append(all, [2]*result{a, b})
			}
		}
	}
	return all
}
