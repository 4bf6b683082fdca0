// Command bench measures ripd beside other servers: the same number of the same
// workers on unix sockets, the same load, all in one run and in turns (ripd,
// nginx, HAProxy, ripd, …), so that what else the machine does meets all of them.
// It prints tables in Markdown, and with -write puts them and charts into a page.
//
// nginx runs as `proxy_pass` with upstream keep-alive and two worker processes:
// it has no queue, and gives a worker as many requests at once as come; Caddy and
// Go's ReverseProxy likewise. HAProxy is the like-for-like peer: `maxconn 1` for
// each worker, its queue, one thread. Then come files, and apps in Ruby
// and in JavaScript.
//
// With -serial it measures ripd alone: what it brings to give a worker more than one
// request when it runs them one after the other (serial.go). With -stages it runs
// Go's benchmarks of the parts of ripd (stages.go), and with -profile it loads a
// ripd that writes a profile of itself (profile.go).
//
// All sockets are on 127.0.0.1 or in a temporary folder, and all processes end
// with the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settle is the pause between two turns, in which the last one's connections
// are closed.
const settle = 100 * time.Millisecond

// options are the command's flags.
type options struct {
	turns   int
	seconds int
	workers int
	groups  []group
	loads   []string // of -scenarios
	ripd    string   // path of its binary
	ripdB   string   // of another one
	write   string   // page to put the tables into; "" prints them
	resume  string   // file that keeps what was measured; "" keeps nothing
	serial  bool
	stages  bool
	profile bool
}

func main() {
	// Children die with the thread that started them (startChild): it has to be
	// one that lasts.
	runtime.LockOSThread()
	if len(os.Args) > 2 && (os.Args[1] == workerArg || os.Args[1] == goProxyArg) {
		err := fmt.Errorf("%d arguments are not one", len(os.Args)-2)
		if os.Args[1] == goProxyArg {
			err = serveGoProxy(os.Args[2:])
		} else if len(os.Args) == 3 {
			err = serveFast(os.Args[2])
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	opts, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.turns, "turns", 5, "measurements of each server at each load")
	flags.IntVar(&o.seconds, "seconds", 1, "length of one measurement; that of the main loads is twice as long")
	flags.IntVar(&o.workers, "workers", 4, "workers behind each server, where the group does not say it")
	quick := flags.Bool("quick", false, "one turn, to see whether all of it runs")
	scenarios := flags.String("scenarios", "", "names of loads and of groups of them, with commas; all without it")
	servers := flags.String("servers", "", "of each group's servers only these; also ripd-log (with its access log), ripd-inherit (workers.scheduling), ripd-c8 (up to 8 requests at a time in a worker), ripd-b, ripd-rack-b (see -ripd-b), ripd-rack-serial (c:2) and nginx-cache (files that stay open)")
	loads := flags.String("loads", "", "instead of scenarios: /ping with these of wrk's THREADSxCONNECTIONS, such as 2x64,8x512")
	flags.StringVar(&o.ripd, "ripd", "bin/ripd", "ripd's binary")
	flags.StringVar(&o.ripdB, "ripd-b", "", "another binary of ripd, the servers ripd-b and ripd-rack-b")
	flags.StringVar(&o.write, "write", "", "put tables and charts into this page, between its markers")
	flags.StringVar(&o.resume, "resume", "", "keep what was measured in this file, and measure only what is not in it")
	flags.BoolVar(&together, "together", false, "all but ripd's workers in one session, instead of one for each program")
	flags.BoolVar(&o.serial, "serial", false, "ripd alone: one, two and three requests given to a worker that runs one at a time")
	flags.BoolVar(&o.stages, "stages", false, "Go's benchmarks of ripd's parts, and of the contention for its lock")
	flags.BoolVar(&o.profile, "profile", false, "load a ripd that was built with the tag profile and $RIPD_CPUPROFILE, with -scenarios of the first group or with what servers do most, then end it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.turns < 1 || o.seconds < 1 || o.workers < 1 || flags.NArg() > 0 {
		return o, fmt.Errorf("turns, seconds and workers are at least 1, and there are no arguments but flags")
	}
	if *quick {
		o.turns = 1
	}
	all := groups()
	if *loads != "" {
		own, err := ownLoads(*loads, all[0])
		if err != nil {
			return o, err
		}
		all = []group{own}
	}
	var err error
	o.loads = list(*scenarios)
	if o.groups, err = choose(all, o.loads, list(*servers)); err != nil {
		return o, err
	}
	for _, path := range []*string{&o.ripd, &o.ripdB} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// ownLoads is the group of -loads.
func ownLoads(text string, like group) (group, error) {
	like.scenarios = nil
	like.servers = []string{"ripd", "nginx", "haproxy"}
	for one := range strings.SplitSeq(text, ",") {
		l, err := parseLoad(one)
		if err != nil {
			return like, err
		}
		like.scenarios = append(like.scenarios, scenario{name: one, title: "`" + l.String() + "`", path: "/ping", load: l})
	}
	return like, nil
}

// run does what the flags say.
func run(ctx context.Context, o options) error {
	if o.stages {
		return runStages(ctx, o)
	}
	for _, program := range []string{"wrk", "h2load"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; `make bench` installs what it needs", err)
		}
	}
	// Daemons among the servers become this program's children, so that it can end them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("subreaper: %w", err)
	}
	dir, err := os.MkdirTemp("/tmp", "ripd-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer endAdopted()
	switch {
	case o.serial:
		return runSerial(ctx, dir, o)
	case o.profile:
		return runProfile(ctx, dir, o)
	}
	return runAll(ctx, dir, o)
}

// runAll measures all groups, then reports.
func runAll(ctx context.Context, dir string, o options) error {
	kept, err := openStore(o.resume)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "about %v\n", duration(o, kept).Round(time.Minute/2))
	certificate := filepath.Join(dir, "certificate.pem")
	if err := writeCertificate(certificate); err != nil {
		return err
	}
	for _, g := range o.groups {
		if err := g.measure(ctx, dir, certificate, kept, o); err != nil {
			return err
		}
	}
	results := kept.of(o.groups)
	if o.write != "" {
		return writePage(o.write, results, o)
	}
	_, err = io.WriteString(os.Stdout, report(results, o))
	return err
}

