package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/config"
)

// In the mode module, what no process can take up for itself becomes a change of
// processes: the environment, the settings, the versions of libraries.
func TestModuleModeSeesWhatNeedsAProcess(t *testing.T) {
	locks := map[string]string{config.AdapterRack: "Gemfile.lock", config.AdapterWSGI: "requirements.txt", config.AdapterASGI: "uv.lock",
		config.AdapterNode: "package-lock.json", config.AdapterBun: "bun.lock"}
	eachSmallApp(t, "env_file = \"values\"\n", func(t *testing.T, app smallApp, dir string) {
		put(t, dir, "values", "VALUE=one\n")
		a := serve(t, dir, "w:1", "--hot-reload=module")
		pid := ""
		// answers checks VALUE, and whether another process answers than before.
		answers := func(value string, another bool) {
			t.Helper()
			got := strings.Fields(a.do("GET", "/env", ""))
			if len(got) != 3 || got[0] != "200" || got[2] != value || another != (got[1] != pid) {
				t.Fatalf("%q, want %s, of another process than %s: %v\n%s", got, value, pid, another, a.ripd.Stdout)
			}
			pid = got[1]
		}
		answers("one", true)
		put(t, dir, "values", "VALUE=two\n")
		answers("two", true)
		put(t, dir, locks[app.adapter], "{}\n")
		answers("two", true)
		put(t, dir, locks[app.adapter], "{ }\n")
		answers("two", true)
		now := time.Now()
		if err := os.Chtimes(filepath.Join(dir, locks[app.adapter]), now, now); err != nil {
			t.Fatal(err)
		}
		answers("two", false)
		app.save(t, dir, "second")
		answers("two", false)
		if app.adapter == config.AdapterBun { // which reads it by itself
			put(t, dir, ".env", "OTHER=1\n")
			answers("two", true)
		}
		if app.settings == "" { // env stands for what is in ripd.toml
			put(t, dir, "ripd.toml", fmt.Sprintf("adapter = %q\nenv = { VALUE = \"three\" }\n", app.adapter))
			answers("three", true)
		}
	})
}
