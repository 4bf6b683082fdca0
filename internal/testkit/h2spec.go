package testkit

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// h2specMost bounds the building of h2spec, which downloads a few MB the first time.
const h2specMost = 3 * time.Minute

// H2Spec returns the path of the program h2spec, which tries a server of HTTP/2 by RFC
// 9113's predecessor and RFC 7541. It is built from the versions that h2spec/go.mod
// names; Go keeps what it has built.
func H2Spec(t testing.TB) string {
	t.Helper()
	Need(t, "go")
	path := filepath.Join(t.TempDir(), "h2spec")
	ctx, cancel := context.WithTimeout(context.Background(), h2specMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/summerwind/h2spec/cmd/h2spec")
	cmd.Dir = filepath.Join(Root(t), "internal/testkit/h2spec")
	if out, err := cmd.CombinedOutput(); err != nil {
		Lacking(t, "h2spec could not be built: "+err.Error()+"\n"+string(out))
	}
	return path
}
