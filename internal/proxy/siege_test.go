package proxy_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// siege is a server under attack. A probe asks it meanwhile, and must be answered
// every time.
type siege struct {
	*rig
	metrics *metrics.Metrics
	lines   *lines
	spool   string

	calm []time.Duration // what the probe measured, for people to read
}

// lines collects ripd's messages.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *lines) WithGroup(string) slog.Handler            { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, text)
	return nil
}

// with returns the lines that hold part.
func (l *lines) with(part string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}

// newSiege starts a server with a worker that knows /big, a body of a megabyte,
// and echoes everything else.
func newSiege(t *testing.T, configure func(*proxy.Options)) *siege {
	s := &siege{metrics: metrics.New(metrics.Options{App: "test"}), lines: &lines{}}
	before := descriptors(t)
	t.Cleanup(func() {
		if !testkit.Within(testkit.Timeout, func() bool { return descriptors(t) <= before }) {
			t.Errorf("%d descriptors, %d before", descriptors(t), before)
		}
	})
	s.rig = newRig(t, func(o *proxy.Options) {
		o.Metrics, o.Log = s.metrics, slog.New(s.lines)
		if configure != nil {
			configure(o)
		}
		s.spool = o.SpoolDir
	})
	big := ok(strings.Repeat("b", 1<<20))
	s.workerSlots(4, handler(func(req *http.Request) string {
		if req.URL.Path == "/big" {
			return big
		}
		return echo(req)
	}))
	s.calm = s.probe(200, true)
	return s
}

func descriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Error(err)
	}
	return len(entries)
}

// probe asks n times, on new connections only or on one that it keeps every second
// time, and returns how long each answer took, sorted.
func (s *siege) probe(n int, keeps bool) (took []time.Duration) {
	s.t.Helper()
	kept := s.dial()
	defer kept.Close()
	for i := range n {
		begin := time.Now()
		c, isNew := kept, !keeps || i%2 == 1
		if isNew {
			c = s.dial()
		}
		c.get("/probe", 200, "GET /probe")
		took = append(took, time.Since(begin))
		if isNew {
			c.Close()
		}
	}
	slices.Sort(took)
	return took
}

// attacked probes, and logs both times.
func (s *siege) attacked(n int) { s.t.Helper(); s.report(s.probe(n, true)) }

func (s *siege) report(during []time.Duration) {
	s.t.Helper()
	at := func(d []time.Duration, part int) time.Duration { return d[(len(d)-1)*part/100] }
	s.t.Logf("probe: p50 %v, p99 %v; calm: p50 %v, p99 %v",
		at(during, 50), at(during, 99), at(s.calm, 50), at(s.calm, 99))
}

// hits is how often the bound was reached, as the metrics tell.
func (s *siege) hits(limit string) int {
	s.t.Helper()
	return metricOf(s.t, s.metrics, `ripd_limit_hits_total{app="test",limit="`+limit+`"}`)
}

// metricOf reads one whole number of the metrics.
func metricOf(t testing.TB, of *metrics.Metrics, name string) int {
	t.Helper()
	w := httptest.NewRecorder()
	of.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	m := regexp.MustCompile(regexp.QuoteMeta(name) + ` (\d+)`).FindStringSubmatch(w.Body.String())
	if m == nil {
		t.Fatalf("no metric %s", name)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// told checks that the bound was counted at least n times, and told once.
func (s *siege) told(limit string, n int) {
	s.t.Helper()
	testkit.Eventually(s.t, testkit.Timeout, func() bool { return s.hits(limit) >= n }, "%d times %s", n, limit)
	if got := s.lines.with("limit=" + limit); len(got) != 1 {
		s.t.Errorf("%d lines about %s: %q", len(got), limit, got)
	}
}

// over waits until no connection is left, and looks at what else might be.
func (s *siege) over() {
	s.t.Helper()
	testkit.Eventually(s.t, testkit.Timeout, func() bool { return s.server.Stats().Connections == 0 && s.inFlight() == 0 }, "all connections closed")
	if files, err := os.ReadDir(s.spool); err != nil || len(files) > 0 {
		s.t.Errorf("files stay: %v, %v", files, err)
	}
	if d := s.dropped(); len(d) > 0 {
		s.t.Errorf("workers were dropped: %v", d)
	}
}

// crowd opens n connections that write text. end closes them.
func (s *siege) crowd(n int, text string) (all []net.Conn, end func()) {
	s.t.Helper()
	for range n {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, c)
		if _, err := io.WriteString(c, text); err != nil {
			s.t.Fatal(err)
		}
	}
	return all, func() {
		for _, c := range all {
			c.Close()
		}
	}
}

// drip writes a byte to each connection, over and over, until told to end.
func drip(all []net.Conn) (end func()) {
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for _, c := range all {
				c.Write([]byte("x")) // an error is the server's word that it has enough
			}
		}
	})
	return func() { close(stop); group.Wait() }
}
