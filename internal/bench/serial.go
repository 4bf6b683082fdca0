package main

import (
	"context"
	"fmt"
	"io"
	"os"
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
func startSerial(ctx context.Context, app serialApp, depth int, dir string, o options) (*server, error) {
	start := func(s *server, set setup) error {
		what := "demo"
		if app.file != "" {
			var err error
			if what, err = s.app(app.file, app.text); err != nil {
				return err
			}
		}
		s.secure = ""
		args := []string{what, fmt.Sprintf("w:%d", s.workers), fmt.Sprintf("c:%d", depth), "http:" + s.plain, "r:0", "--no-access-log", "--hot-reload=none"}
		return s.runRipd(o.ripd, args, []string{fmt.Sprintf("RIP_WORKERS_SERIAL=%v", depth > 1)})
	}
	name := fmt.Sprintf("%s c:%d", app.name, depth)
	s, err := startServer(ctx, name, filepath.Join(dir, fmt.Sprintf("%s%d", app.name, depth)), app.path(0), start, setup{workers: o.workers})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// runSerial measures all apps, handlers and depths, the depths in turns.
func runSerial(ctx context.Context, dir string, o options) error {
	l, err := parseLoad(serialLoad)
	if err != nil {
		return err
	}
	var alike, mixed []*serialResult
	for _, app := range serialApps() {
		same, mix, err := measureApp(ctx, app, l, dir, o)
		if err != nil {
			return err
		}
		alike, mixed = append(alike, same...), append(mixed, mix...)
	}
	_, err = io.WriteString(os.Stdout, reportSerial(alike, mixed, o))
	return err
}

// serialResult is the measurements of one app, depth and load.
type serialResult struct {
	result
	note  string // what the handler does
	short int    // clients with short requests, in a mix
}

// measureApp measures one app: with requests that are alike, and short ones between
// long ones.
func measureApp(ctx context.Context, app serialApp, l load, dir string, o options) (alike, mixed []*serialResult, err error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, depth := range depths {
		s, err := startSerial(ctx, app, depth, dir, o)
		if err != nil {
			return nil, nil, err
		}
		servers = append(servers, s)
	}
	for _, ms := range pauses {
		what := scenario{name: fmt.Sprintf("%d ms", ms), path: app.path(ms), load: l}
		group, err := serialTurns(ctx, servers, what, dir, o, func(s *server) (sample, error) { return s.sample(ctx, what, o, dir) })
		if err != nil {
			return nil, nil, err
		}
		alike = append(alike, group...)
	}
	for _, clients := range shorts {
		what := scenario{name: "short", path: app.path(0), load: load{1, clients}}
		group, err := serialTurns(ctx, servers, what, dir, o, func(s *server) (sample, error) {
			return s.sampleAmong(ctx, app.path(longPause), what, dir, o)
		})
		if err != nil {
			return nil, nil, err
		}
		mixed = append(mixed, group...)
	}
	return alike, mixed, nil
}

// serialTurns measures each server once in each turn.
func serialTurns(ctx context.Context, servers []*server, what scenario, dir string, o options, measure func(*server) (sample, error)) ([]*serialResult, error) {
	var group []*serialResult
	for _, s := range servers {
		if err := s.prepare(ctx, what, dir); err != nil { // warms up
			return nil, err
		}
		group = append(group, &serialResult{result: result{Server: s.name, Version: s.version}, note: what.name, short: what.load.Connections})
	}
	for turn := 1; turn <= o.turns; turn++ {
		for i, s := range servers {
			fmt.Fprintf(os.Stderr, "%s, turn %d of %d: %s\n", what.path, turn, o.turns, s.name)
			wait(ctx, settle)
			one, err := measure(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			group[i].Samples = append(group[i].Samples, one)
		}
	}
	return group, nil
}

// sampleAmong measures the short requests while other clients send long ones.
func (s *server) sampleAmong(ctx context.Context, long string, what scenario, dir string, o options) (sample, error) {
	beside := filepath.Join(dir, "beside")
	if err := os.MkdirAll(beside, 0o700); err != nil {
		return sample{}, err
	}
	var group sync.WaitGroup
	var failed error
	group.Go(func() {
		_, failed = wrkCall{load: load{1, longClients}, dir: beside}.run(ctx, what.length(o)+1, "http://"+s.plain+long)
	})
	one, err := s.sample(ctx, what, o, dir)
	group.Wait()
	if err == nil {
		err = failed
	}
	return one, err
}

// reportSerial gives both tables.
func reportSerial(alike, mixed []*serialResult, opts options) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s. %d workers, wrk %s, %d turns of %d s, medians.\n\n", alike[0].Version, opts.workers, serialLoad, opts.turns, opts.seconds)
	text.WriteString("| worker | handler | requests/s | lowest – highest | CPU µs of ripd | p50 ms | p99 ms | failed |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range alike {
		rates := spreadOf(r.column(rate))
		fmt.Fprintf(&text, "| %s | %s | %.0f | %.0f – %.0f | %.1f | %.2f | %.2f | %.0f |\n", r.Server, r.note,
			rates.middle, rates.low, rates.high, r.middle(cpu), r.middle(p50), r.middle(p99), sum(r.column(failed)))
	}
	fmt.Fprintf(&text, "\nClients with 0 ms while %d clients ask for %d ms:\n\n", longClients, longPause)
	text.WriteString("| worker | clients | short requests/s | p50 ms | p99 ms | failed |\n| --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, r := range mixed {
		fmt.Fprintf(&text, "| %s | %d | %.0f | %.2f | %.2f | %.0f |\n", r.Server, r.short, r.middle(rate), r.middle(p50), r.middle(p99), sum(r.column(failed)))
	}
	return text.String()
}
