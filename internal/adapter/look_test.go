package adapter

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the look at 500 files costs a request, as the difference between the modes
// none and module. In the mode process ripd looks itself: see BenchmarkChanged of
// internal/reload.
func BenchmarkLook(b *testing.B) {
	const files = 500
	for _, app := range []struct {
		engine
		entry, ending, module, load, rest string
	}{
		{rackEngine, "config.ru", ".rb", "N%d = 1\n", "require_relative 'm%d'\n", "run ->(_env) { [200, {}, ['x']] }\n"},
		{wsgiEngine, "app.py", ".py", "N%d = 1\n", "import m%d\n", "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'x']\n"},
		{node, "index.mjs", ".mjs", "export const n%d = 1;\n", "import './m%d.mjs';\n", "export default { fetch: () => new Response('x') };\n"},
		{bun, "index.mjs", ".mjs", "export const n%d = 1;\n", "import './m%d.mjs';\n", "export default { fetch: () => new Response('x') };\n"},
	} {
		dir := b.TempDir()
		var entry strings.Builder
		for i := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("m%d%s", i, app.ending)), fmt.Appendf(nil, app.module, i), 0o600); err != nil {
				b.Fatal(err)
			}
			fmt.Fprintf(&entry, app.load, i)
		}
		if err := os.WriteFile(filepath.Join(dir, app.entry), []byte(entry.String()+app.rest), 0o600); err != nil {
			b.Fatal(err)
		}
		for _, mode := range []string{"none", "module"} {
			b.Run(app.name+"/"+mode, func(b *testing.B) {
				w := startJS(b, app.engine, filepath.Join(dir, app.entry), "RIP_RELOAD="+mode)
				for b.Loop() {
					if got := w.get("/"); got != "200 x" {
						b.Fatal(got)
					}
				}
			})
		}
	}
}
