package daemon

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/systemd"
	"ripd/internal/testkit"
)

// The listener for metrics shows them, to many that ask at once, and nothing of the app.
func TestLiveMetrics(t *testing.T) {
	l := startLive(t, "[workers]\ncount = 1")
	l.ask()
	where := l.operator().Status().Metrics
	if len(where) != 1 || len(l.urls) != 1 {
		t.Fatalf("metrics at %v, clients at %v", where, l.urls)
	}
	get := func(url string) (status int, body string) {
		r, err := l.client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode, string(b)
	}
	const counted = `ripd_requests_total{app="shop",class="2xx"} 1`
	testkit.Eventually(t, testkit.Timeout, func() bool { // it is counted behind its answer
		status, body := get(where[0])
		return status == http.StatusOK && strings.Contains(body, counted)
	}, "the request in the counters")
	if status, _ := get(strings.TrimSuffix(where[0], "metrics")); status != http.StatusNotFound {
		t.Errorf("another path there: %d", status)
	}
	if status, body := get(l.urls[0] + "/metrics"); status != http.StatusOK || strings.Contains(body, counted) {
		t.Errorf("the clients' listener: %d %.100s", status, body)
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
