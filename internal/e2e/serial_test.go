package e2e

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// With workers.serial a worker has the next request while one runs, does not begin
// with it, and answers both when ripd is told to end meanwhile.
func TestSerial(t *testing.T) {
	t.Setenv("RIP_WORKERS_SERIAL", "true")
	for _, c := range []struct{ name, app, needs string }{
		{"rack", "internal/adapter/testdata/ruby", "ruby"},
		{"node", "internal/adapter/testdata/javascript/fetch.mjs", "node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			testkit.Need(t, c.needs)
			a := serve(t, c.app, "w:1", "c:2")
			hold := filepath.Join(t.TempDir(), "0")
			first, second := make(chan string, 1), make(chan string, 1)
			go func() { first <- a.do("GET", "/hold", "", "X-Test: "+hold) }()
			testkit.Eventually(t, testkit.Timeout, func() bool { _, err := os.Stat(hold + ".in"); return err == nil }, "the first runs")
			go func() { second <- a.do("GET", "/list", "") }()
			testkit.Eventually(t, testkit.Timeout, func() bool { return a.workers(t)[0].InFlight == 2 }, "the worker has both")
			if err := a.ripd.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { s, err := a.status(); return err == nil && s.Status == "stopping" }, "stopping")
			if len(second) > 0 {
				t.Errorf("the second was answered before the first: %q", <-second)
			}
			if err := os.WriteFile(hold+".out", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := testkit.Receive(t, testkit.Timeout, first); got != "200 held\n" {
				t.Errorf("the first: %q", got)
			}
			if got := testkit.Receive(t, testkit.Timeout, second); got != "200 one piece" {
				t.Errorf("the second: %q", got)
			}
			if code := a.ripd.Wait(t, startMost); code != 0 {
				t.Errorf("ripd ended with %d", code)
			}
		})
	}
}
