package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stageSet is one call of Go's benchmarks.
type stageSet struct {
	pkg, pattern string
	cpus         string // GOMAXPROCS, several with commas
}

var stageSets = []stageSet{
	{"./internal/http1", "^(BenchmarkRequestParse|BenchmarkRequestForward|BenchmarkResponse)$", "1"},
	{"./internal/pool", "^(BenchmarkIdleSlot|BenchmarkQueue)$", "1"},
	{"./internal/proxy", "^(BenchmarkExchange|BenchmarkExchangeUnix|BenchmarkExchangeParallel)$", "1"},
	{"./internal/pool", "^BenchmarkContention$", contentionCPUs},
}

const (
	contentionCPUs = "1,2,4,8"
	stageTime      = "200ms" // of each benchmark
)

// stage is a line of Go's benchmarks.
type stage struct {
	name   string // without "Benchmark" and the number of processors
	cpus   int
	nanos  float64
	allocs int
}

var stageLine = regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-(\d+))?\s+\d+\s+([\d.]+) ns/op.*?(\d+) allocs/op`)

// parseStages reads what `go test -bench -benchmem` prints.
func parseStages(out string) []stage {
	var all []stage
	for _, m := range stageLine.FindAllStringSubmatch(out, -1) {
		s := stage{name: m[1], cpus: 1}
		if m[2] != "" {
			s.cpus, _ = strconv.Atoi(m[2]) // the pattern has digits only
		}
		s.nanos, _ = strconv.ParseFloat(m[3], 64)
		s.allocs, _ = strconv.Atoi(m[4])
		all = append(all, s)
	}
	return all
}

// runStages runs all sets, and reports the best of the turns.
func runStages(ctx context.Context, o options) error {
	var stages, contention []stage
	for _, set := range stageSets {
		fmt.Fprintf(os.Stderr, "%s: %s\n", set.pkg, set.pattern)
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", set.pattern, "-benchmem", "-benchtime", stageTime, "-count", strconv.Itoa(o.turns), "-cpu", set.cpus, set.pkg)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", set.pkg, err, bytes.TrimSpace(out))
		}
		found := best(parseStages(string(out)))
		if len(found) == 0 {
			return fmt.Errorf("%s: no benchmark is called %s", set.pkg, set.pattern)
		}
		if set.cpus == contentionCPUs {
			contention = append(contention, found...)
		} else {
			stages = append(stages, found...)
		}
	}
	text := stagesReport(stages, contention, o)
	if o.write != "" {
		return replace(o.write, "stages", text)
	}
	_, err := os.Stdout.WriteString(text)
	return err
}

// best takes the best of each benchmark's runs: others had to share the machine.
func best(all []stage) []stage {
	var found []stage
	for _, s := range all {
		at := slices.IndexFunc(found, func(f stage) bool { return f.name == s.name && f.cpus == s.cpus })
		if at < 0 {
			found = append(found, s)
			continue
		}
		found[at].nanos = min(found[at].nanos, s.nanos)
		found[at].allocs = min(found[at].allocs, s.allocs)
	}
	return found
}

// stagesReport gives both tables.
func stagesReport(stages, contention []stage, o options) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Made on %s: %s, %d CPUs. The best of %d turns.\n\n", time.Now().Format("2 January 2006"), machine(), runtime.NumCPU(), o.turns)
	text.WriteString("| stage | ns | allocations |\n| --- | ---: | ---: |\n")
	for _, s := range stages {
		fmt.Fprintf(&text, "| `%s` | %s | %d |\n", s.name, nanos(s.nanos), s.allocs)
	}
	var cpus []int
	var names []string
	cells := map[string]map[int]float64{}
	for _, s := range contention {
		name := strings.TrimPrefix(s.name, "Contention/")
		if cells[name] == nil {
			cells[name] = map[int]float64{}
			names = append(names, name)
		}
		cells[name][s.cpus] = s.nanos
		if len(names) == 1 {
			cpus = append(cpus, s.cpus)
		}
	}
	text.WriteString("\nns for one request's way through the pool, all clients together:\n\n| workers |")
	for _, n := range cpus {
		fmt.Fprintf(&text, " GOMAXPROCS %d |", n)
	}
	text.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(cpus)) + "\n")
	for _, name := range names {
		fmt.Fprintf(&text, "| %s |", strings.TrimPrefix(name, "workers="))
		for _, n := range cpus {
			fmt.Fprintf(&text, " %s |", nanos(cells[name][n]))
		}
		text.WriteString("\n")
	}
	return text.String()
}

func nanos(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return thousands(v)
}