// duration is about how long a run takes.
func duration(o options, kept *store) time.Duration {
	var total time.Duration
	for _, g := range o.groups {
		for _, what := range g.scenarios {
			if kept.has(g, what, o) {
				continue
			}
			each := time.Duration(what.length(o))*time.Second + settle
			if what.part > 0 {
				each += paceLead
			}
			total += time.Duration(o.turns*len(g.servers)) * each
		}
		if g.scenarios[0].part > 0 {
			total += time.Duration(len(g.servers)) * (alwaysTimes*alwaysTakes + aloneTakes)
		}
		total += time.Duration(len(g.servers)) * 2 * time.Second // they start and are warmed up
	}
	return total
}

// measure starts the group's servers and measures those scenarios that are not
// kept. A server that cannot be measured is told in the results with the reason.
func (g group) measure(ctx context.Context, dir, certificate string, kept *store, o options) error {
	var open []scenario
	for _, what := range g.scenarios {
		if !kept.has(g, what, o) {
			open = append(open, what)
		}
	}
	if len(open) == 0 {
		return nil
	}
	setup := setup{workers: o.workers, certificate: certificate, ripd: o.ripd, ripdB: o.ripdB, slow: open[0].part > 0}
	if g.workers > 0 {
		setup.workers = g.workers
	}
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	faults := map[string]error{}
	for _, name := range g.servers {
		fmt.Fprintf(os.Stderr, "%s: starting %s\n", g.name, name)
		s, err := startServer(ctx, name, filepath.Join(dir, g.name+"-"+name), open[0].path, g.known[name], setup)
		if err == nil {
			servers = append(servers, s)
			err = s.prepare(ctx, open[0], dir)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			faults[name] = err
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		}
	}
	for _, what := range open {
		results, err := g.turns(ctx, servers, what, faults, dir, o)
		if err != nil {
			return err
		}
		if err := kept.add(results); err != nil {
			return err
		}
	}
	return nil
}

// turns measures each server once in each turn.
func (g group) turns(ctx context.Context, servers []*server, what scenario, faults map[string]error, dir string, o options) ([]*result, error) {
	var results []*result
	byName := map[string]*result{}
	for _, name := range g.servers {
		r := &result{Group: g.name, Scenario: what.name, Server: name, Seconds: what.length(o)}
		if err := faults[name]; err != nil {
			r.Fault = firstLine(err.Error())
		}
		byName[name] = r
		results = append(results, r)
	}
	for turn := 1; turn <= o.turns; turn++ {
		for _, s := range servers {
			r := byName[s.name]
			if r.Version = s.version; r.Fault != "" {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s, turn %d of %d: %s\n", what.name, turn, o.turns, s.name)
			wait(ctx, settle)
			one, err := s.sample(ctx, what, o, dir)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", s.name, err)
				r.Fault = firstLine(err.Error())
				continue
			}
			r.Samples = append(r.Samples, one)
		}
	}
	return results, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
