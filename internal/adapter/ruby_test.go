package adapter

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

func startRack(t *testing.T, e engine) *jsWorker {
	t.Helper()
	return startJS(t, e, filepath.Join(testkit.Root(t), "internal/adapter/testdata/ruby/config.ru"))
}

func TestRack2ReadsABodyTwice(t *testing.T) {
	w := startRack(t, rackEngine)
	for _, size := range []int{0, 10, 300_000, 3_000_000} { // in memory, and in a file
		body := strings.Repeat("x", size)
		if got, want := text(w.do("POST", "/twice", body)), "200 same "; !strings.HasPrefix(got, want) {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
}

// Rails, from 7.1 on, rewinds each body that has a rewind before it reads it. Under Rack 3
// a body is read once, so it has none, and the lack of a body none that fails.
func TestRack3BodiesHaveNoRewind(t *testing.T) {
	testkit.Need(t, "ruby")
	const program = `require "./programs/ruby/ripd_http"
require "./programs/ruby/ripd_input"
body = Struct.new(:pieces) { def piece(_most) = pieces.shift }
once = Ripd::Input.new(body.new(%w[ab cd]))
twice = Ripd::RewindableInput.new(body.new(%w[ab cd]))
print once.respond_to?(:rewind), once.read, twice.read, twice.rewind, twice.read, Ripd::NoInput.rewind.inspect`
	out, err := exec.Command("ruby", "-e", program).CombinedOutput()
	if got, want := string(out), "falseabcdabcd0abcdnil"; err != nil || got != want {
		t.Errorf("%q, %v, not %q", got, err, want)
	}
}

// The forms of Rack 3, which apps under Rack 2 may use as well: lists of values, and
// bodies that are called.
func TestRackNewForms(t *testing.T) {
	eachRack(t, func(t *testing.T, e engine) { newForms(t, startRack(t, e)) })
}

func newForms(t *testing.T, w *jsWorker) {
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
