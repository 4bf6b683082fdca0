package box

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// dashboard is the status line of an app that is well.
var dashboard = regexp.MustCompile(`^2 workers ready, [0-2] busy, queue [0-9]+/512, [0-9.,]+ req/s$`)

// How a service starts, and what it says of itself.
func TestStart(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			for _, part := range []struct {
				name string
				test func(*Box)
			}{{"the status line", (*Box).statusLine}, {"ripctl stop and start", (*Box).stopsAndStarts}, {"a slow start", (*Box).slowStart}, {"no start", (*Box).noStart}} {
				if !t.Run(part.name, func(t *testing.T) { part.test(b.in(t)) }) {
					t.Log(tail(b.Journal("ripd@shop")))
				}
			}
		})
	}
}

func (b *Box) statusLine() {
	b.t.Helper()
	b.Run("systemctl", "start", "ripd@shop.service")
	if line := b.Property("ripd@shop", "StatusText"); !strings.Contains(line, " ready, ") || strings.HasPrefix(line, "0 ") {
		b.t.Errorf("the start has returned, and the status line is %q", line)
	}
	testkit.Eventually(b.t, testkit.Timeout, func() bool { return dashboard.MatchString(b.Property("ripd@shop", "StatusText")) }, "a dashboard")
	load := b.Load(socket, "/ping", "200 pong", 4)
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		line := b.Property("ripd@shop", "StatusText")
		return dashboard.MatchString(line) && !strings.HasSuffix(line, ", 0 req/s")
	}, "a rate in the status line")
	load.End()
}

func (b *Box) stopsAndStarts() {
	b.t.Helper()
	b.Run("ripctl", "stop", "shop")
	for _, unit := range []string{"ripd@shop.service", "ripd@shop.socket", "ripd-control@shop.socket"} {
		if got := b.Property(unit, "ActiveState"); got != "inactive" {
			b.t.Errorf("%s is %s", unit, got)
		}
	}
	if got, err := b.Get(socket, "/ping"); err == nil {
		b.t.Errorf("it still answers: %q", got)
	}
	b.Run("ripctl", "start", "shop")
	b.Answers(socket, "/ping", "200 pong")
	b.Run("ripctl", "stop", "shop")
}

// A start may take longer than TimeoutStartSec= while it makes progress.
func (b *Box) slowStart() {
	b.t.Helper()
	b.Write("/etc/systemd/system/ripd@shop.service.d/test.conf", "[Service]\nTimeoutStartSec=3s\n", 0o644)
	b.Run("systemctl", "daemon-reload")
	b.Write("/srv/shop/slow", "7s", 0o644)
	b.Run("systemctl", "start", "ripd@shop.service")
	if got := b.Property("ripd@shop", "NRestarts"); got != "0" {
		b.t.Errorf("%s restarts", got)
	}
	b.Answers(socket, "/ping", "200 pong")
	b.Run("ripctl", "stop", "shop")
	if err := os.Remove(b.Path("/srv/shop/slow")); err != nil {
		b.t.Fatal(err)
	}
}

// When no worker starts, the start fails, with the app's own words.
func (b *Box) noStart() {
	b.t.Helper()
	b.Write("/srv/shop/broken", "the shop has no shelves\n", 0o644)
	out, code := b.Fail("ripctl", "start", "shop")
	if code != 1 || !strings.Contains(out, "the shop has no shelves") {
		b.t.Errorf("exit code %d: %s", code, out)
	}
	if got := b.Journal("ripd@shop"); !strings.Contains(got, "the shop has no shelves") || !strings.Contains(got, "timeout") {
		b.t.Errorf("the journal does not say why:\n%s", tail(got))
	}
	if err := os.Remove(b.Path("/srv/shop/broken")); err != nil {
		b.t.Fatal(err)
	}
	b.Answers(socket, "/ping", "200 pong") // it was tried again
}
