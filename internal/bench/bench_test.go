package main

import (
	"os"
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

const wrkOutput = `Running 4s test @ http://127.0.0.1:40313/ping
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.33ms  638.57us  14.06ms   79.94%
    Req/Sec    24.35k     2.06k   28.61k    67.50%
  Latency Distribution
     50%  978.00us
     75%    1.60ms
     90%    2.06ms
     99%    3.36ms
  194065 requests in 4.01s, 28.51MB read
`

func TestParseWrk(t *testing.T) {
	const end = "Requests/sec:  48381.05\nTransfer/sec:      7.11MB\n"
	for _, c := range []struct {
		name, more string
		failed     int
	}{
		{"good", "", 0},
		{"socket errors", "  Socket errors: connect 1, read 2, write 3, timeout 4\n", 10},
		{"bad answers", "  Non-2xx or 3xx responses: 32\n", 32},
		{"both", "  Socket errors: connect 0, read 2, write 0, timeout 0\n  Non-2xx or 3xx responses: 5\n", 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseWrk(wrkOutput + c.more + end)
			want := wrkResult{requests: 194065, perSecond: 48381.05, p50: 978 * time.Microsecond, p99: 3360 * time.Microsecond, failed: c.failed}
			if err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if _, err := parseWrk("unable to connect"); err == nil {
		t.Error("no error for other output")
	}
}

func TestParseLoad(t *testing.T) {
	if l, err := parseLoad("8x512"); err != nil || l.String() != "-t8 -c512" {
		t.Errorf("%v, %v", l, err)
	}
	for _, text := range []string{"", "8", "0x4", "8x4", "axb"} {
		if _, err := parseLoad(text); err == nil {
			t.Errorf("%q is no load", text)
		}
	}
}

func TestParseStat(t *testing.T) {
	stat := "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 100 12345 42 18446744073709551615 1 1"
	got, err := parseStat([]byte(stat))
	want := process{pid: 4711, parent: 1, usage: usage{cpu: 2 * time.Second, resident: 42 * int64(os.Getpagesize())}}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x", "1 (x) S 1"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestTreeLeavesWorkersOut(t *testing.T) {
	node := func(pid int, cpu time.Duration) process {
		return process{pid: pid, usage: usage{cpu: cpu, resident: 1}}
	}
	children := map[int][]process{1: {node(2, 10), node(3, 100)}, 2: {node(4, 1000)}, 3: {node(5, 10000)}}
	got := sumTree(node(1, 1), children, func(pid int) bool { return pid == 3 })
	if want := (usage{cpu: 1011, resident: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if own, err := treeUsage(os.Getpid(), isWorker); err != nil || own.resident == 0 {
		t.Errorf("this process: %+v, %v", own, err)
	}
}

func TestReport(t *testing.T) {
	l := load{2, 64}
	one := func(server string, perSecond, cpu float64) *result {
		r := &result{server: server, version: server + " 1", load: l}
		for _, by := range []float64{0.9, 1, 1.2} {
			r.samples = append(r.samples, sample{wrkResult{perSecond: perSecond * by, p50: time.Millisecond, p99: 2 * time.Millisecond, failed: 1}, cpu, 10 << 20})
		}
		return r
	}
	var out strings.Builder
	err := report(&out, []*result{one("ripd", 1000, 15), one("nginx", 2000, 20)}, options{turns: 3, seconds: 4, workers: 4, worker: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| -t2 -c64 | ripd | 1000 | 900 – 1200 | 15.0 | 1.00 | 2.00 | 3 | 10 |\n",
		"| -t2 -c64 | ripd / nginx | 0.50 | 0.75 | 1.00 | 1.00 |\n",
		"nginx: nginx 1\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestReportSerial(t *testing.T) {
	one := &result{server: "demo c:2", version: "ripd 1", note: "20 ms", load: load{1, 8}}
	for _, by := range []float64{0.9, 1, 1.2} {
		one.samples = append(one.samples, sample{wrkResult{perSecond: 200 * by, p50: 300 * time.Millisecond, p99: 400 * time.Millisecond}, 40, 1})
	}
	var out strings.Builder
	if err := reportSerial(&out, []*result{one}, []*result{one}, options{turns: 3, seconds: 4, workers: 4}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ripd 1. 4 workers, wrk 2x64, 3 turns of 4 s, medians.\n",
		"| demo c:2 | 20 ms | 200 | 180 – 240 | 40.0 | 300.00 | 400.00 | 0 |\n",
		"| demo c:2 | 8 | 200 | 300.00 | 400.00 | 0 |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, app := range serialApps() {
		if app.path(20) == app.path(0) {
			t.Errorf("%s has one handler", app.name)
		}
	}
}
