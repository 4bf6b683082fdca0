package box

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// exposureMost bounds what `systemd-analyze security` says of the service, in
// tenths; docs/hardening.md names it.
const exposureMost = "20"

// The units are what systemd itself would have them be.
func (d *day) soundUnits(t *testing.T) {
	for _, unit := range []string{"ripd@shop.service", "ripd@shop.socket", "ripd-control@shop.socket", "ripd.slice"} {
		if out := d.Run("systemd-analyze", "verify", "--man=no", unit); strings.Contains(out, "ripd") {
			t.Errorf("%s: %s", unit, out)
		}
	}
	out := d.Run("systemd-analyze", "security", "--threshold="+exposureMost, "ripd@shop.service")
	t.Log(strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n"):]))
}

// The package is what Debian would have it be, and made again it is the same.
func TestPackage(t *testing.T) {
	testkit.Need(t, "lintian", "go", "git")
	first := buildAll(t)
	name := "ripd_" + oldVersion + "_" + runtime.GOARCH + ".deb"
	out, err := exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", filepath.Join(first, name)).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	again := t.TempDir()
	cmd := exec.Command("packaging/deb/build", runtime.GOARCH)
	cmd.Dir = testkit.Root(t)
	cmd.Env = append(os.Environ(), "DIST="+again, "RIPD_VERSION="+oldVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	one, err := os.ReadFile(filepath.Join(first, name))
	if err != nil {
		t.Fatal(err)
	}
	two, err := os.ReadFile(filepath.Join(again, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Error("built twice, the package has two contents")
	}
}

// buildAll builds what goes into boxes, once, and gives its folder.
func buildAll(t *testing.T) string {
	t.Helper()
	started = true
	b := buildOnce()
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.dir
}
