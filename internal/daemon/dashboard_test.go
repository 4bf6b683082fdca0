package daemon

import (
	"testing"
	"time"

	"ripd/internal/api"
)

func TestStatusLine(t *testing.T) {
	loop := api.CrashLoop{Worker: 2, Count: 3, Exit: "exit status 3", LastWords: []string{"loading", "no shelves"}}
	for _, c := range []struct {
		name        string
		r           report
		queue, size int
		rate        float64
		want        string
	}{
		{"quiet", report{counts: api.WorkerCounts{Ready: 1}}, 0, 512, 0, "1 worker ready, 0 busy, queue 0/512, 0 req/s"},
		{"busy", report{counts: api.WorkerCounts{Ready: 4, Busy: 1}}, 0, 512, 1240.4, "4 workers ready, 1 busy, queue 0/512, 1,240 req/s"},
		{"full", report{counts: api.WorkerCounts{Ready: 64, Busy: 64}}, 65536, 65536, 3.24, "64 workers ready, 64 busy, queue 65,536/65,536, 3.2 req/s"},
		{"others", report{counts: api.WorkerCounts{Ready: 1, Starting: 2, Drained: 1, Waiting: 3}}, 1, 8, 12,
			"1 worker ready, 0 busy, 2 starting, 1 drained, 3 waiting to start again, queue 1/8, 12 req/s"},
		{"after a good roll", report{counts: api.WorkerCounts{Ready: 2}, lastRoll: &api.Roll{Kind: "reload", Verdict: api.VerdictDone}}, 0, 8, 0,
			"2 workers ready, 0 busy, queue 0/8, 0 req/s"},
		{"after a bad one", report{counts: api.WorkerCounts{Ready: 2}, lastRoll: &api.Roll{Kind: "reload", Verdict: api.VerdictRolledBack,
			Reason: "worker 1 did not start", Output: []string{"a", "no shelves"}}}, 0, 8, 0,
			"2 workers ready, 0 busy, queue 0/8, 0 req/s; the last reload: rolled back: worker 1 did not start: no shelves"},
		{"crashing", report{counts: api.WorkerCounts{Ready: 1, Waiting: 1}, loops: []api.CrashLoop{loop}}, 0, 8, 0,
			"1 worker ready, 0 busy, 1 waiting to start again, queue 0/8, 0 req/s; worker 2 ended 3 times in a row: exit status 3: no shelves"},
		{"nobody starts", report{workers: []api.Worker{{ID: 1, LastWords: []string{"no shelves"}}}}, 0, 8, 0,
			"0 workers ready, 0 busy, queue 0/8, 0 req/s; worker 1 ended: no shelves"},
	} {
		if got := statusLine(&c.r, c.queue, c.size, c.rate); got != c.want {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestDashboardIsToldOnceASecond(t *testing.T) {
	var d dashboard
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		line  string
		after time.Duration
		want  bool
	}{
		{"a", 0, true}, {"b", 100 * time.Millisecond, false}, {"b", 900 * time.Millisecond, true}, {"b", time.Second, false},
		{"c", time.Second, true}, {"a", sampleEvery, true},
	} {
		now = now.Add(c.after)
		if got := d.due(c.line, now); got != c.want {
			t.Errorf("%s after %v: %v", c.line, c.after, got)
		}
	}
	d.end()
	if d.due("z", now.Add(time.Hour)) {
		t.Error("told after the end")
	}
}

func TestSlowStartsAreKnown(t *testing.T) {
	for _, c := range []struct {
		workers []api.Worker
		want    bool
	}{
		{nil, false},
		{[]api.Worker{{State: api.WorkerStarting}}, true},
		{[]api.Worker{{State: api.WorkerStarting, Restarts: 1}, {State: api.WorkerWaiting}}, false},
	} {
		if got := (&report{workers: c.workers}).starts(); got != c.want {
			t.Errorf("%+v: %v", c.workers, got)
		}
	}
}
