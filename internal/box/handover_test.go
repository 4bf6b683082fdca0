package box

import (
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// socket is where the app shop answers in a bare box: the generator would put the
// addresses of the file in its place.
const socket = "/run/ripd/shop.http.sock"

// Upgrade after upgrade under load: systemd follows, and each request is answered.
func TestHandOver(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			b.Run("systemctl", "start", "ripd@shop.service")
			b.Answers(socket, "/ping", "200 pong")
			load := b.Load(socket, "/ping", "200 pong", 4)
			pid := b.Property("ripd@shop", "MainPID")
			for range 10 {
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
			b.Run("systemctl", "restart", "ripd@shop.service")
			good, bad, longest := load.End()
			if len(bad) > 0 || good == 0 {
				t.Errorf("%d good answers, others: %q", good, bad)
			}
			t.Logf("%d answers, the longest took %v", good, longest)
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
