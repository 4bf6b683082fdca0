package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func sample() *Metrics {
	return New(Options{App: "shop", Version: "1.2.3", Snapshot: func() Gauges {
		return Gauges{
			QueueLength: 3, QueueSize: 512, OldestWait: 250 * time.Millisecond,
			Workers: map[string]int{"ready": 3, "starting": 1}, WorkersBusy: 2, Leases: 17,
			Uses:        []Use{{Worker: 2, Memory: 4096, CPU: 1500 * time.Millisecond}},
			Connections: map[string]int{"active": 5, "idle": 7}, LogDropped: 11,
		}
	}})
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != 200 {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func TestCounts(t *testing.T) {
	m := sample()
	m.Done(200, 2*time.Millisecond, 12*time.Millisecond, 10, 2000)
	m.Done(200, 0, 50*time.Microsecond, 0, 4)
	m.Done(404, -1, time.Millisecond, 0, 0)
	m.Done(0, 6*time.Second, 6*time.Second, 0, 0)
	m.Done(599, -1, 2*time.Minute, -5, -5)
	m.Done(1000, -1, 0, 0, 0)
	m.Rejected("queue-full")
	m.Rejected("queue-full")
	m.Retried("connect-failed")
	m.Respawned("exited")
	m.Rolled("rolled_back")
	text := scrape(t, m)
	for _, want := range []string{
		`ripd_requests_total{app="shop",class="2xx"} 2`,
		`ripd_requests_total{app="shop",class="4xx"} 1`,
		`ripd_requests_total{app="shop",class="5xx"} 1`,
		`ripd_requests_total{app="shop",class="1xx"} 0`,
		`ripd_requests_total{app="shop",class="none"} 2`,
		`ripd_request_seconds_count{app="shop"} 6`,
		`ripd_request_seconds_bucket{app="shop",le="0.0001"} 2`,
		`ripd_request_seconds_bucket{app="shop",le="60.0"} 5`,
		`ripd_queue_wait_seconds_count{app="shop"} 3`,
		`ripd_queue_wait_seconds_bucket{app="shop",le="5.0"} 2`,
		`ripd_bytes_total{app="shop",direction="in"} 10`,
		`ripd_bytes_total{app="shop",direction="out"} 2004`,
		`ripd_rejected_total{app="shop",cause="queue-full"} 2`,
		`ripd_rejected_total{app="shop",cause="no-worker"} 0`,
		`ripd_retries_total{app="shop",cause="connect-failed"} 1`,
		`ripd_respawns_total{app="shop",cause="exited"} 1`,
		`ripd_rolls_total{app="shop",verdict="rolled_back"} 1`,
		`ripd_queue_length{app="shop"} 3`,
		`ripd_queue_size{app="shop"} 512`,
		`ripd_queue_oldest_wait_seconds{app="shop"} 0.25`,
		`ripd_workers{app="shop",state="ready"} 3`,
		`ripd_workers{app="shop",state="retiring"} 0`,
		`ripd_workers_busy{app="shop"} 2`,
		`ripd_leases_total{app="shop"} 17`,
		`ripd_worker_memory_bytes{app="shop",worker="2"} 4096`,
		`ripd_worker_cpu_seconds_total{app="shop",worker="2"} 1.5`,
		`ripd_connections{app="shop",state="idle"} 7`,
		`ripd_log_dropped_total{app="shop"} 11`,
		`ripd_build_info{app="shop",go_version="`,
	} {
		// le="60.0" is written le="60" in the text format of 0.0.4.
		if !strings.Contains(text, want) && !strings.Contains(text, strings.Replace(want, `.0"`, `"`, 1)) {
			t.Errorf("no %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestHistogramBuckets(t *testing.T) {
	h := newHistogram(prometheus.NewRegistry(), "test_seconds", "A test.")
	sum := time.Duration(0)
	for i, bound := range bounds {
		h.observe(bound)
		h.observe(bound + 1)
		sum += 2 * bound
		if i > 0 && bound <= bounds[i-1] {
			t.Errorf("bound %d is not above the one before", i)
		}
	}
	h.observe(-1)
	for i := range h.buckets {
		want := uint64(2)
		if i == numBuckets {
			want = 1
		}
		if got := h.buckets[i].Load(); got != want {
			t.Errorf("bucket %d holds %d", i, got)
		}
	}
	if got := h.sum.Load(); got != sum.Microseconds() {
		t.Errorf("sum %d µs, not %v", got, sum)
	}
}

func TestLint(t *testing.T) {
	m := sample()
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// ours returns the names of ripd's own metrics, with type and labels.
func ours(t *testing.T) []string {
	t.Helper()
	families, err := sample().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "ripd_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			if l.GetName() != "app" {
				labels = append(labels, l.GetName())
			}
		}
		names = append(names, strings.TrimSpace(fmt.Sprintf("%s %s %s", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ","))))
	}
	sort.Strings(names)
	return names
}

// The names are what dashboards and alerts are built on: they change on purpose only.
func TestNames(t *testing.T) {
	golden, err := os.ReadFile("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ours(t), "\n") + "\n"; got != string(golden) {
		t.Errorf("testdata/names.txt does not hold:\n%s", got)
	}
}

func TestEachMetricIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range ours(t) {
		parts := strings.Split(line, " ")
		row := "| `" + parts[0] + "` | " + parts[1] + " |"
		if len(parts) > 2 {
			row += " `" + strings.ReplaceAll(parts[2], ",", "`, `") + "` |"
		} else {
			row += " |"
		}
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/logging.md lacks a row that starts with %s", row)
		}
	}
	for _, list := range [][]string{knownRejections(), knownRetries(), knownRespawns(), knownVerdicts(), knownHandshakeFailures(), workerStates(), connectionStates(), classes[:]} {
		for _, value := range list {
			if !strings.Contains(string(doc), "`"+value+"`") {
				t.Errorf("docs/logging.md does not explain the value %s", value)
			}
		}
	}
}

