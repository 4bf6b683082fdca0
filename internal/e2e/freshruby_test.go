package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// padded is a version as a number of constant length, so that writing in place
// leaves nothing of the old text.
func padded(version int) string { return fmt.Sprintf("%-9d\n", version) }

// rackSource is an app in Ruby: config.ru, and files that require each other.
func rackSource(dir string) source {
	return source{dir: dir, files: []string{"config.ru", "app.rb", "lib/mid.rb", "lib/deep/leaf.rb"},
		text: func(file string, version int) string {
			switch file {
			case "config.ru":
				return "require_relative 'app'\nrun App.new\nENTRY = " + padded(version)
			case "app.rb":
				return "require_relative 'lib/mid'\nclass App\n  include Mid\n" +
					"  def call(_env) = [200, {}, [[ENTRY, VERSION, mid, Deep::LEAF].join(' ')]]\nend\nApp::VERSION = " + padded(version)
			case "lib/mid.rb":
				return "require_relative 'deep/leaf'\nmodule Mid\n  def mid = VERSION\nend\nMid::VERSION = " + padded(version)
			default:
				return "module Deep; end\nDeep::LEAF = " + padded(version)
			}
		}}
}

// pythonSource is an app in Python: the entry, and modules that import each other
// in the ways that there are.
func pythonSource(dir, adapter string) source {
	answer := map[string]string{
		"wsgi": "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [text().encode()]\n",
		"asgi": "async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n" +
			"    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n    await send({'type': 'http.response.body', 'body': text().encode()})\n",
	}[adapter]
	entry := map[string]string{"wsgi": "app.py", "asgi": "asgi.py"}[adapter]
	return source{dir: dir, files: []string{entry, "mid.py", "shop/__init__.py", "shop/part.py", "shop/deep/leaf.py"},
		text: func(file string, version int) string {
			switch file {
			case entry:
				return "import mid\nimport shop\nfrom shop import part\ndef text():\n" +
					"    return f'{VERSION} {mid.VERSION} {shop.VERSION} {part.VERSION} {part.leaf_version}'\n" + answer + "VERSION = " + padded(version)
			case "mid.py":
				return "import shop.part\nVERSION = " + padded(version)
			case "shop/part.py":
				return "from .deep.leaf import VERSION as leaf_version\nVERSION = " + padded(version)
			default:
				return "VERSION = " + padded(version)
			}
		}}
}

// processSaves is how often files are saved where each save starts new processes.
const processSaves = "25"

// languageFresh runs the test of freshness for an app in both modes.
func languageFresh(t *testing.T, make func(dir string) source) {
	t.Helper()
	for _, mode := range []config.Mode{config.ModeModule, config.ModeProcess} {
		t.Run(string(mode), func(t *testing.T) {
			if mode == config.ModeProcess && os.Getenv("RIPD_SAVES") == "" {
				t.Setenv("RIPD_SAVES", processSaves)
			}
			dir := filepath.Join(testkit.TempSocketDir(t), "fresh")
			s := make(dir)
			s.write(t)
			// Debian's interpreters, and a queue that waits for a slow machine.
			settings := "env = { PATH = \"/usr/bin:/bin\" }\n[queue]\ntimeout = \"60s\"\n"
			if err := os.WriteFile(filepath.Join(dir, "ripd.toml"), []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			a := serve(t, dir, "w:2", "--hot-reload="+string(mode))
			staysFresh(t, a, s)
			staysWhole(t, a, s)
		})
	}
}

// staysWhole saves in the ways in which a file is not there, or empty, for a
// moment. No request may fail, although some come in that moment.
func staysWhole(t *testing.T, a *app, s source) {
	t.Helper()
	on, end := make(saved, len(s.files)), make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			client := &http.Client{Timeout: startMost, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-end:
					return
				default:
				}
				if fault := on.check(client, a.url); fault != "" {
					t.Error(fault)
					return
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(3, 4))
	for version := 1_000_001; version <= 1_000_010 && !t.Failed(); version++ {
		i := random.IntN(len(s.files))
		path := filepath.Join(s.dir, s.files[i])
		if version%2 == 0 {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
		if err := os.WriteFile(path, []byte(s.text(s.files[i], version)), 0o600); err != nil {
			t.Error(err)
		}
		on[i].Store(int64(version))
		if fault := on.check(http.DefaultClient, a.url); fault != "" {
			t.Error(fault)
		}
	}
	close(end)
	group.Wait()
}

func TestRubyStaysFresh(t *testing.T) {
	testkit.Need(t, "ruby")
	languageFresh(t, rackSource)
}

func TestPythonStaysFresh(t *testing.T) {
	testkit.Need(t, "/usr/bin/python3")
	for _, adapter := range []string{config.AdapterWSGI, config.AdapterASGI} {
		t.Run(adapter, func(t *testing.T) {
			languageFresh(t, func(dir string) source { return pythonSource(dir, adapter) })
		})
	}
}
