package cli

import (
	"time"

	"ripd/internal/api"
	"ripd/internal/control/controltest"
)

// shop is an app with much to show.
func shop() *controltest.App {
	return &controltest.App{
		StatusIs: api.Status{
			App: "shop", Status: api.Healthy, Version: "0.3.1", PID: 4711, Generation: 7,
			StartedAt: now.Add(-2*time.Hour - 3*time.Minute), Uptime: api.Millis(2*time.Hour + 3*time.Minute),
			URLs: []string{"http://127.0.0.1:3080", "http://[::1]:3080"}, File: "/srv/shop/ripd.toml",
			Workers: api.WorkerCounts{Wanted: 4, Auto: true, Ready: 4, Busy: 1},
			Queue:   api.Queue{Size: 512, Timeout: api.Millis(5 * time.Second)}, Connections: 128, HTTP2: 12, Streams: 31, RequestsPerSecond: 1240.4,
			Totals:   api.Totals{Requests: 1234567, Errors: 12, QueueFull: 3, Retries: 2, BytesIn: 12345678, BytesOut: 4567890123},
			LastRoll: &api.Roll{Kind: api.KindRestart, Verdict: api.VerdictDone, Generation: 7, At: now.Add(-5 * time.Minute), Took: api.Millis(3200 * time.Millisecond)},
			Notes:    []string{"workers: 4, for 4 CPUs"},
			Certificates: []api.Certificate{
				{Names: []string{"*.shop.example", "shop.example"}, Source: api.CertificateFile, Issuer: "Let's Encrypt R10", Ends: now.Add(6*24*time.Hour + 5*time.Hour)},
				{Names: []string{"blog.example"}, Source: api.CertificateACME, Issuer: "Let's Encrypt E5", Ends: now.Add(71*24*time.Hour + 5*time.Hour)},
			},
		},
		WorkersAre: []api.Worker{
			{ID: 1, PID: 4720, Generation: 7, State: api.WorkerReady, InFlight: 1, Handled: 308642, Memory: 123456789, CPU: api.Millis(92 * time.Second),
				Age: api.Millis(2 * time.Hour), LastRequest: now, Request: "GET /orders/1234567890/lines?page=2&sort=\x1b[31mred", RunningFor: api.Millis(1234 * time.Millisecond)},
			{ID: 2, PID: 4721, Generation: 7, State: api.WorkerReady, Handled: 308641, Memory: 98765432, CPU: api.Millis(91 * time.Second),
				Age: api.Millis(2 * time.Hour), LastRequest: now.Add(-3 * time.Second)},
			{ID: 3, PID: 4722, Generation: 7, State: api.WorkerDrained, Handled: 5, Memory: 512, Age: api.Millis(time.Minute), Restarts: 2},
			{ID: 4, Generation: 7, State: api.WorkerWaiting, Restarts: 9, NextStart: now.Add(12 * time.Second), LastWords: []string{"boom"}},
		},
		ConfigIs: api.Config{App: "shop", File: "/srv/shop/ripd.toml", Settings: []api.Setting{
			{Key: "workers.count", Value: "4", Origin: "w:4"}, {Key: "queue.size", Value: "512", Origin: "default"},
			{Key: "command", Value: `["bundle", "exec", "puma", "-b", "unix://$SOCKET_PATH", "--threads", "1:1"]`, Origin: "/srv/shop/ripd.toml:3"},
		}, Notes: []string{"workers: 4, for 4 CPUs"}},
	}
}

// blog is an app in trouble.
func blog() *controltest.App {
	return &controltest.App{StatusIs: api.Status{
		App: "blog", Status: api.Degraded, Version: "0.3.1", PID: 99, Generation: 2,
		StartedAt: now.Add(-45 * time.Second), Uptime: api.Millis(45 * time.Second), URLs: []string{"http://127.0.0.1:3081"},
		Workers: api.WorkerCounts{Wanted: 2, Ready: 1, Waiting: 1},
		Queue:   api.Queue{Size: 512, Length: 17, OldestWait: api.Millis(1300 * time.Millisecond)},
		Totals:  api.Totals{Requests: 1, QueueTimeouts: 4, Respawns: 8},
		Rolling: &api.Rolling{Kind: api.KindRestart, Generation: 3, Index: 1, Of: 2, StartedAt: now.Add(-4 * time.Second), Message: "worker 1: waiting until it is ready"},
		LastRoll: &api.Roll{Kind: api.KindRestart, Verdict: api.VerdictRolledBack, Generation: 2, At: now.Add(-30 * time.Second), Took: api.Millis(2 * time.Second),
			Reason: "worker 1 ended before it was ready: exit status 1", Output: []string{"app.rb:3:in `require': cannot load such file -- sinatra (LoadError)"}},
		Certificates: []api.Certificate{
			{Names: []string{"blog.example"}, Source: api.CertificateACME, Problem: "solving challenge: blog.example: [blog.example] authorization failed: HTTP 403 urn:ietf:params:acme:error:unauthorized - \x1b[31mno proof", ProblemAt: now.Add(-40 * time.Second)},
			{Names: []string{"www.blog.example"}, Source: api.CertificateACME, Issuer: "Let's Encrypt E5", Ends: now.Add(-time.Hour)},
		},
		Preloaded: []api.Preloaded{{PID: 108, Generation: 2, Memory: 62914560, Forks: 10}},
		CrashLoops: []api.CrashLoop{{Worker: 2, Count: 5, NextStart: now.Add(16 * time.Second), Exit: "exit status 1",
			LastWords: []string{"\x1b[31mError\x1b[0m: connect ECONNREFUSED 127.0.0.1:5432, the database of this app does not answer at all, whatever we try", "    at main (/srv/blog/index.js:7:3)"}}},
		Notes: []string{"port 3080 was taken, so that 3081 is used instead; ask for a port with http:PORT to make that an error"},
	}}
}
