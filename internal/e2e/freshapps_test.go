package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// padded is a version as a number of constant length, so that writing in place
// leaves nothing of the old text. It is the end of a file.
func padded(version int64) string { return fmt.Sprintf("%-9d\n", version) }

// carried is the carrier's own version, or what it imports in its place. Both
// have the same length for numbers of up to 9 digits.
func carried(version, more int64, number func(int64) string, imported func(int64) string) string {
	text := number(version)
	if more > 0 {
		text = imported(more)
	}
	return fmt.Sprintf("%-120s\n", text)
}

// rackSource is an app in Ruby: config.ru, and files that require each other.
func rackSource(dir string) *source {
	return &source{dir: dir, files: []string{"config.ru", "app.rb", "lib/mid.rb", "lib/deep/leaf.rb"}, carrier: 2,
		extra: func(number int64) string { return fmt.Sprintf("lib/more_%d.rb", number) },
		text: func(file string, version, more int64) string {
			switch file {
			case "config.ru":
				return "require_relative 'app'\nrun App.new\nENTRY = " + padded(version)
			case "app.rb":
				return "require_relative 'lib/mid'\nclass App\n  include Mid\n" +
					"  def text = [ENTRY, VERSION, mid, Deep::LEAF, MORE].join(' ')\n" +
					"  def call(env)\n    answer = text\n    if env['PATH_INFO'] == '/slow'\n      sleep 0.03\n      answer = 'torn' if text != answer\n    end\n" +
					"    [200, {}, [answer]]\n  end\nend\nApp::VERSION = " + padded(version)
			case "lib/mid.rb":
				return carried(version, more, func(v int64) string { return fmt.Sprint("MORE = ", v) },
					func(m int64) string { return fmt.Sprintf("require_relative 'more_%d'", m) }) +
					"require_relative 'deep/leaf'\nmodule Mid\n  def mid = VERSION\nend\nMid::VERSION = " + padded(version)
			case "lib/deep/leaf.rb":
				return "module Deep; end\nDeep::LEAF = " + padded(version)
			default:
				return "MORE = " + padded(version)
			}
		}}
}

// pythonParts are modules that import each other in the ways that there are.
// text() of the module that is the entry has their versions.
func pythonParts(dir, entry, answer string) *source {
	return &source{dir: dir, files: []string{entry, "mid.py", "shop/__init__.py", "shop/part.py", "shop/deep/leaf.py"}, carrier: 1,
		extra: func(number int64) string { return fmt.Sprintf("shop/more_%d.py", number) },
		text: func(file string, version, more int64) string {
			switch file {
			case entry:
				return "import mid\nimport shop\nfrom shop import part\ndef text():\n" +
					"    return f'{VERSION} {mid.VERSION} {shop.VERSION} {part.VERSION} {part.leaf_version} {mid.MORE}'\n" + answer + "VERSION = " + padded(version)
			case "mid.py":
				return carried(version, more, func(v int64) string { return fmt.Sprint("MORE = ", v) },
					func(m int64) string { return fmt.Sprintf("from shop.more_%d import VERSION as MORE", m) }) +
					"import shop.part\nVERSION = " + padded(version)
			case "shop/part.py":
				return "from .deep.leaf import VERSION as leaf_version\nVERSION = " + padded(version)
			default:
				return "VERSION = " + padded(version)
			}
		}}
}

func wsgiSource(dir string) *source {
	return pythonParts(dir, "app.py", `import time
def app(environ, start_response):
    answer = text()
    if environ['PATH_INFO'] == '/slow':
        time.sleep(0.03)
        answer = answer if text() == answer else 'torn'
    start_response('200 OK', [])
    return [answer.encode()]
`)
}

func asgiSource(dir string) *source {
	return pythonParts(dir, "asgi.py", `import asyncio
async def app(scope, receive, send):
    assert scope['type'] == 'http'
    answer = text()
    if scope['path'] == '/slow':
        await asyncio.sleep(0.03)
        answer = answer if text() == answer else 'torn'
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': answer.encode()})
`)
}

