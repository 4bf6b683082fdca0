package adapter

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// folder is an app that a test saves files of.
type folder struct {
	t   *testing.T
	dir string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f folder) save(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) remove(name string) {
	f.t.Helper()
	if err := os.Remove(f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

const inModuleMode, inDevelopment = "RIP_RELOAD=module", "RIP_DEVELOPMENT=1"

const notLoading = "500 The app does not load.\n"

// steps saves one file after the other, and says what / answers then.
func (f folder) steps(w *jsWorker, steps ...[3]string) {
	f.t.Helper()
	for _, s := range steps {
		name, content, want := s[0], s[1], s[2]
		switch {
		case name == "":
		case content == "":
			f.remove(name)
		default:
			f.save(name, content)
		}
		for range 2 {
			if got := w.get("/"); got != want {
				f.t.Errorf("after %s = %q: %q, want %q", name, content, got, want)
			}
		}
	}
}

func TestRubyReloads(t *testing.T) {
	f := newFolder(t)
	f.save("config.ru", "require_relative 'app'\nrun App.new\n")
	f.save("app.rb", "require_relative 'lib/leaf'\nclass App\n  def call(_env) = [200, {}, [Leaf.text]]\nend\n")
	f.save("lib/leaf.rb", "module Leaf\n  def self.text = 'one'\nend\n")
	w := startJS(t, rackEngine, f.path("config.ru"), inModuleMode, inDevelopment)
	f.steps(w, [][3]string{
		{"", "", "200 one"},
		{"lib/leaf.rb", "module Leaf\n  def self.text = 'two'\nend\n", "200 two"},
		{"lib/leaf.rb", "module Leaf\n  def self.text = (\nend\n", notLoading},
		{"lib/leaf.rb", "module Leaf\n  def self.text = 'three'\nend\n", "200 three"},
		{"lib/leaf.rb", "require_relative 'more'\nmodule Leaf\n  def self.text = More::TEXT\nend\n", notLoading}, // it is not there yet
		{"lib/more.rb", "module More\n  TEXT = 'four'\nend\n", "200 four"},
		{"lib/more.rb", "module More\n  TEXT = 'five'\nend\n", "200 five"},
		{"lib/more.rb", "", notLoading},
		{"lib/leaf.rb", "class Leaf\n  def self.text = 'a class now'\nend\n", "200 a class now"},
		{"config.ru", "require_relative 'app'\nrun ->(env) { App.new.call(env) }\nthrow :nowhere\n", notLoading},
		{"config.ru", "run ->(_env) { [200, {}, ['no app']] }\n", "200 no app"},
	}...)
	if got := w.files(); len(got) != 0 {
		t.Errorf("the mode module tells ripd of %v", got)
	}
	if log := w.Stderr.String(); strings.Contains(log, "warning") {
		t.Errorf("Ruby warns: %s", log)
	}
}

// An error says where it is, for the page that a developer sees.
func TestBrokenCodeTellsItsPlace(t *testing.T) {
	for _, c := range []struct {
		engine
		entry, good, broken string
	}{
		{rackEngine, "config.ru", "run ->(_env) { [200, {}, ['good']] }\n", "\nraise \"say \\\"ü\\\"\"\n"},
		{wsgiEngine, "app.py", "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'good']\n", "\nraise ValueError('say \"ü\"')\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t)
			f.save(c.entry, c.broken) // from the start
			w := startJS(t, c.engine, f.path(c.entry), inModuleMode, inDevelopment)
			answer, err := w.do("GET", "/", "")
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			told := decodeError(t, answer.Header.Get("Rip-Worker-Error"))
			if told.File != f.path(c.entry) || told.Line != 2 || !strings.Contains(told.Message, `say "ü"`) || !strings.Contains(told.Trace, c.entry) {
				t.Errorf("%+v", told)
			}
			f.steps(w, [3]string{c.entry, c.good, "200 good"})
			if log := w.Stderr.String(); strings.Count(log, "the app does not load") != 1 {
				t.Errorf("said %q", log)
			}
		})
	}
}

// In production, code that does not load ends the worker: a roll goes back then.
func TestBrokenCodeEndsInProduction(t *testing.T) {
	for _, e := range []engine{rackEngine, wsgiEngine, asgiEngine} {
		f := newFolder(t)
		entry := map[string]string{"rack": "config.ru", "wsgi": "app.py", "asgi": "asgi.py"}[e.name]
		f.save(entry, "raise RuntimeError\n")
		for _, mode := range []string{"none", "process", "module"} {
			w := launchJS(t, e, f.path(entry), "RIP_RELOAD="+mode)
			if code := w.Wait(t, startMost); code != 1 || !strings.Contains(w.Stderr.String(), "RuntimeError") || w.door.seen() != "" {
				t.Errorf("%s, %s: exit code %d, %q, %s", e.name, mode, code, w.door.seen(), w.Stderr)
			}
		}
	}
}

// Sinatra's classic style keeps its routes in one class of the library's.
func TestSinatraReloads(t *testing.T) {
	f := newFolder(t)
	f.save("config.ru", "require 'sinatra'\nrequire_relative 'routes'\nset :show_exceptions, false\nrun Sinatra::Application\n")
	f.save("routes.rb", "get('/') { 'one' }\n")
	w := startJS(t, rackEngine, f.path("config.ru"), inModuleMode, inDevelopment)
	if got := w.get("/"); strings.Contains(w.Stderr.String(), "LoadError") {
		testkit.Lacking(t, "ruby-sinatra: "+got)
	}
	f.steps(w, [][3]string{
		{"", "", "200 one"},
		{"routes.rb", "get('/') { 'two' }\n", "200 two"},
		{"routes.rb", "get('/') { erb :page }\n", "500 <h1>Internal Server Error</h1>"},
		{"views/page.erb", "page <%= 1 + 1 %>", "200 page 2"},
		{"views/page.erb", "page <%= 1 + 2 %>", "200 page 3"},
	}...)
}

// Zeitwerk's loaders of the app are taken down and made anew.
func TestZeitwerkReloads(t *testing.T) {
	f := newFolder(t)
	f.save("config.ru", "require 'zeitwerk'\nloader = Zeitwerk::Loader.new\nloader.push_dir(File.join(__dir__, 'app'))\nloader.enable_reloading\nloader.setup\n"+
		"run ->(_env) { [200, {}, [Shop::Page.text]] }\n")
	f.save("app/shop/page.rb", "module Shop\n  class Page\n    def self.text = \"page #{Shop::Price::VALUE}\"\n  end\nend\n")
	f.save("app/shop/price.rb", "module Shop\n  class Price\n    VALUE = 1\n  end\nend\n")
	w := startJS(t, rackEngine, f.path("config.ru"), inModuleMode, inDevelopment)
	f.steps(w, [][3]string{
		{"", "", "200 page 1"},
		{"app/shop/price.rb", "module Shop\n  class Price\n    VALUE = 2\n  end\nend\n", "200 page 2"},
		{"app/shop/price.rb", "module Shop\n  class Price\n    VALUE = (\n  end\nend\n", "500 Internal Server Error\n"}, // loaded by the request
		{"app/shop/price.rb", "module Shop\n  class Price\n    VALUE = 3\n  end\nend\n", "200 page 3"},
		{"app/shop/page.rb", "module Shop\n  class Page\n    def self.text = \"page #{Shop::Tax::VALUE}\"\n  end\nend\n", "500 Internal Server Error\n"},
		{"app/shop/tax.rb", "module Shop\n  class Tax\n    VALUE = 4\n  end\nend\n", "200 page 4"}, // a file that is new
	}...)
}

// loadError is what the header Rip-Worker-Error tells.
type loadError struct {
	Message, File, Trace string
	Line                 int
}

func decodeError(t *testing.T, field string) loadError {
	t.Helper()
	if len(field) > 8192 {
		t.Errorf("a header of %d bytes", len(field))
	}
	text, err := url.PathUnescape(field)
	if err != nil {
		t.Fatal(err)
	}
	var e loadError
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return e
}

// A package whose own file is away for longer than a save takes is imported without
// it; the file counts when it is back.
func TestPythonPackageLosesItsFile(t *testing.T) {
	for _, atFirst := range []bool{false, true} {
		f := newFolder(t)
		f.save("app.py", "import shop\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [getattr(shop, 'NAME', 'none').encode()]\n")
		f.save("shop/part.py", "x = 1\n")
		if !atFirst {
			f.save("shop/__init__.py", "NAME = 'one'\n")
		}
		w := startJS(t, wsgiEngine, f.path("app.py"), inModuleMode, inDevelopment)
		if !atFirst {
			f.steps(w, [3]string{"", "", "200 one"}, [3]string{"shop/__init__.py", "", "200 none"})
		}
		f.steps(w, [3]string{"", "", "200 none"}, [3]string{"shop/__init__.py", "NAME = 'two'\n", "200 two"})
	}
	f := newFolder(t)
	f.save("app.py", "import shop\ndef app(environ, start_response):\n    pass\n")
	f.save("shop/part.py", "x = 1\n")
	w := startJS(t, wsgiEngine, f.path("app.py"), "RIP_RELOAD=process")
	if got := strings.Join(w.files(), " "); got != "__init__.py app.py" {
		t.Errorf("ripd was told of %s", got)
	}
}
