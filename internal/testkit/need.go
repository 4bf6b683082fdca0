package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// InCI reports whether the tests run where every program has to be there: the
// environment has CI=true.
func InCI() bool { return os.Getenv("CI") == "true" }

// Need skips the test when one of the programs (a name for $PATH, or a path)
// is not on this machine, and says which. Under CI=true it fails instead:
// there, a skipped test is a missing install step.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	var missing []string
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		Lacking(t, strings.Join(missing, ", ")+" not found; `make packages` installs what the tests need")
	}
}

// NeedRoot is Need for tests that only root can run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Lacking(t, "needs root")
	}
}

// Lacking ends the test because the machine lacks something: skipped with the
// reason, or failed under CI=true.
func Lacking(t testing.TB, reason string) {
	t.Helper()
	if InCI() {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// Root returns the folder of the module that holds the test, the one with
// go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = parent
	}
}