// scriptSource is an app in JavaScript: ES modules and CommonJS that load each
// other.
func scriptSource(dir string) *source {
	return &source{dir: dir, files: []string{"index.mjs", "lib/mid.mjs", "lib/plain.cjs", "lib/inner.cjs", "lib/deep/leaf.mjs"}, carrier: 1,
		extra: func(number int64) string { return fmt.Sprintf("lib/more_%d.mjs", number) },
		text: func(file string, version, more int64) string {
			switch file {
			case "index.mjs":
				return `import { leaf } from './lib/deep/leaf.mjs';
import { mid, more } from './lib/mid.mjs';
import { plain, inner } from './lib/plain.cjs';
const text = () => [version, mid, plain, inner, leaf, more].join(' ');
export default { async fetch(request) {
  let answer = text();
  if (request.url.endsWith('/slow')) {
    await new Promise((resume) => setTimeout(resume, 30));
    if (text() !== answer) answer = 'torn';
  }
  return new Response(answer);
} };
const version = ` + padded(version)
			case "lib/mid.mjs":
				return carried(version, more, func(v int64) string { return fmt.Sprintf("export const more = %d;", v) },
					func(m int64) string { return fmt.Sprintf("export { more } from './more_%d.mjs';", m) }) +
					"import './deep/leaf.mjs';\nexport const mid = " + padded(version)
			case "lib/plain.cjs":
				return "exports.inner = require('./inner.cjs');\nexports.plain = " + padded(version)
			case "lib/inner.cjs":
				return "module.exports = " + padded(version)
			case "lib/deep/leaf.mjs":
				return "export const leaf = " + padded(version)
			default:
				return "export const more = " + padded(version)
			}
		}}
}

// How often the files of an app are saved where RIPD_SAVES does not say. In the
// mode process each save starts new processes.
const moduleSaves, processSaves = 52, 26

// freshCase is an app in one mode.
type freshCase struct {
	words string
	usual int
}

var (
	inBothModes = []freshCase{{"--hot-reload=module w:2", moduleSaves}, {"--hot-reload=module w:1 c:4", moduleSaves}, {"--hot-reload=process w:2", processSaves}}
	inProcesses = []freshCase{{"--hot-reload=process w:2", processSaves}}
)

// freshIn runs the test of freshness in several modes. settings are for ripd.toml.
func freshIn(t *testing.T, cases []freshCase, settings string, source func(dir string) *source) {
	t.Helper()
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.words, "--hot-reload=", ""), func(t *testing.T) {
			dir := filepath.Join(testkit.TempSocketDir(t), "fresh")
			s := source(dir)
			s.write(t)
			// A queue that waits for a slow machine.
			text := settings + "\n[queue]\ntimeout = \"60s\"\n"
			if err := os.WriteFile(filepath.Join(dir, "ripd.toml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			staysFresh(t, serve(t, append([]string{dir}, strings.Fields(c.words)...)...), s, c.usual)
		})
	}
}

// debian is for Debian's interpreters, with the libraries that Debian has.
const debian = `env = { PATH = "/usr/bin:/bin" }`

func TestRubyStaysFresh(t *testing.T) {
	testkit.Need(t, "ruby")
	freshIn(t, inBothModes, debian, rackSource)
}

func TestPythonStaysFresh(t *testing.T) {
	testkit.Need(t, "/usr/bin/python3")
	t.Run(config.AdapterWSGI, func(t *testing.T) { freshIn(t, inBothModes, debian, wsgiSource) })
	t.Run(config.AdapterASGI, func(t *testing.T) { freshIn(t, inBothModes, debian, asgiSource) })
}

func TestNodeStaysFresh(t *testing.T) {
	testkit.Need(t, "node")
	freshIn(t, inBothModes, `adapter = "node"`, scriptSource)
}

func TestBunStaysFresh(t *testing.T) {
	t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
	freshIn(t, inBothModes, `adapter = "bun"`, scriptSource)
}
