package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

// activatedApp answers with its process and with what it was told.
const activatedApp = `require "digest"
SECRET = Digest::SHA256.hexdigest(ENV.fetch("DATABASE_URL"))
FILE = Digest::SHA256.file(File.join(ENV.fetch("CREDENTIALS_DIRECTORY"), "signing-key")).hexdigest
run lambda { |env|
  text = env["PATH_INFO"] == "/ping" ? "pong" : "#{Process.pid} #{ENV.fetch("WORKER_ID")} #{SECRET == FILE}"
  [200, { "content-type" => "text/plain", "content-length" => text.bytesize.to_s }, [text]]
}
`

// An unmodified Puma takes the sockets that ripd opens for it, through restarts, a
// crash and an upgrade; and its secrets come from credentials.
func TestActivationAndCredentials(t *testing.T) {
	testkit.Need(t, "puma")
	const secret = "postgres://shop:hunter2@db/shop"
	dir, secrets := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(dir, "config.ru"): activatedApp,
		filepath.Join(dir, "ripd.toml"): `command = ["puma", "--quiet", "--bind", "unix://$SOCKET_PATH"]
env_credentials = { DATABASE_URL = "database-url" }
[workers]
count = 2
activation = true
credentials = ["signing-key"]
[reload]
mode = "none"
`,
		filepath.Join(secrets, "database-url"): secret + "\n",
		filepath.Join(secrets, "signing-key"):  secret,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", secrets)
	a := serve(t, dir)
	whoAnswers := func() string {
		t.Helper()
		got := a.do("GET", "/", "")
		var status, pid, worker int
		var same bool
		if _, err := fmt.Sscan(got, &status, &pid, &worker, &same); err != nil || status != 200 || !same {
			t.Fatalf("%q, %v", got, err)
		}
		return got
	}
	first := whoAnswers()

	clients := startCrowd(a, 4)
	if code, out, errOut := a.ctl("restart"); code != 0 {
		t.Errorf("ripctl restart: exit code %d\n%s%s", code, out, errOut)
	}
	pid := a.ripd.PID()
	if code, out, errOut := a.ctl("upgrade"); code != 0 {
		t.Errorf("ripctl upgrade: exit code %d\n%s%s", code, out, errOut)
	}
	pid = a.successor(t, pid).PID
	clients.stop(t)
	if whoAnswers() == first {
		t.Error("the worker of the start still answers")
	}

	for _, w := range a.workers(t) {
		if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, startMost, func() bool {
			for _, now := range a.workers(t) {
				if now.ID == w.ID {
					return now.PID != w.PID
				}
			}
			return false
		}, "the next process of worker %d", w.ID)
	}
	whoAnswers()

	for _, words := range [][]string{{"config"}, {"status"}, {"workers", "--json"}, {"config", "check", dir}} {
		if _, out, errOut := a.ctl(words...); strings.Contains(out+errOut, "hunter2") {
			t.Errorf("ripctl %v shows a secret:\n%s%s", words, out, errOut)
		}
	}
	// What is missing keeps the new code from being started, and nothing else.
	if err := os.Remove(filepath.Join(secrets, "signing-key")); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := a.ctl("restart"); code == 0 || !strings.Contains(out+errOut, "workers.credentials: the credential signing-key: it is not there; in the foreground, set CREDENTIALS_DIRECTORY") {
		t.Errorf("ripctl restart: exit code %d\n%s%s", code, out, errOut)
	}
	if got := a.do("GET", "/ping", ""); got != "200 pong" {
		t.Errorf("%q", got)
	}
	a.endsElsewhere(t, pid)
	for _, out := range []string{a.ripd.Stdout.String(), a.ripd.Stderr.String()} {
		if strings.Contains(out, "hunter2") {
			t.Errorf("ripd's output has a secret:\n%s", out)
		}
	}
}