// One snapshot a scrape, so that its numbers belong together.
func TestOneSnapshotForEachScrape(t *testing.T) {
	calls := 0
	m := New(Options{App: "shop", Snapshot: func() Gauges { calls++; return Gauges{} }})
	for i := 1; i <= 3; i++ {
		scrape(t, m)
		if calls != i {
			t.Fatalf("%d snapshots for %d scrapes", calls, i)
		}
	}
	scrape(t, New(Options{App: "shop"}))
	scrape(t, New(Options{App: "not\xffUTF-8", Version: "\xff"}))
}

// A label's values have a bound, also when a cause is a mistake.
func TestCausesHaveABound(t *testing.T) {
	m := sample()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 200 {
				m.Rejected(fmt.Sprint("cause-", i))
				m.Rejected("queue-full")
			}
		})
	}
	m.Rejected("")
	group.Wait()
	text := scrape(t, m)
	if n := strings.Count(text, "ripd_rejected_total{"); n != maxCauses+1 {
		t.Errorf("%d values", n)
	}
	others := 4*200 - 4*(maxCauses-len(knownRejections())) + 1
	for _, want := range []string{fmt.Sprintf(`cause="other"} %d`, others), `cause="queue-full"} 800`, `cause="cause-0"} 4`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
}

func TestNil(t *testing.T) {
	var m *Metrics
	m.Done(200, 0, 0, 1, 1)
	m.Rejected("x")
	m.Retried("x")
	m.Respawned("x")
	m.Rolled("x")
}

func TestHotPathAllocatesNothing(t *testing.T) {
	m := sample()
	if n := testing.AllocsPerRun(1000, func() {
		m.Done(200, time.Millisecond, time.Millisecond, 10, 10)
		m.Rejected("queue-full")
		m.Retried("connect-failed")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDone(b *testing.B) {
	m := sample()
	b.ReportAllocs()
	for b.Loop() {
		m.Done(200, 120*time.Microsecond, 1300*time.Microsecond, 10, 2000)
	}
}

func BenchmarkDoneParallel(b *testing.B) {
	m := sample()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Done(200, 120*time.Microsecond, 1300*time.Microsecond, 10, 2000)
		}
	})
}

func BenchmarkRejected(b *testing.B) {
	m := sample()
	b.ReportAllocs()
	for b.Loop() {
		m.Rejected("queue-full")
	}
}
