package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// scenario is one load, at which servers are measured in turns.
type scenario struct {
	name  string // of -scenarios
	title string // in the table
	path  string
	load  load
	body  int // bytes that are sent
	close bool
	tls   bool
	// streams is how many requests each connection has at a time, over HTTP/2; 0: HTTP/1.
	streams int
	times   int     // its measurements are so many times as long as others
	part    float64 // of the server's capacity, at a constant rate; 0: wrk, as fast as can be
}

// group is servers that are started together, and what they are measured at.
type group struct {
	name, title string
	servers     []string // that are measured without -servers
	known       map[string]starter
	workers     int // 0: as -workers says
	scenarios   []scenario
}

// apps reports whether the workers are those of real apps.
func (g group) apps() bool { return g.name == "ruby" || g.name == "node" }

const (
	kb = 1 << 10
	mb = 1 << 20
)

// Workers of the paced loads: enough for a rate that says something, few enough
// that neither the clients nor the machine are what is measured.
const (
	workers1ms  = 4
	workers20ms = 16
)

// nodeWorkers is the number of workers of the apps in JavaScript: each of them has
// a whole core for itself when it can.
const nodeWorkers = 2

var (
	many = load{8, 512}
	some = load{2, 64}
	few  = load{2, 16}
	one  = load{1, 1}
)

// groups are the whole benchmark.
func groups() []group {
	return []group{
		{name: "fast", title: "Workers that answer at once", servers: []string{"ripd", "nginx", "haproxy", "caddy", "goproxy"}, known: fronts, scenarios: []scenario{
			{name: "c512", title: "`-t8 -c512`", path: "/ping", load: many, times: 2},
			{name: "c64", title: "`-t2 -c64`", path: "/ping", load: some, times: 2},
			{name: "c1", title: "one connection", path: "/ping", load: one},
			{name: "new", title: "new connections, c64", path: "/ping", load: some, close: true},
			{name: "tls", title: "TLS kept, c64", path: "/ping", load: some, tls: true, times: 2},
			{name: "tls-new", title: "TLS new, c64", path: "/ping", load: some, tls: true, close: true},
			{name: "h2-1", title: "HTTP/2, c64 m1", path: "/ping", load: some, streams: 1, times: 2},
			{name: "h2-10", title: "HTTP/2, c16 m10", path: "/ping", load: few, streams: 10, times: 2},
			{name: "down-1k", title: "1 KB down, c64", path: bodyOf(kb), load: some},
			{name: "down-64k", title: "64 KB down, c64", path: bodyOf(64 * kb), load: some},
			{name: "down-1m", title: "1 MB down, c64", path: bodyOf(mb), load: some},
			{name: "up-1k", title: "1 KB up, c64", path: "/ping", body: kb, load: some},
			{name: "up-64k", title: "64 KB up, c64", path: "/ping", body: 64 * kb, load: some},
			{name: "up-1m", title: "1 MB up, c64", path: "/ping", body: mb, load: some},
		}},
		{name: "ms1", title: "Handlers of 1 ms", servers: []string{"ripd", "nginx", "haproxy"}, known: fronts, workers: workers1ms, scenarios: pacedAt("ms1", 1)},
		{name: "ms20", title: "Handlers of 20 ms", servers: []string{"ripd", "nginx", "haproxy"}, known: fronts, workers: workers20ms, scenarios: pacedAt("ms20", 20)},
		{name: staticGroup, title: "Files", servers: []string{"ripd", "nginx"}, known: fileServers, workers: 1, scenarios: fileLoads()},
		{name: "ruby", title: "Ruby", servers: []string{"ripd-rack", "nginx-unicorn", "nginx-puma", "puma", "passenger"}, known: rubyApps, scenarios: appLoads("ruby")},
		{name: "node", title: "Node.js and Bun", servers: []string{"ripd-node", "ripd-node-64", "ripd-bun", "ripd-bun-64", "node-cluster", "nginx-node"}, known: nodeApps, workers: nodeWorkers, scenarios: appLoads("node")},
	}
}

func bodyOf(size int) string { return fmt.Sprint(bodyPath, size) }

func pacedAt(name string, ms int) []scenario {
	var all []scenario
	for _, percent := range []int{50, 90, 150} {
		all = append(all, scenario{name: fmt.Sprintf("%s-%d", name, percent), title: fmt.Sprintf("%d ms, %d %%", ms, percent),
			path: fmt.Sprint(sleepPath, ms), part: float64(percent) / 100, times: 2})
	}
	return all
}

func appLoads(name string) []scenario {
	zero := fmt.Sprintf(askFor, 0)
	return []scenario{
		{name: name + "-c1", title: "one connection", path: zero, load: one},
		{name: name + "-c64", title: "`-t2 -c64`", path: zero, load: some},
		{name: name + "-c512", title: "`-t8 -c512`", path: zero, load: many},
		{name: name + "-1ms", title: "1 ms, c64", path: fmt.Sprintf(askFor, 1), load: some},
		{name: name + "-20ms", title: "20 ms, c64", path: fmt.Sprintf(askFor, 20), load: some},
	}
}

