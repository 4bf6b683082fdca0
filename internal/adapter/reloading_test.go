package adapter

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// put writes files below a folder by renaming; a text of "" removes the file.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// Each step saves files and says what the next answer is; "!" begins what a
// broken app is told to say: its message, and the file with the line.
type reloadStep struct {
	name  string
	files map[string]string
	want  string
	only  string // runtime; "": both
}

var reloadSteps = []struct {
	name, entry string
	steps       []reloadStep
}{
	{"ES modules", "index.mjs", []reloadStep{
		{"at first", map[string]string{
			"index.mjs": "import { mid } from './mid.mjs';\nimport { count } from './state.mjs';\nexport default { fetch: () => new Response(`${mid} ${count()}`) };",
			"mid.mjs":   "import { leaf } from './lib/leaf.mjs';\nexport const mid = 'mid ' + leaf;", "lib/leaf.mjs": "export const leaf = 1;",
			"state.mjs": "let n = 0;\nexport const count = () => ++n;"}, "200 mid 1 1", ""},
		{"a leaf", map[string]string{"lib/leaf.mjs": "export const leaf = 2;"}, "200 mid 2 2", ""},
		{"nothing", nil, "200 mid 2 3", ""},
		{"what holds state", map[string]string{"state.mjs": "let n = 10;\nexport const count = () => ++n;"}, "200 mid 2 11", ""},
		{"a new file", map[string]string{"lib/new.mjs": "export const fresh = 'new';",
			"mid.mjs": "import { fresh } from './lib/new.mjs';\nexport const mid = 'mid ' + fresh;"}, "200 mid new 12", ""},
		{"the new file", map[string]string{"lib/new.mjs": "export const fresh = 'newer';"}, "200 mid newer 13", ""},
		{"a file that is not loaded any more", map[string]string{"lib/leaf.mjs": ""}, "200 mid newer 14", ""},
		{"a syntax error", map[string]string{"lib/new.mjs": "\nexport const fresh = ;"}, "!Unexpected lib/new.mjs:2", ""},
		{"nothing, broken", nil, "!Unexpected lib/new.mjs:2", ""},
		{"good again", map[string]string{"lib/new.mjs": "export const fresh = 'good';"}, "200 mid good 15", ""},
		{"an error while loading", map[string]string{"mid.mjs": "import './lib/new.mjs';\n\nthrow new Error('no use');\nexport const mid = 1;"}, "!no use mid.mjs:3", ""},
		{"a file that is missing", map[string]string{"mid.mjs": "import { x } from './lib/missing.mjs';\nexport const mid = x;"}, "!Cannot find module mid.mjs", ""},
		{"the missing file", map[string]string{"lib/missing.mjs": "export const x = 'found';"}, "200 found 16", ""},
		{"a deleted file", map[string]string{"lib/missing.mjs": ""}, "!missing.mjs ", "node"},
		{"the deleted file", map[string]string{"lib/missing.mjs": "export const x = 'back';"}, "200 back 17", "node"},
		{"an export that is missing", map[string]string{"lib/missing.mjs": "export const y = 1;"}, "! mid.mjs", ""},
		{"that export", map[string]string{"lib/missing.mjs": "export const x = 'again';"}, "200 again", ""},
		{"no app", map[string]string{"index.mjs": "export default { fetch: () => new Response('entry') };"}, "200 entry", ""},
	}},
	{"CommonJS", "app.cjs", []reloadStep{
		{"at first", map[string]string{
			"app.cjs": "const mid = require('./mid');\nmodule.exports = (req, res) => res.end(mid());",
			"mid.js":  "const leaf = require('./lib/leaf');\nlet n = 0;\nmodule.exports = () => `${leaf.name} ${require('./lib/data.json').n} ${++n}`;",
			// What nobody changes keeps its state.
			"lib/leaf.js": "exports.name = 'leaf 1';", "lib/data.json": `{"n":1}`, "package.json": `{"type":"commonjs"}`}, "200 leaf 1 1 1", ""},
		{"a leaf", map[string]string{"lib/leaf.js": "exports.name = 'leaf 2';"}, "200 leaf 2 1 1", ""},
		{"nothing", nil, "200 leaf 2 1 2", ""},
		{"a JSON file", map[string]string{"lib/data.json": `{"n":2}`}, "200 leaf 2 2 1", ""},
		{"a syntax error", map[string]string{"lib/leaf.js": "\n\nexports.name = ;"}, "!Unexpected lib/leaf.js:3", ""},
		{"good again", map[string]string{"lib/leaf.js": "exports.name = require('./other');", "lib/other.js": "module.exports = 'other';"}, "200 other 2 1", ""},
		{"a file becomes a folder", map[string]string{"lib/other.js": "", "lib/other/index.js": "module.exports = 'folder';"}, "200 folder 2 1", "node"},
	}},
	{"a server that listens", "server.mjs", []reloadStep{
		{"at first", map[string]string{
			"server.mjs": "import http from 'node:http';\nimport { leaf } from './leaf.mjs';\nhttp.createServer((req, res) => res.end(leaf)).listen(3000);",
			"leaf.mjs":   "export const leaf = 'one';"}, "200 one", ""},
		{"a leaf", map[string]string{"leaf.mjs": "export const leaf = 'two';"}, "200 two", ""},
		{"the server", map[string]string{"server.mjs": "import http from 'node:http';\nhttp.createServer((req, res) => res.end('three')).listen(3000);"}, "200 three", ""},
	}},
}

