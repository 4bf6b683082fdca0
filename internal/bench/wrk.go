package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// load is how hard wrk tries.
type load struct{ Threads, Connections int }

// String gives wrk's own flags.
func (l load) String() string { return fmt.Sprintf("-t%d -c%d", l.Threads, l.Connections) }

func parseLoad(text string) (load, error) {
	var l load
	if _, err := fmt.Sscanf(text, "%dx%d", &l.Threads, &l.Connections); err != nil || l.Threads < 1 || l.Connections < l.Threads {
		return l, fmt.Errorf("-loads %s: THREADSxCONNECTIONS is wanted, such as 2x64", text)
	}
	return l, nil
}

// wrkTimeout is how long wrk waits for an answer.
const wrkTimeout = "10s"

// wrkScript makes wrk send a body or leave after each answer, and say what it found
// in one line; its own report has neither p99.9 nor all of the errors.
const wrkScript = `%s
function done(summary, latency, requests)
  local e = summary.errors
  print(string.format("RESULT %%d %%d %%d %%d %%d %%d %%d", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), latency.max, e.connect + e.read + e.write + e.status + e.timeout))
end
`

// wrkCall is one way of calling wrk.
type wrkCall struct {
	load  load
	body  int  // bytes that each request sends
	close bool // a new connection for each request
	dir   string
}

// script writes the call's script.
func (c wrkCall) script() (string, error) {
	var setting strings.Builder
	if c.body > 0 {
		fmt.Fprintf(&setting, "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/octet-stream'\nwrk.body = string.rep('x', %d)\n", c.body)
	}
	if c.close {
		setting.WriteString("wrk.headers['Connection'] = 'close'\n")
	}
	file := filepath.Join(c.dir, "wrk.lua")
	return file, os.WriteFile(file, fmt.Appendf(nil, wrkScript, setting.String()), 0o600)
}

// client is a program that makes load.
func client(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = newGroup()
	return cmd
}

// run measures url for so many seconds.
func (c wrkCall) run(ctx context.Context, seconds int, url string) (wrkResult, error) {
	script, err := c.script()
	if err != nil {
		return wrkResult{}, err
	}
	out, err := client(ctx, "wrk", fmt.Sprintf("-t%d", c.load.Threads), fmt.Sprintf("-c%d", c.load.Connections),
		fmt.Sprintf("-d%ds", seconds), "--timeout", wrkTimeout, "-s", script, url).CombinedOutput()
	if ctx.Err() != nil {
		return wrkResult{}, ctx.Err()
	}
	if err != nil {
		return wrkResult{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(string(out))
}

// wrkResult is what wrk reports of one measurement.
type wrkResult struct {
	Requests            int
	PerSecond           float64
	P50, P99, P999, Max time.Duration
	Failed              int // answers other than 2xx and 3xx, and connections that failed
}

// parseWrk reads the script's line; times are in µs.
func parseWrk(out string) (wrkResult, error) {
	at := strings.Index(out, "RESULT ")
	if at < 0 {
		return wrkResult{}, fmt.Errorf("wrk said something else:\n%s", out)
	}
	var requests, duration, p50, p99, p999, most, failed int
	if _, err := fmt.Sscanf(out[at:], "RESULT %d %d %d %d %d %d %d", &requests, &duration, &p50, &p99, &p999, &most, &failed); err != nil || duration <= 0 {
		return wrkResult{}, fmt.Errorf("wrk said something else:\n%s", out)
	}
	micros := func(n int) time.Duration { return time.Duration(n) * time.Microsecond }
	return wrkResult{requests, float64(requests) / micros(duration).Seconds(), micros(p50), micros(p99), micros(p999), micros(most), failed}, nil
}
