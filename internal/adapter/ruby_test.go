package adapter

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

func startRack(t *testing.T, env ...string) *jsWorker {
	t.Helper()
	return startJS(t, rackEngine, filepath.Join(testkit.Root(t), "internal/adapter/testdata/ruby/config.ru"), env...)
}

func TestRackReadsABodyTwice(t *testing.T) {
	w := startRack(t)
	for _, size := range []int{0, 10, 300_000, 3_000_000} { // in memory, and in a file
		body := strings.Repeat("x", size)
		if got, want := text(w.do("POST", "/twice", body)), "200 same "; !strings.HasPrefix(got, want) {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
}

// The forms of Rack 3: lists of values, and bodies that are called.
func TestRack3Forms(t *testing.T) {
	w := startRack(t)
	answer, err := w.do("GET", "/arrays", "")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header["Set-Cookie"]; !slices.Equal(got, []string{"a=1", "b=2"}) {
		t.Errorf("Set-Cookie: %q", got)
	}
	if got := w.get("/called"); got != "200 xy" {
		t.Errorf("a body that is called: %q", got)
	}
	if got := w.get("/long"); got != "200 long" {
		t.Errorf("a body longer than its length: %q", got)
	}
}
