package box

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// bare is a box in which ripd was put by hand, without the package. The tags are
// those of the build.
func bare(t *testing.T, release string, tags ...string) *Box {
	Need(t)
	return bareTree(t, release, Tree(t, release), tags...)
}

// bareTree is bare with another root tree.
func bareTree(t *testing.T, release, tree string, tags ...string) *Box {
	testkit.Need(t, "go")
	dir := os.Getenv("RIPD_BOX_BARE") // for who works on these tests
	if dir == "" || len(tags) > 0 {
		dir = t.TempDir()
		build := exec.Command("go", "build", "-tags="+strings.Join(tags, ","), "-o", dir+"/", "ripd/cmd/ripd", "ripd/cmd/ripctl", "ripd/internal/box/boxapp")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	b := BootTree(t, release, tree)
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