func TestJavaScriptModuleMode(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		for _, c := range reloadSteps {
			t.Run(c.name, func(t *testing.T) {
				dir := t.TempDir()
				put(t, dir, c.steps[0].files)
				w := startJS(t, r, filepath.Join(dir, c.entry), "RIP_RELOAD=module", "RIP_DEVELOPMENT=1")
				for _, s := range c.steps {
					if s.only != "" && s.only != r.name {
						continue
					}
					put(t, dir, s.files)
					checkStep(t, w, dir, s)
				}
				if files := w.files(); slices.Contains(files, c.entry) {
					t.Errorf("ripd was told of files that this process loads anew: %q", files)
				}
			})
		}
	})
}

// What a request imports is kept an eye on after what imports it was loaded anew,
// also if it was loaded so long ago that its stamp is sure.
func TestJavaScriptLazyImports(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		dir := t.TempDir()
		put(t, dir, map[string]string{
			"index.mjs": "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n" +
				"export default { fetch: async () => new Response(`1 ${(await import('./esm.mjs')).n} ${require('./cjs.cjs').n}`) };",
			"esm.mjs": "export const n = 1;", "cjs.cjs": "exports.n = 1;"})
		old := time.Now().Add(-time.Hour)
		for _, name := range []string{"esm.mjs", "cjs.cjs"} {
			if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
		w := startJS(t, r, filepath.Join(dir, "index.mjs"), "RIP_RELOAD=module", "RIP_DEVELOPMENT=1")
		index, err := os.ReadFile(filepath.Join(dir, "index.mjs"))
		if err != nil {
			t.Fatal(err)
		}
		// Until the stamps are sure; there is nothing to be seen of that from outside.
		for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
			checkStep(t, w, dir, reloadStep{name: "at first", want: "200 1 1 1"})
		}
		put(t, dir, map[string]string{"index.mjs": strings.Replace(string(index), "`1 ", "`2 ", 1)})
		checkStep(t, w, dir, reloadStep{name: "the entry", want: "200 2 1 1"})
		put(t, dir, map[string]string{"cjs.cjs": "exports.n = 2;"})
		checkStep(t, w, dir, reloadStep{name: "CommonJS", want: "200 2 1 2"})
		put(t, dir, map[string]string{"esm.mjs": "export const n = 2;"})
		checkStep(t, w, dir, reloadStep{name: "an ES module", want: "200 2 2 2"})
	})
}

