package adapter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

func pythonApp(t *testing.T, name string) string {
	return filepath.Join(testkit.Root(t), "internal/adapter/testdata/python", name)
}

func TestWSGI(t *testing.T) {
	w := startJS(t, wsgiEngine, pythonApp(t, "app.py"))
	for _, c := range []struct{ path, want string }{
		{"/write", "200 written and returned"},
		{"/long", "200 long"},
		{"/nothing", "500 Internal Server Error\n"}, // start_response was not called
		{"/hop", "500 Internal Server Error\n"},     // a field of the connection
	} {
		if got := w.get(c.path); got != c.want {
			t.Errorf("%s: %q", c.path, got)
		}
	}
}

func TestASGILifespan(t *testing.T) {
	entry := pythonApp(t, "asgi.py")
	w := startJS(t, asgiEngine, entry)
	if got := w.get("/state"); got != "200 yes" {
		t.Errorf("the lifespan's state: %q", got)
	}
	w = launchJS(t, asgiEngine, entry, "FAIL_STARTUP=1")
	if code := w.Wait(t, startMost); code != 1 || !strings.Contains(w.Stderr.String(), "the app does not start: no data base") {
		t.Errorf("exit code %d, %q", code, w.Stderr)
	}
	if got := w.door.seen(); got != "" {
		t.Errorf("it registered all the same: %s", got)
	}
}

// An app that waits for it is told that the client has left.
func TestASGIClientLeaves(t *testing.T) {
	w := startJS(t, asgiEngine, pythonApp(t, "asgi.py"))
	told := filepath.Join(t.TempDir(), "told")
	conn, in := w.raw(t, "GET /wait HTTP/1.1\r\nHost: x\r\nX-Test: "+told+"\r\n\r\n")
	expect(t, in, "HTTP/1.1 200 ")
	conn.Close()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		data, err := os.ReadFile(told)
		return err == nil && string(data) == "http.disconnect"
	}, "http.disconnect")
}

// What the app's file is called, and what is looked for in it.
func TestPythonObjects(t *testing.T) {
	const app = "def %s(environ, start_response):\n    start_response('200 OK', [])\n    return [__name__.encode()]\n"
	define := func(name string) string { return strings.Replace(app, "%s", name, 1) }
	for _, c := range []struct{ name, file, text, object, want string }{
		{"app", "shop.py", define("app"), "", "200 shop"},
		{"application", "wsgi.py", define("application"), "", "200 wsgi"},
		{"a name", "shop.py", define("site"), "site", "200 shop"},
		{"a factory", "shop.py", define("inner") + "def create_app():\n    return inner\n", "", "200 shop"},
		{"a factory by its name", "shop.py", define("inner") + "def make():\n    return inner\n", "make()", "200 shop"},
		{"in a package", "shop/web.py", define("app"), "", "200 shop.web"},
		{"none", "shop.py", "x = 1\n", "", "has none of app, application, create_app() and make_app()"},
		{"asgi", "shop.py", "async def app(scope, receive, send):\n    pass\n", "", `this is an ASGI app: set adapter = "asgi"`},
		{"a module's name that is taken", "json.py", define("app"), "", "json.py cannot be imported: json is "},
	} {
		t.Run(c.name, func(t *testing.T) {
			entry := filepath.Join(t.TempDir(), c.file)
			if err := os.MkdirAll(filepath.Dir(entry), 0o700); err != nil {
				t.Fatal(err)
			}
			if filepath.Base(filepath.Dir(entry)) == "shop" {
				if err := os.WriteFile(filepath.Join(filepath.Dir(entry), "__init__.py"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(entry, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(c.want, "200 ") {
				w := launchJS(t, wsgiEngine, entry, "RIP_OBJECT="+c.object)
				if code := w.Wait(t, startMost); code != 1 || !strings.Contains(w.Stderr.String(), c.want) {
					t.Errorf("exit code %d, %s", code, w.Stderr)
				}
				return
			}
			if got := startJS(t, wsgiEngine, entry, "RIP_OBJECT="+c.object).get("/"); got != c.want {
				t.Errorf("%s", got)
			}
		})
	}
}

// The modules that change are loaded anew, with those that import them, and no others.
func TestPythonReloadsWhatDepends(t *testing.T) {
	dir := t.TempDir()
	save := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("app.py", "import middle, state\ndef app(environ, start_response):\n    start_response('200 OK', [])\n"+
		"    state.count += 1\n    return [f'{middle.VALUE} {state.count}'.encode()]\n")
	save("middle.py", "from deep import leaf\nVALUE = leaf.VALUE * 2\n")
	save("deep/__init__.py", "")
	save("deep/leaf.py", "VALUE = 1\n")
	save("state.py", "count = 0\n")
	w := startJS(t, wsgiEngine, filepath.Join(dir, "app.py"), "RIP_RELOAD=module", "RIP_DEVELOPMENT=1")
	step := func(want string) {
		t.Helper()
		if got := w.get("/"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	step("200 2 1")
	save("deep/leaf.py", "VALUE = 2\n")
	step("200 4 2") // state lives on
	save("deep/leaf.py", "VALUE = (\n")
	step("500 The app does not load.\n")
	step("500 The app does not load.\n")
	save("deep/leaf.py", "import deep.more\nVALUE = deep.more.VALUE\n")
	step("500 The app does not load.\n") // what it imports is not there yet
	save("deep/more.py", "VALUE = 4\n")
	step("200 8 3")
	save("state.py", "count = 10\n")
	step("200 8 11")
	if err := os.Remove(filepath.Join(dir, "deep/more.py")); err != nil {
		t.Fatal(err)
	}
	step("500 The app does not load.\n")
	save("deep/leaf.py", "VALUE = 5\n")
	step("200 10 12")
	if got := w.files(); len(got) != 0 {
		t.Errorf("the mode module tells ripd of %v", got)
	}
}

// A virtual environment of the app's own is used, and python3 of PATH without one.
func TestPythonOfTheApp(t *testing.T) {
	dir := t.TempDir()
	if got := python(dir); got[0] != "python3" {
		t.Errorf("%s", got)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".venv/bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(debianPython, filepath.Join(dir, ".venv/bin/python")); err != nil {
		t.Fatal(err)
	}
	if got := python(dir); got[0] != filepath.Join(dir, ".venv/bin/python") {
		t.Errorf("%s", got)
	}
}
