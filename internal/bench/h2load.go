package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// h2loadCall is one way of calling h2load, which speaks HTTP/2.
type h2loadCall struct {
	load    load
	streams int // requests at a time on each connection
	dir     string
}

// run measures url for so many seconds.
func (c h2loadCall) run(ctx context.Context, seconds int, url string) (wrkResult, error) {
	// Its report has no share of the times; its log has them all.
	log := filepath.Join(c.dir, "h2load.log")
	if err := os.Remove(log); err != nil && !os.IsNotExist(err) {
		return wrkResult{}, err // it would be written behind what is there
	}
	out, err := client(ctx, "h2load", fmt.Sprintf("-t%d", c.load.Threads), fmt.Sprintf("-c%d", c.load.Connections),
		fmt.Sprintf("-m%d", c.streams), fmt.Sprintf("-D%d", seconds), "--log-file="+log, url).CombinedOutput()
	if ctx.Err() != nil {
		return wrkResult{}, ctx.Err()
	}
	if err != nil {
		return wrkResult{}, fmt.Errorf("h2load: %w: %s", err, out)
	}
	if !bytes.Contains(out, []byte("Application protocol: h2\n")) {
		return wrkResult{}, fmt.Errorf("h2load was not given HTTP/2:\n%s", out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return wrkResult{}, err
	}
	return parseH2load(text, time.Duration(seconds)*time.Second)
}

// parseH2load reads the log: when each request began, its status (-1: it failed), and the
// µs until its answer was there.
func parseH2load(log []byte, took time.Duration) (wrkResult, error) {
	var r wrkResult
	var times []time.Duration
	for lines := bufio.NewScanner(bytes.NewReader(log)); lines.Scan(); {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 3 {
			return r, fmt.Errorf("h2load's log has the line %q", lines.Text())
		}
		status, err := strconv.Atoi(string(fields[1]))
		if err != nil {
			return r, fmt.Errorf("h2load's log has the line %q", lines.Text())
		}
		micros, err := strconv.ParseInt(string(fields[2]), 10, 64)
		if err != nil {
			return r, fmt.Errorf("h2load's log has the line %q", lines.Text())
		}
		if status < 200 || status > 399 {
			r.Failed++
		}
		times = append(times, time.Duration(micros)*time.Microsecond)
	}
	slices.Sort(times)
	r.Requests, r.PerSecond = len(times), float64(len(times))/took.Seconds()
	r.P50, r.P99, r.P999, r.Max = share(times, 0.5), share(times, 0.99), share(times, 0.999), share(times, 1)
	return r, nil
}
