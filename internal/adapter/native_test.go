package adapter

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// In the mode module, ripd is told of libraries in C, which no process can load a
// second time, and of nothing else.
func TestNativeLibrariesNeedAProcess(t *testing.T) {
	script := "const { createRequire } = require('node:module');\nconst native = createRequire(__filename)('./native.node');\nmodule.exports = (req, res) => res.end(typeof native);\n"
	duckdb := func(t *testing.T) string {
		return first(t, filepath.Join(testkit.NPM(t), "node_modules/@duckdb/node-bindings-linux-*/duckdb.node"))
	}
	for _, c := range []struct {
		engine
		entry, text, library string
		from                 func(t *testing.T) string // a library of somebody else's
	}{
		{rackEngine, "config.ru", "require_relative 'nkf'\nrun ->(_env) { [200, {}, ['loaded']] }\n", "nkf.so", func(t *testing.T) string {
			out, err := exec.Command("ruby", "-e", "print RbConfig::CONFIG['archdir']").Output()
			if err != nil {
				t.Fatal(err)
			}
			return filepath.Join(string(out), "nkf.so")
		}},
		{wsgiEngine, "app.py", "import _lsprof\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'loaded']\n", "_lsprof.so", func(t *testing.T) string {
			return first(t, "/usr/lib/python3*/lib-dynload/_lsprof.*.so")
		}},
		{node, "index.cjs", script, "native.node", duckdb},
		{bun, "index.cjs", script, "native.node", duckdb},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t)
			f.save(c.entry, c.text)
			c.command(t) // skips without the language
			library := c.from(t)
			if _, err := os.Stat(library); err != nil {
				testkit.Lacking(t, err.Error())
			}
			data, err := os.ReadFile(library)
			if err != nil {
				t.Fatal(err)
			}
			f.save(c.library, string(data))
			w := startJS(t, c.engine, f.path(c.entry), inModuleMode, "LD_LIBRARY_PATH="+filepath.Dir(library))
			if got := w.get("/"); !strings.HasPrefix(got, "200 ") {
				t.Errorf("%q", got)
			}
			if got := strings.Join(w.files(), " "); got != c.library {
				t.Errorf("ripd was told of %q, want %s", got, c.library)
			}
		})
	}
}

func first(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		testkit.Lacking(t, pattern+" is not there")
	}
	return found[0]
}
