package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, not %v", c.values, got, c.want)
		}
	}
}

// measured is a result with three turns.
func measured(group, scenario, server string, perSecond ...float64) *result {
	r := &result{Group: group, Scenario: scenario, Server: server, Version: server + " 1", Seconds: 1}
	for _, n := range perSecond {
		r.Samples = append(r.Samples, sample{
			wrkResult: wrkResult{PerSecond: n, P50: time.Millisecond, P99: 2 * time.Millisecond, P999: 3 * time.Millisecond, Max: 4 * time.Millisecond, Failed: 1},
			CPUMicros: 15, WholeMicros: 30, Memory: 10 << 20,
			Capacity: 1000, Goodput: 0.985, Refused: 0.25, Refusal: 500 * time.Microsecond, Waiting: 0.1, Added: 150 * time.Microsecond,
		})
	}
	return r
}

func chaptersOf(t *testing.T, scenarios string, results ...*result) ([]chapter, options) {
	t.Helper()
	o := options{turns: 3, seconds: 1, workers: 4}
	var err error
	if o.groups, err = choose(groups(), list(scenarios), nil); err != nil {
		t.Fatal(err)
	}
	return (&store{results: results}).of(o.groups), o
}

func TestReport(t *testing.T) {
	chapters, o := chaptersOf(t, "c64,ruby-c1,ms1-90,ms1-150",
		measured("fast", "c64", "ripd", 900, 2000, 1200), measured("fast", "c64", "nginx", 1000, 1000, 1000), measured("fast", "c64", "caddy", 1, 1, 1),
		measured("ruby", "ruby-c1", "ripd-rack", 300, 300, 300), measured("ruby", "ruby-c1", "puma", 100, 100, 100),
		measured("ms1", "ms1-90", "ripd", 900, 900, 900), measured("ms1", "ms1-150", "ripd", 900, 900, 900))
	text := report(chapters, o)
	for _, want := range []string{
		"| `-t2 -c64` | ripd | 1,200 | 900 – 2,000 | 15.0 | 1.00 | 2.00 | 3.00 | 4.0 | 3 | 10 |\n",
		"| `-t2 -c64` | ripd / nginx | 1.20 (0.90 – 2.00) | 1.00 (1.00 – 1.00) | 1.00 (1.00 – 1.00) |\n",
		"| one connection | ripd, rack | 300 | 300 – 300 | 15.0 | 30 | 1.00 |",
		"| one connection | ripd, rack / Puma | 3.00 (3.00 – 3.00) |",
		"| 1 ms, 90 % | ripd | 1,000 | 98.5 % | 0.15 | 1.00 |",
		"| 1 ms, 150 % | ripd | 1,000 | 98.5 % | – | 1.00 | 2.00 | 3.00 | 4.0 | 15.0 | 25.0 % | 0.50 | 10.0 % | 3 | 10 |\n",
		"Versions: ripd 1, nginx 1, caddy 1, ripd-rack 1",
		"3 turns of 1 s",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "ripd / Caddy") {
		t.Error("Caddy is among the ratios")
	}
}

func TestPage(t *testing.T) {
	chapters, o := chaptersOf(t, "c64,ms1-90", measured("fast", "c64", "ripd", 1000), measured("fast", "c64", "nginx", 2000), measured("ms1", "ms1-90", "ripd", 900))
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := writePage(page, chapters, o); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"before\n<!-- bench:begin -->\n\n![", "](page-fast.svg)", "| ripd |", "<!-- bench:end -->\nafter\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") || strings.Contains(string(text), "ms1.svg") {
		t.Errorf("what must not be there:\n%s", text)
	}
	wellFormed(t, strings.TrimSuffix(page, ".md")+"-fast.svg", "ripd", "2,000", "-t2 -c64")
	if err := replace(page, "other", "x"); err == nil {
		t.Error("no error without markers")
	}
}

// wellFormed reads a chart as XML, and wants texts in it.
func wellFormed(t *testing.T, file string, texts ...string) {
	t.Helper()
	chart, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(string(chart))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, chart)
		}
	}
	for _, want := range texts {
		if !strings.Contains(string(chart), ">"+want+"<") {
			t.Errorf("no %q in\n%s", want, chart)
		}
	}
}

func TestStoreGoesOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kept.json")
	kept, err := openStore(file)
	if err != nil {
		t.Fatal(err)
	}
	o := options{turns: 3, seconds: 1}
	g, what := group{name: "fast", servers: []string{"ripd"}}, scenario{name: "c1"}
	for _, n := range []int{2, 3} {
		if kept.has(g, what, o) {
			t.Error("it has what it lacks")
		}
		if err := kept.add([]*result{measured("fast", "c1", "ripd", make([]float64, n)...)}); err != nil {
			t.Fatal(err)
		}
	}
	again, err := openStore(file)
	if err != nil || !again.has(g, what, o) || len(again.results) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	if again.has(g, what, options{turns: 3, seconds: 2}) {
		t.Error("shorter measurements count as longer ones")
	}
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(file); err == nil {
		t.Error("no error for another file")
	}
}

func TestStages(t *testing.T) {
	const out = `goos: linux
BenchmarkRequestParse/wrk         	 2123456	       110.4 ns/op	 407.62 MB/s	       0 B/op	       0 allocs/op
BenchmarkRequestParse/wrk         	 2123456	       130.4 ns/op	 407.62 MB/s	       0 B/op	       1 allocs/op
BenchmarkContention/workers=4-8   	  345678	      1654 ns/op	       0 B/op	       0 allocs/op
PASS
`
	found := best(parseStages(out))
	want := []stage{{"RequestParse/wrk", 1, 110.4, 0}, {"Contention/workers=4", 8, 1654, 0}}
	if len(found) != 2 || found[0] != want[0] || found[1] != want[1] {
		t.Fatalf("got %+v", found)
	}
	text := stagesReport(found[:1], found[1:], options{turns: 2})
	for _, want := range []string{"| `RequestParse/wrk` | 110 | 0 |\n", "| workers | GOMAXPROCS 8 |\n", "| 4 | 1,654 |\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestReportSerial(t *testing.T) {
	one := &serialResult{result: *measured("", "", "demo c:2", 180, 200, 240), note: "20 ms", short: 8}
	text := reportSerial([]*serialResult{one}, []*serialResult{one}, options{turns: 3, seconds: 4, workers: 4})
	for _, want := range []string{
		"demo c:2 1. 4 workers, wrk 2x64, 3 turns of 4 s, medians.\n",
		"| demo c:2 | 20 ms | 200 | 180 – 240 | 15.0 | 1.00 | 2.00 | 3 |\n",
		"| demo c:2 | 8 | 200 | 1.00 | 2.00 | 3 |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, app := range serialApps() {
		if app.path(20) == app.path(0) {
			t.Errorf("%s has one handler", app.name)
		}
	}
}