// choose leaves the groups with the chosen scenarios (or whole groups, by their
// names) and servers; an empty list chooses all.
func choose(all []group, scenarios, servers []string) ([]group, error) {
	var chosen []group
	used := map[string]bool{}
	for _, g := range all {
		g.scenarios = slices.DeleteFunc(slices.Clone(g.scenarios), func(s scenario) bool {
			wanted := len(scenarios) == 0 || slices.Contains(scenarios, s.name) || slices.Contains(scenarios, g.name)
			used[s.name], used[g.name] = used[s.name] || wanted, used[g.name] || wanted
			return !wanted
		})
		if len(servers) > 0 {
			g.servers = nil
			for _, name := range servers {
				if g.known[name] != nil {
					g.servers = append(g.servers, name)
					used[name] = true
				}
			}
		}
		if len(g.scenarios) > 0 && len(g.servers) > 0 {
			chosen = append(chosen, g)
		}
	}
	for _, name := range slices.Concat(scenarios, servers) {
		if !used[name] {
			return nil, fmt.Errorf("%q is no scenario, no group and no server of what was chosen; there are %s", name, strings.Join(namesOf(all), ", "))
		}
	}
	return chosen, nil
}

// namesOf lists what can be chosen.
func namesOf(all []group) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, g := range all {
		add(g.name)
		for _, s := range g.scenarios {
			add(s.name)
		}
	}
	for _, g := range all {
		for _, name := range g.servers {
			add(name)
		}
	}
	return names
}

// length is how long one measurement takes, in seconds.
func (s scenario) length(o options) int { return max(1, s.times) * o.seconds }

// Lengths of what comes before a paced load.
const (
	aloneRate   = 0.1 // of what a worker could do, for requests that meet no other one
	aloneTakes  = time.Second
	alwaysTakes = 700 * time.Millisecond
	alwaysTimes = 3 // the best counts
	alwaysEach  = 4 // clients for each worker

	// paceLead is how long a paced load goes on before it counts. At 150 % ripd's queue is
	// full, and all connections are open, after 0.3 s with handlers of 1 ms.
	paceLead = time.Second
)

// prepare warms a server up. Where the load is paced, it finds out how long a
// request takes alone, and how many the server can do.
func (s *server) prepare(ctx context.Context, what scenario, dir string) error {
	if what.part == 0 {
		_, err := wrkCall{load: some, dir: dir}.run(ctx, 1, "http://"+s.plain+what.path)
		return err
	}
	s.capacity = 0
	for range alwaysTimes {
		r, err := paced{addr: s.plain, path: what.path, clients: alwaysEach * s.workers, length: alwaysTakes}.run(ctx)
		if err != nil {
			return err
		}
		s.capacity = max(s.capacity, float64(len(r.good))/r.took.Seconds())
	}
	r, err := paced{addr: s.plain, path: what.path, rate: aloneRate * s.capacity, length: aloneTakes}.run(ctx)
	s.alone = share(r.good, 0.5)
	return err
}

// sample measures the server once.
func (s *server) sample(ctx context.Context, what scenario, o options, dir string) (sample, error) {
	if err := s.alive(); err != nil {
		return sample{}, err
	}
	own, all, err := s.usage()
	if err != nil {
		return sample{}, err
	}
	var one sample
	switch {
	case what.part > 0:
		one, err = s.samplePaced(ctx, what, o)
	case what.streams > 0:
		one.wrkResult, err = h2loadCall{what.load, what.streams, dir}.run(ctx, what.length(o), "https://"+s.secure+what.path)
	default:
		url := "http://" + s.plain + what.path
		if what.tls {
			url = "https://" + s.secure + what.path
		}
		call := wrkCall{load: what.load, body: what.body, close: what.close, dir: dir}
		one.wrkResult, err = call.run(ctx, what.length(o), url)
	}
	if err != nil {
		return sample{}, err
	}
	if one.Requests == 0 {
		return sample{}, errors.New("no request was answered")
	}
	ownAfter, allAfter, err := s.usage()
	if err != nil {
		return sample{}, err
	}
	each := func(before, after usage) float64 {
		return float64((after.cpu - before.cpu).Nanoseconds()) / 1e3 / float64(one.Requests)
	}
	one.WholeMicros = each(all, allAfter)
	if !s.noShare {
		one.CPUMicros, one.Memory = each(own, ownAfter), ownAfter.memory
	}
	return one, nil
}

// samplePaced measures at a constant rate.
func (s *server) samplePaced(ctx context.Context, what scenario, o options) (sample, error) {
	length := time.Duration(what.length(o)) * time.Second
	r, err := paced{addr: s.plain, path: what.path, rate: what.part * s.capacity, lead: paceLead, length: length}.run(ctx)
	if err != nil {
		return sample{}, err
	}
	good := len(r.good)
	one := sample{
		wrkResult: wrkResult{
			Requests: r.answers, PerSecond: float64(good) / r.took.Seconds(),
			P50: share(r.good, 0.5), P99: share(r.good, 0.99), P999: share(r.good, 0.999), Max: share(r.good, 1), Failed: r.failed,
		},
		Capacity: s.capacity,
		Added:    share(r.good, 0.5) - s.alone,
		Refused:  float64(len(r.refused)) / float64(r.sent),
		Refusal:  share(r.refused, 0.5),
	}
	one.Goodput = one.PerSecond / s.capacity
	one.Waiting = max(0, float64(r.sent-good-len(r.refused)-r.failed)/float64(r.sent))
	return one, nil
}
