package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// This file measures workers.serial: ripd alone, with one, two and three requests
// given to each worker, which runs one at a time. The next request is then in the
// worker when it becomes free, at the price of the order across workers.

// depths are the numbers of requests that a worker is given (c:N).
var depths = []int{1, 2, 3}

// pauses are the handlers, by the milliseconds that they sleep.
var pauses = []int{0, 1, 20}

// shorts are the numbers of clients with short requests among long ones: one that
// finds idle workers, and more than there are workers without a long one.
var shorts = []int{1, 8}

const (
	serialLoad  = "2x64" // that fills all workers at each depth
	longPause   = 100    // ms; of the long requests in a mix
	longClients = 2      // clients that send them, half of the workers
	askFor      = "/%d"  // the path of a handler that sleeps so many ms
	rackApp     = `run ->(env) { ms = env["PATH_INFO"].delete("/").to_i; sleep(ms / 1000.0) if ms > 0; [200, { "content-type" => "text/plain" }, ["pong\n"]] }` + "\n"
	nodeApp     = `export default async (req, res) => {
  const ms = Number(req.url.slice(1));
  if (ms > 0) await new Promise((resume) => setTimeout(resume, ms));
  res.end('pong\n');
};
`
)

// serialApp is one kind of worker.
type serialApp struct {
	name string
	file string // of the app; "" for ripd's demo
	text string
	path func(ms int) string
}

func serialApps() []serialApp {
	numbered := func(ms int) string { return fmt.Sprintf(askFor, ms) }
	demo := func(ms int) string {
		if ms == 0 {
			return "/ping"
		}
		return fmt.Sprintf("/sleep?ms=%d", ms)
	}
	return []serialApp{{name: "demo", path: demo}, {"rack", "config.ru", rackApp, numbered}, {"node", "index.mjs", nodeApp, numbered}}
}

// startSerial starts ripd with an app whose workers are given so many requests.
func startSerial(ctx context.Context, app serialApp, depth int, dir string, opts options) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	what := "demo"
	if app.file != "" {
		what = filepath.Join(dir, app.name)
		if err := os.Mkdir(what, 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(what, app.file), []byte(app.text), 0o600); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	children := func(int) bool { return true }
	s := &server{name: fmt.Sprintf("%s c:%d", app.name, depth), leftOut: children, base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	s.url = s.base + app.path(0)
	s.version = versionOf(opts.ripd, "--version")
	s.main = exec.Command(opts.ripd, what, fmt.Sprintf("w:%d", opts.workers), fmt.Sprintf("c:%d", depth),
		fmt.Sprintf("http:127.0.0.1:%d", port), "r:0", "--no-access-log", "--hot-reload=none")
	s.main.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, fmt.Sprintf("RIP_WORKERS_SERIAL=%v", depth > 1))
	err = startChild(s.main, dir)
	if err == nil {
		err = s.waitFor(ctx)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w%s", s.name, err, lastOutput(dir))
	}
	return s, nil
}

// runSerial measures all apps, handlers and depths, the depths in turns.
func runSerial(ctx context.Context, opts options) error {
	dir, err := os.MkdirTemp("/tmp", "ripd-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := parseLoad(serialLoad)
	if err != nil {
		return err
	}
	var alike, mixed []*result
	for _, app := range serialApps() {
		same, mix, err := measureApp(ctx, app, l, dir, opts)
		if err != nil {
			return err
		}
		alike, mixed = append(alike, same...), append(mixed, mix...)
	}
	return reportSerial(os.Stdout, alike, mixed, opts)
}

// measureApp measures one app: with requests that are alike, and short ones between
// long ones.
func measureApp(ctx context.Context, app serialApp, l load, dir string, opts options) (alike, mixed []*result, err error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, depth := range depths {
		s, err := startSerial(ctx, app, depth, filepath.Join(dir, fmt.Sprintf("%s%d", app.name, depth)), opts)
		if err != nil {
			return nil, nil, err
		}
		servers = append(servers, s)
	}
	for _, ms := range pauses {
		for _, s := range servers {
			s.url = s.base + app.path(ms)
		}
		group, err := turns(ctx, servers, opts, l, func(s *server) (sample, error) { return s.sample(ctx, l, opts.seconds) })
		if err != nil {
			return nil, nil, err
		}
		for _, r := range group {
			r.note = fmt.Sprintf("%d ms", ms)
		}
		alike = append(alike, group...)
	}
	for _, s := range servers {
		s.url = s.base + app.path(0)
	}
	for _, clients := range shorts {
		short := load{1, clients}
		group, err := turns(ctx, servers, opts, short, func(s *server) (sample, error) {
			return s.sampleAmong(ctx, s.base+app.path(longPause), short, opts.seconds)
		})
		if err != nil {
			return nil, nil, err
		}
		mixed = append(mixed, group...)
	}
	return alike, mixed, nil
}

// turns measures each server once in each turn.
func turns(ctx context.Context, servers []*server, opts options, l load, measure func(*server) (sample, error)) ([]*result, error) {
	var group []*result
	for _, s := range servers {
		if _, err := runWrk(ctx, l, 1, s.url); err != nil { // warms up
			return nil, err
		}
		group = append(group, &result{server: s.name, version: s.version, load: l})
	}
	for turn := 1; turn <= opts.turns; turn++ {
		for i, s := range servers {
			fmt.Fprintf(os.Stderr, "%s, turn %d of %d: %s\n", s.url, turn, opts.turns, s.name)
			one, err := measure(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			group[i].samples = append(group[i].samples, one)
		}
	}
	return group, nil
}

// sampleAmong measures the short requests while other clients send long ones.
func (s *server) sampleAmong(ctx context.Context, long string, l load, seconds int) (sample, error) {
	var beside sync.WaitGroup
	var failed error
	beside.Add(1)
	go func() {
		defer beside.Done()
		_, failed = runWrk(ctx, load{1, longClients}, seconds+1, long)
	}()
	one, err := s.sample(ctx, l, seconds)
	beside.Wait()
	if err == nil {
		err = failed
	}
	return one, err
}

// reportSerial prints both tables.
func reportSerial(out io.Writer, alike, mixed []*result, opts options) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s. %d workers, wrk %s, %d turns of %d s, medians.\n\n", alike[0].version, opts.workers, serialLoad, opts.turns, opts.seconds)
	text.WriteString("| worker | handler | requests/s | lowest – highest | CPU µs of ripd | p50 ms | p99 ms | failed |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range alike {
		low, high := r.rates()
		fmt.Fprintf(&text, "| %s | %s | %.0f | %.0f – %.0f | %.1f | %.2f | %.2f | %.0f |\n", r.server, r.note,
			median(r.column(rate)), low, high, median(r.column(cpu)), median(r.column(p50)), median(r.column(p99)), sum(r.column(failed)))
	}
	fmt.Fprintf(&text, "\nClients with 0 ms while %d clients ask for %d ms:\n\n", longClients, longPause)
	text.WriteString("| worker | clients | short requests/s | p50 ms | p99 ms | failed |\n| --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range mixed {
		fmt.Fprintf(&text, "| %s | %d | %.0f | %.2f | %.2f | %.0f |\n", r.server, r.load.connections, median(r.column(rate)), median(r.column(p50)), median(r.column(p99)), sum(r.column(failed)))
	}
	_, err := io.WriteString(out, text.String())
	return err
}
