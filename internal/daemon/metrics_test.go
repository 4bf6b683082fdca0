package daemon

import (
	"io"
	"net"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/systemd"
)

// The listener for metrics shows them, to many that ask at once, and nothing of the app.
func TestLiveMetrics(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 1")
	l.ask()
	where := l.operator().Status().Metrics
	if len(where) != 1 || len(l.urls) != 1 {
		t.Fatalf("metrics at %v, clients at %v", where, l.urls)
	}
	for url, want := range map[string]int{where[0]: 200, strings.TrimSuffix(where[0], "metrics"): 404, l.urls[0] + "/metrics": 200} {
		r, err := l.client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != want || strings.Contains(string(body), `ripd_requests_total{app="shop",class="2xx"} 1`) != (url == where[0]) {
			t.Errorf("%s: %d %.100s, %v", url, r.StatusCode, body, err)
		}
	}
}

// An address that cannot be had is an error that says whose.
func TestMetricsAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	a := &app{config: &config.Config{Foreground: true}, handed: &systemd.Handed{}}
	a.config.Listen.Metrics = []config.Address{{Network: "tcp", Host: "127.0.0.1", Port: port}}
	f := front{name: roleMetrics, aside: true}
	if err := a.openFront(&f); err == nil || !strings.HasPrefix(err.Error(), "listen.metrics: port ") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v", err)
	}
}
