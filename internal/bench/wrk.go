package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// load is how hard wrk tries.
type load struct{ threads, connections int }

// String gives wrk's own flags.
func (l load) String() string { return fmt.Sprintf("-t%d -c%d", l.threads, l.connections) }

func parseLoad(text string) (load, error) {
	var l load
	if _, err := fmt.Sscanf(text, "%dx%d", &l.threads, &l.connections); err != nil || l.threads < 1 || l.connections < l.threads {
		return l, fmt.Errorf("-loads %s: THREADSxCONNECTIONS is wanted, such as 2x64", text)
	}
	return l, nil
}

// wrkResult is what wrk reports of one measurement.
type wrkResult struct {
	requests  int
	perSecond float64
	p50, p99  time.Duration
	failed    int // answers other than 2xx and 3xx, and connections that failed
}

func runWrk(ctx context.Context, l load, seconds int, url string) (wrkResult, error) {
	args := []string{fmt.Sprintf("-t%d", l.threads), fmt.Sprintf("-c%d", l.connections), fmt.Sprintf("-d%ds", seconds), "--latency", url}
	out, err := exec.CommandContext(ctx, "wrk", args...).Output()
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk: %w", err)
	}
	return parseWrk(string(out))
}

// What wrk 4 prints.
var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec:\s+([\d.]+)`)
	wrkP50      = regexp.MustCompile(`(?m)^\s+50%\s+([\d.]+[a-z]+)`)
	wrkP99      = regexp.MustCompile(`(?m)^\s+99%\s+([\d.]+[a-z]+)`)
	wrkErrors   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

func parseWrk(out string) (wrkResult, error) {
	var r wrkResult
	rate, total := wrkRate.FindStringSubmatch(out), wrkRequests.FindStringSubmatch(out)
	p50, p99 := wrkP50.FindStringSubmatch(out), wrkP99.FindStringSubmatch(out)
	if rate == nil || total == nil || p50 == nil || p99 == nil {
		return r, fmt.Errorf("wrk said something else:\n%s", out)
	}
	var err error
	if r.perSecond, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return r, err
	}
	if r.requests, err = strconv.Atoi(total[1]); err != nil {
		return r, err
	}
	// wrk's units (us, ms, s, m) are Go's.
	if r.p50, err = time.ParseDuration(p50[1]); err != nil {
		return r, err
	}
	if r.p99, err = time.ParseDuration(p99[1]); err != nil {
		return r, err
	}
	for _, failures := range [][]string{wrkErrors.FindStringSubmatch(out), wrkStatus.FindStringSubmatch(out)} {
		for _, text := range failures[min(1, len(failures)):] {
			n, err := strconv.Atoi(text)
			if err != nil {
				return r, err
			}
			r.failed += n
		}
	}
	return r, nil
}
