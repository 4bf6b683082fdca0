package box

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// socket is where the app shop answers in a bare box: the generator would put the
// addresses of the file in its place.
const socket = "/run/ripd/shop.http.sock"

// repeat gives how often something is done under load: RIPD_BOX_REPEAT, for who
// wants more than the tests do.
func repeat(t *testing.T, usual int) int {
	text := os.Getenv("RIPD_BOX_REPEAT")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("RIPD_BOX_REPEAT: %v", err)
	}
	return n
}

// report ends the clients, and tells how they fared.
func (l *Load) report(t *testing.T, what string) {
	t.Helper()
	good, bad, longest := l.End()
	t.Logf("%s: %d good answers, %d others, the longest after %v", what, good, len(bad), longest)
	if len(bad) > 0 || good == 0 {
		t.Errorf("%s: %d good answers, others: %q", what, good, bad)
	}
}

// Upgrade after upgrade under load: systemd follows, and each request is answered.
func TestHandOver(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			b.Run("systemctl", "start", "ripd@shop.service")
			b.Answers(socket, "/ping", "200 pong")
			load := b.Load(socket, "/ping", "200 pong", 4)
			pid := b.Property("ripd@shop", "MainPID")
			for range repeat(t, 10) {
				b.Run("ripctl", "upgrade", "shop")
				now := b.Property("ripd@shop", "MainPID")
				if now == pid || now == "0" {
					t.Fatalf("the main process is %s, before %s", now, pid)
				}
				testkit.Eventually(t, testkit.Timeout, func() bool {
					_, err := b.Try("test", "-d", "/proc/"+pid)
					return err != nil
				}, "the end of process %s", pid)
				pid = now
			}
			// One that fails changes nothing.
			if out, code := b.Fail("ripctl", "upgrade", "shop", "--binary", "/bin/false"); code != 5 || !strings.Contains(out, "exit status 1") {
				t.Errorf("exit code %d: %s", code, out)
			}
			if now := b.Property("ripd@shop", "MainPID"); now != pid {
				t.Errorf("the main process is %s, before %s", now, pid)
			}
			b.Run("systemctl", "reload", "ripd@shop.service")
			load.report(t, "upgrades")
			load = b.Load(socket, "/ping", "200 pong", 4)
			for range repeat(t, 1) {
				before := load.Good()
				b.Run("systemctl", "restart", "ripd@shop.service")
				testkit.Eventually(t, testkit.Timeout, func() bool { return load.Good() > before+50 }, "answers after a restart")
			}
			load.report(t, "restarts")
			if n, err := strconv.Atoi(b.Property("ripd@shop", "NRestarts")); err != nil || n != 0 {
				t.Errorf("%d restarts, %v", n, err)
			}
			b.Run("systemctl", "stop", "ripd@shop.socket", "ripd-control@shop.socket", "ripd@shop.service")
			if state := b.Property("ripd@shop", "ActiveState"); state != "inactive" {
				t.Errorf("it is %s", state)
			}
			if t.Failed() {
				t.Log(b.Journal("ripd@shop"))
			}
		})
	}
}
