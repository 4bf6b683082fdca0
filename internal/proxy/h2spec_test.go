package proxy_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// Every case of h2spec passes, also those of its strict mode.
func TestH2Spec(t *testing.T) {
	h2spec := testkit.H2Spec(t)
	r := newSecureRig(t, nil)
	r.worker(handler(echo))
	host, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, h2spec, "--strict", "--tls", "--insecure", "--host", host, "--port", port).CombinedOutput()
	text := string(out)
	if err != nil || !strings.Contains(text, " 0 skipped, 0 failed") {
		if _, failures, found := strings.Cut(text, "Failures:"); found {
			text = failures
		}
		t.Fatalf("%v\n%s", err, text)
	}
	t.Log(strings.TrimSpace(text[strings.LastIndex(text, "Finished"):]))
}
