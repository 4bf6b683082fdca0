package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// Code that does not start replaces nothing: the verdict carries the app's own
// words, and the next good code is taken.
func TestBrokenCodeReplacesNothing(t *testing.T) {
	testkit.Need(t, "socat", "sh")
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		// Written aside and renamed, so that no worker starts half of it.
		aside := filepath.Join(dir, name+".new")
		if err := os.WriteFile(aside, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := os.ReadFile(testkit.Root(t) + "/docs/examples/shell/answer.sh")
	if err != nil {
		t.Fatal(err)
	}
	answering := func(text string) string {
		write(text, strings.ReplaceAll(string(answer), "'pong\n'", "'"+text+"\n'"))
		return "#!/bin/sh\nexec socat UNIX-LISTEN:\"$SOCKET_PATH\",fork EXEC:./" + text + "\n"
	}
	write("ripd.toml", "command = [\"./run\"]\n")
	write("run", answering("pong1"))
	a := serve(t, dir, "w:2", "--hot-reload=none")
	if got := a.do("GET", "/ping", ""); got != "200 pong1\n" {
		t.Fatalf("/ping: %q", got)
	}

	write("run", "#!/bin/sh\necho 'shop: line 7: no such price' >&2\nexit 3\n")
	clients := startCrowd(a, 4)
	code, out, errOut := a.ctl("restart")
	clients.stop(t)
	if code != 5 || !strings.Contains(out+errOut, "shop: line 7: no such price") {
		t.Errorf("ripctl restart: exit code %d\n%s%s", code, out, errOut)
	}
	for _, w := range a.workers(t) {
		if w.Generation != 1 {
			t.Errorf("worker %d is of generation %d", w.ID, w.Generation)
		}
	}
	if s, err := a.status(); err != nil || s.LastRoll == nil || s.LastRoll.Verdict != "rolled_back" {
		t.Errorf("the status does not tell of the roll: %+v, %v", s.LastRoll, err)
	}

	write("run", answering("pong2"))
	if code, out, errOut := a.ctl("restart"); code != 0 {
		t.Errorf("ripctl restart: exit code %d\n%s%s", code, out, errOut)
	}
	if got := a.do("GET", "/ping", ""); got != "200 pong2\n" {
		t.Errorf("/ping: %q", got)
	}
	ends(t, a)
}
