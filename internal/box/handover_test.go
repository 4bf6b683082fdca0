package box

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// bare is a box in which ripd was put by hand, without the package.
func bare(t *testing.T, release string) *Box {
	Need(t)
	testkit.Need(t, "go")
	dir := os.Getenv("RIPD_BOX_BARE") // for who works on these tests
	if dir == "" {
		dir = t.TempDir()
		build := exec.Command("go", "build", "-o", dir+"/", "ripd/cmd/ripd", "ripd/cmd/ripctl", "ripd/internal/box/boxapp")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	b := Boot(t, release)
	for _, program := range []string{"ripd", "ripctl"} {
		b.Copy(filepath.Join(dir, program), "/usr/bin/"+program, 0o755)
	}
	b.Copy(filepath.Join(dir, "boxapp"), "/srv/shop/app", 0o755)
	units := filepath.Join(testkit.Root(t), "packaging", "systemd")
	for _, unit := range []string{"ripd@.service", "ripd@.socket", "ripd-control@.socket", "ripd.slice"} {
		b.Copy(filepath.Join(units, unit), "/usr/lib/systemd/system/"+unit, 0o644)
	}
	b.Copy(filepath.Join(units, "ripd.sysusers"), "/usr/lib/sysusers.d/ripd.conf", 0o644)
	b.Run("systemd-sysusers")
	b.Write("/etc/ripd/shop.toml", "app = \"/srv/shop\"\ncommand = [\"./app\"]\n[workers]\ncount = 2\n", 0o644)
	b.Run("systemctl", "daemon-reload")
	return b
}

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
