package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// titles are the servers' names in tables and charts.
var titles = map[string]string{
	"nginx-cache": "nginx, open_file_cache", "haproxy": "HAProxy", "caddy": "Caddy", "goproxy": "Go ReverseProxy",
	"ripd-rack": "ripd, rack", "ripd-rack-b": "ripd-b, rack", "ripd-rack-serial": "ripd, rack c:2 serial", "nginx-unicorn": "nginx + unicorn", "nginx-puma": "nginx + Puma",
	"puma": "Puma", "passenger": "Passenger",
	"ripd-node": "ripd, node", "ripd-node-64": "ripd, node c:64", "ripd-bun": "ripd, bun", "ripd-bun-64": "ripd, bun c:64",
	"node-cluster": "node cluster", "nginx-node": "nginx + node",
}

func titleOf(server string) string {
	if title := titles[server]; title != "" {
		return title
	}
	return server
}

// report gives all tables in Markdown.
func report(chapters []chapter, o options) string {
	var text strings.Builder
	text.WriteString(heading(chapters, o))
	for _, c := range chapters {
		fmt.Fprintf(&text, "\n### %s\n\n", c.title)
		switch workers := c.group.workers; {
		case c.name == staticGroup:
			text.WriteString("No worker takes part.\n\n")
		case workers > 0:
			fmt.Fprintf(&text, "%d workers.\n\n", workers)
		default:
			fmt.Fprintf(&text, "%d workers.\n\n", o.workers)
		}
		switch {
		case c.scenarios[0].part > 0:
			text.WriteString(pacedTable(c))
		case c.apps():
			text.WriteString(figures(c, true))
		default:
			text.WriteString(figures(c, false))
		}
		text.WriteString(faults(c))
		if table := ratios(c); table != "" {
			text.WriteString("\n" + table)
		}
	}
	return text.String()
}

// heading says where, when and of what the figures are.
func heading(chapters []chapter, o options) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Made on %s: %s, %d CPUs for all of it, the clients included. %d turns of %d s (the main loads: %d s), medians.\n\n",
		time.Now().Format("2 January 2006"), machine(), runtime.NumCPU(), o.turns, o.seconds, 2*o.seconds)
	var versions []string
	for _, c := range chapters {
		for _, load := range c.loads {
			for _, r := range load.results {
				for version := range strings.SplitSeq(r.Version, ", ") {
					if version != "" && !slices.Contains(versions, version) {
						versions = append(versions, version)
					}
				}
			}
		}
	}
	return text.String() + "Versions: " + strings.Join(versions, ", ") + ".\n"
}

// machine describes this machine.
func machine() string {
	var name unix.Utsname
	kernel := "Linux"
	if unix.Uname(&name) == nil {
		release := unix.ByteSliceToString(name.Release[:])
		kernel = "Linux " + strings.SplitN(release, "-", 2)[0]
	}
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.Join(strings.Fields(value), " ")
				break
			}
		}
	}
	var info unix.Sysinfo_t
	memory := ""
	if unix.Sysinfo(&info) == nil {
		memory = fmt.Sprintf(", %d GB of memory", (info.Totalram*uint64(info.Unit)+(1<<29))>>30)
	}
	return fmt.Sprintf("%s, %s%s, %s", kernel, model, memory, runtime.Version())
}

// figures is the table of a group that wrk loads. With apps it has the CPU time of
// the workers, too: there a balancer may do what another one leaves to its workers.
func figures(c chapter, apps bool) string {
	var text strings.Builder
	extra, line := "", ""
	if apps {
		extra, line = " with the workers |", " ---: |"
	}
	text.WriteString("| load | server | requests/s | lowest – highest | CPU µs a request |" + extra + " p50 ms | p99 ms | p99.9 ms | max ms | failed | MB |\n")
	text.WriteString("| --- | --- | ---: | ---: | ---: |" + line + " ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, load := range c.loads {
		for _, r := range load.results {
			if len(r.Samples) == 0 {
				continue
			}
			rates := spreadOf(r.column(rate))
			fmt.Fprintf(&text, "| %s | %s | %s | %s – %s | %s |", load.title, titleOf(r.Server), thousands(rates.middle), thousands(rates.low), thousands(rates.high), orNone("%.1f", r.middle(cpu)))
			if apps {
				fmt.Fprintf(&text, " %.0f |", r.middle(whole))
			}
			fmt.Fprintf(&text, " %.2f | %.2f | %.2f | %.1f | %.0f | %s |\n", r.middle(p50), r.middle(p99), r.middle(p999), r.middle(most), sum(r.column(failed)), orNone("%.0f", r.middle(memory)))
		}
	}
	return text.String()
}