func checkStep(t *testing.T, w *jsWorker, dir string, s reloadStep) {
	t.Helper()
	answer, err := w.do("GET", "/", "")
	if !strings.HasPrefix(s.want, "!") {
		if got := text(answer, err); !strings.HasPrefix(got, s.want) {
			t.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	answer.Body.Close()
	field, _ := url.PathUnescape(answer.Header.Get("Rip-Worker-Error"))
	var told struct {
		Message, File, Trace string
		Line                 int
	}
	if err := json.Unmarshal([]byte(field), &told); err != nil || answer.StatusCode != 500 {
		t.Fatalf("%s: %d %q: %v", s.name, answer.StatusCode, field, err)
	}
	message, place, _ := strings.Cut(s.want[1:], " ")
	if words := strings.Fields(s.want[1:]); len(words) > 2 {
		message, place = strings.Join(words[:len(words)-1], " "), words[len(words)-1]
	}
	file, line, _ := strings.Cut(place, ":")
	if !strings.Contains(told.Message, message) || !strings.HasSuffix(told.File, file) || file != "" && !strings.HasPrefix(told.File, dir) {
		t.Errorf("%s: told %+v, want %q", s.name, told, s.want)
	}
	if line != "" && line != string(rune('0'+told.Line)) {
		t.Errorf("%s: line %d, want %s", s.name, told.Line, line)
	}
}

// An app that is broken from the start is served as broken in development, and
// is the worker's end elsewhere.
func TestJavaScriptBrokenFromTheStart(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"index.mjs": "import './leaf.mjs';", "leaf.mjs": "throw new Error('no use');"})
		w := startJS(t, r, filepath.Join(dir, "index.mjs"), "RIP_RELOAD=module", "RIP_DEVELOPMENT=1")
		checkStep(t, w, dir, reloadStep{name: "at first", want: "!no use leaf.mjs:1"})
		put(t, dir, map[string]string{"index.mjs": "import './leaf.mjs';\nexport default { fetch: () => new Response('good') };", "leaf.mjs": "export {};"})
		checkStep(t, w, dir, reloadStep{name: "good", want: "200 good"})

		put(t, dir, map[string]string{"leaf.mjs": "throw new Error('no use');"})
		w = launchJS(t, r, filepath.Join(dir, "index.mjs"), "RIP_RELOAD=module")
		if code := w.Wait(t, startMost); code != 1 || !strings.Contains(w.Stderr.String(), "the app could not be loaded: Error: no use") {
			t.Errorf("exit code %d, said %q", code, w.Stderr)
		}
		if got := w.door.seen(); got != "" {
			t.Errorf("the control socket saw %q", got)
		}
	})
}

// Bun remembers what a folder holds, so that a deleted file is for a new process.
func TestBunDeletedFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"index.mjs": "import { leaf } from './leaf.mjs';\nexport default { fetch: () => new Response(leaf) };", "leaf.mjs": "export const leaf = 'leaf';"})
	w := startJS(t, bun, filepath.Join(dir, "index.mjs"), "RIP_RELOAD=module", "RIP_DEVELOPMENT=1")
	put(t, dir, map[string]string{"leaf.mjs": ""})
	checkStep(t, w, dir, reloadStep{want: "!ENOENT "})
	if code := w.Wait(t, testkit.Timeout); code != 0 || !strings.Contains(w.door.seen(), "deregister") {
		t.Errorf("exit code %d, the control socket saw %q", code, w.door.seen())
	}
}

// Old modules stay in the runtime's memory, so that a process is not reloaded
// for ever.
func TestJavaScriptReloadsAreBounded(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		dir := t.TempDir()
		put(t, dir, map[string]string{"index.mjs": "export default { fetch: () => new Response('0') };"})
		w := startJS(t, r, filepath.Join(dir, "index.mjs"), "RIP_RELOAD=module", "RIP_RELOADS_MAX=3")
		for _, n := range []string{"1", "2", "3"} {
			put(t, dir, map[string]string{"index.mjs": "export default { fetch: () => new Response('" + n + "') };"})
			if got := w.get("/"); got != "200 "+n {
				t.Errorf("got %q, want %s", got, n)
			}
		}
		if code := w.Wait(t, testkit.Timeout); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if got := w.door.seen(); got != "register js/1 secret, deregister js/1 secret" {
			t.Errorf("the control socket saw %q", got)
		}
	})
}
