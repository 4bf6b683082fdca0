// Command bench measures ripd beside nginx and HAProxy: the same number of the
// same workers on unix sockets, the same load from wrk, all in one run and in
// turns (ripd, nginx, HAProxy, ripd, …), so that what else the machine does
// meets all of them. It prints a table in Markdown.
//
// nginx runs as `proxy_pass` with upstream keep-alive and two worker processes:
// it has no queue, and gives a worker as many requests at once as come. HAProxy
// is the like-for-like peer: `maxconn 1` for each worker, its queue, one thread.
//
// With -serial it measures ripd alone: what it brings to give a worker more than one
// request when it runs them one after the other (serial.go).
//
// All sockets are on 127.0.0.1 or in a temporary folder, and all processes end
// with the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// settle is the pause between two turns, in which the last one's connections
// are closed.
const settle = 300 * time.Millisecond

// options are the command's flags.
type options struct {
	turns   int
	seconds int
	loads   []load
	servers []string
	workers int
	worker  string // fast or demo
	ripd    string // path of its binary
	serial  bool   // measure workers.serial instead of the peers
}

func main() {
	// Children die with the thread that started them (startChild): it has to be
	// one that lasts.
	runtime.LockOSThread()
	if len(os.Args) == 3 && os.Args[1] == workerArg {
		fmt.Fprintln(os.Stderr, serveFast(os.Args[2]))
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
	var opts options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&opts.turns, "turns", 5, "measurements of each server at each load")
	flags.IntVar(&opts.seconds, "seconds", 4, "length of one measurement")
	loads := flags.String("loads", "2x64,8x512", "wrk's threads x connections, several with commas")
	servers := flags.String("servers", "ripd,nginx,haproxy", "of ripd, ripd-log (with its access log), nginx, haproxy")
	flags.IntVar(&opts.workers, "workers", 4, "workers behind each server")
	flags.StringVar(&opts.worker, "worker", "fast", "fast (answers at once) or demo (ripd's demo)")
	flags.StringVar(&opts.ripd, "ripd", "bin/ripd", "ripd's binary")
	flags.BoolVar(&opts.serial, "serial", false, "ripd alone: one, two and three requests given to a worker that runs one at a time")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if opts.turns < 1 || opts.seconds < 1 || opts.workers < 1 || flags.NArg() > 0 {
		return opts, fmt.Errorf("turns, seconds and workers are at least 1, and there are no arguments but flags")
	}
	if opts.worker != "fast" && opts.worker != "demo" {
		return opts, fmt.Errorf("-worker %s: fast or demo", opts.worker)
	}
	opts.servers = strings.Split(*servers, ",")
	for text := range strings.SplitSeq(*loads, ",") {
		l, err := parseLoad(text)
		if err != nil {
			return opts, err
		}
		opts.loads = append(opts.loads, l)
	}
	var err error
	opts.ripd, err = filepath.Abs(opts.ripd)
	return opts, err
}

// run starts the servers, measures them in turns and prints the table.
func run(ctx context.Context, opts options) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return fmt.Errorf("%w; `make bench` installs what it needs", err)
	}
	if opts.serial {
		return runSerial(ctx, opts)
	}
	dir, err := os.MkdirTemp("/tmp", "ripd-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, name := range opts.servers {
		s, err := startServer(ctx, name, filepath.Join(dir, name), opts)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		servers = append(servers, s)
	}
	results, err := measure(ctx, servers, opts)
	if err != nil {
		return err
	}
	return report(os.Stdout, results, opts)
}

// measure runs all turns. The first, short one warms up and does not count.
func measure(ctx context.Context, servers []*server, opts options) ([]*result, error) {
	var results []*result
	for _, l := range opts.loads {
		group := make([]*result, len(servers))
		for i, s := range servers {
			group[i] = &result{server: s.name, version: s.version, load: l}
			if _, err := runWrk(ctx, l, 1, s.url); err != nil {
				return nil, err
			}
		}
		for turn := 1; turn <= opts.turns; turn++ {
			for i, s := range servers {
				fmt.Fprintf(os.Stderr, "%v, turn %d of %d: %s\n", l, turn, opts.turns, s.name)
				sample, err := s.sample(ctx, l, opts.seconds)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				group[i].samples = append(group[i].samples, sample)
			}
		}
		results = append(results, group...)
	}
	return results, nil
}

// sample measures the server once.
func (s *server) sample(ctx context.Context, l load, seconds int) (sample, error) {
	select {
	case <-ctx.Done():
		return sample{}, ctx.Err()
	case <-time.After(settle):
	}
	before, err := treeUsage(s.main.Process.Pid, s.leftOut)
	if err != nil {
		return sample{}, err
	}
	w, err := runWrk(ctx, l, seconds, s.url)
	if err != nil {
		return sample{}, err
	}
	after, err := treeUsage(s.main.Process.Pid, s.leftOut)
	if err != nil {
		return sample{}, err
	}
	if w.requests == 0 {
		return sample{}, errors.New("no request was answered")
	}
	return sample{
		wrkResult: w,
		cpuMicros: float64((after.cpu - before.cpu).Microseconds()) / float64(w.requests),
		resident:  after.resident,
	}, nil
}