// pacedTable is the table of loads at a constant rate.
func pacedTable(c chapter) string {
	var text strings.Builder
	text.WriteString("| load | server | capacity | goodput | added to p50, ms | p50 ms | p99 ms | p99.9 ms | max ms | CPU µs a request | refused | p50 of a refusal, ms | unanswered | failed | MB |\n")
	text.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, load := range c.loads {
		for _, r := range load.results {
			if len(r.Samples) == 0 {
				continue
			}
			percent := func(of func(sample) float64) string { return fmt.Sprintf("%.1f %%", 100*r.middle(of)) }
			fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %.2f | %.2f | %.2f | %.1f | %.1f | %s | %s | %s | %.0f | %.0f |\n",
				load.title, titleOf(r.Server), thousands(r.middle(func(s sample) float64 { return s.Capacity })),
				percent(func(s sample) float64 { return s.Goodput }), added(load.scenario, r),
				r.middle(p50), r.middle(p99), r.middle(p999), r.middle(most), r.middle(cpu),
				percent(func(s sample) float64 { return s.Refused }), orNone("%.2f", r.middle(func(s sample) float64 { return millis(s.Refusal) })),
				percent(func(s sample) float64 { return s.Waiting }), sum(r.column(failed)), r.middle(memory))
		}
	}
	return text.String()
}

// added is what waiting adds to half of the requests. Beyond the capacity it is what
// the queue's length, or the patience of the clients, makes of it.
func added(what scenario, r *result) string {
	if what.part > 1 {
		return "–"
	}
	return fmt.Sprintf("%.2f", r.middle(func(s sample) float64 { return millis(s.Added) }))
}

// faults tells of servers that could not be measured, each reason once.
func faults(c chapter) string {
	var text strings.Builder
	said := map[string]bool{}
	for _, load := range c.loads {
		for _, r := range load.results {
			line := fmt.Sprintf("%s at %s: %s", titleOf(r.Server), load.title, r.Fault)
			if len(r.Samples) == 0 {
				line = fmt.Sprintf("%s: %s", titleOf(r.Server), r.Fault)
			}
			if r.Fault != "" && !said[line] {
				said[line] = true
				fmt.Fprintf(&text, "\nNot measured: %s.\n", line)
			}
		}
	}
	return text.String()
}

// ratios sets each ripd beside each other server of the same load: each turn beside
// the same turn.
func ratios(c chapter) string {
	var text strings.Builder
	of, what := cpu, "CPU a request"
	if c.apps() {
		of, what = whole, "CPU a request, with the workers"
	}
	for _, load := range c.loads {
		for _, pair := range pairs(load.results) {
			a, b := pair[0], pair[1]
			fmt.Fprintf(&text, "| %s | %s / %s | %v | %v | %v |\n", load.title, titleOf(a.Server), titleOf(b.Server), ratio(a, b, rate), ratio(a, b, of), ratio(a, b, p99))
		}
	}
	if text.Len() == 0 {
		return ""
	}
	return "| load | ratio | requests/s | " + what + " | p99 |\n| --- | --- | ---: | ---: | ---: |\n" + text.String()
}

// apart are servers that the ratios leave out: what ripd is compared with are the
// two that people put before workers, and each way of serving an app.
var apart = []string{"caddy", "goproxy"}

func pairs(results []*result) [][2]*result {
	var all [][2]*result
	for _, a := range results {
		for _, b := range results {
			first := strings.HasPrefix(a.Server, "ripd")
			other := !slices.Contains(apart, b.Server) && !strings.HasPrefix(b.Server, "ripd") || b.Server == a.Server+"-b"
			if first && !strings.HasSuffix(a.Server, "-b") && other && len(a.Samples) > 0 && len(b.Samples) > 0 {
				all = append(all, [2]*result{a, b})
			}
		}
	}
	return all
}

// spreadOf is the median of values with their ends.
func spreadOf(values []float64) spread {
	s := spread{middle: median(values)}
	for i, v := range values {
		if i == 0 || v < s.low {
			s.low = v
		}
		s.high = max(s.high, v)
	}
	return s
}

// orNone writes a figure, or that there is none.
func orNone(format string, value float64) string {
	if value == 0 {
		return "–"
	}
	return fmt.Sprintf(format, value)
}

// thousands writes a whole number with commas.
func thousands(value float64) string {
	text := strconv.FormatFloat(value, 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
