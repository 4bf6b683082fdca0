package config

import (
	"os"
	"path/filepath"
	"strings"
)

const anyCommand = `command = ["./server"], a program that serves HTTP on the unix socket $SOCKET_PATH`

// folderFault says what is missing in a folder without a command that no adapter
// knows.
func (l *loader) folderFault() *fault {
	dir, adapter := l.cfg.App, l.cfg.Adapter
	where := "write into " + filepath.Join(dir, FileName) + ": "
	if l.cfg.File != "" {
		where = "write "
	}
	switch adapter {
	case AdapterRack:
		return faultf("there is no config.ru in %s, which the adapter rack loads", dir).hinted(`name the file, as app = "web.ru"`)
	case AdapterWSGI:
		return faultf("there is no app.py, wsgi.py or manage.py in %s, which the adapter wsgi loads", dir).hinted(`name the file and what is in it, as app = "shop.py:app"`)
	case AdapterASGI:
		return faultf("there is no asgi.py, main.py or app.py in %s, which the adapter asgi loads", dir).hinted(`name the file and what is in it, as app = "shop.py:app"`)
	case AdapterNode, AdapterBun:
		return faultf("there is no index, server or app in %s, nor a package.json that names one, which the adapter %s loads", dir, adapter).hinted(`name the file, as app = "shop.mjs"`)
	}
	for _, k := range guesses {
		if isFile(filepath.Join(dir, k.file)) {
			return faultf("no command was given for %s (found %s)", dir, k.file).hinted("%s%s", where, k.line)
		}
	}
	if program := programIn(dir); program != "" {
		return faultf("no command was given for %s (found the program %s)", dir, program).
			hinted("%scommand = [%s]", where, quote("./"+program))
	}
	return faultf("no command was given for %s, and nothing in it is known", dir).hinted("%s%s", where, anyCommand)
}

// guesses are files that say what an app is, but not how it is run.
var guesses = []struct{ file, line string }{
	{"main.py", `app = "main.py:app", with adapter = "asgi" for FastAPI and Starlette`},
	{"package.json", `app = "src/main.js", the file with the app`},
	{"go.mod", `command = ["./NAME"], the program that go build makes`},
}

// programIn gives the name of the first program in a folder, "" without one.
func programIn(dir string) string {
	f, err := os.Open(dir)
	if err != nil {
		return ""
	}
	defer f.Close()
	entries, _ := f.ReadDir(maxSiblings)
	first := ""
	for _, e := range entries {
		if first != "" && e.Name() >= first || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().Perm()&0o111 != 0 {
			first = e.Name()
		}
	}
	return first
}

// fileFault says why a file that is no program cannot be run.
func (l *loader) fileFault() *fault {
	app := l.cfg.App
	if l.cfg.Adapter != AdapterAuto && l.cfg.Adapter != AdapterExec {
		return faultf("the adapter %s cannot load %s", l.cfg.Adapter, filepath.Base(app))
	}
	return faultf("%s is not a program: it may not be executed", app).hinted("chmod +x %s, or give a command", app)
}

// splitObject takes "app.py:app" apart, a way to name an app in Python, when a
// file of the first part is there and none of the whole name.
func (l *loader) splitObject() {
	c := l.cfg
	if _, err := os.Stat(c.App); err == nil {
		return
	}
	file, object, colon := strings.Cut(filepath.Base(c.App), ":")
	if path := filepath.Join(filepath.Dir(c.App), file); colon && object != "" && isFile(path) {
		c.App, c.Object = path, object
	}
}

// missing is the fault of an app that is not there.
func (l *loader) missing(err error) *fault {
	app := l.cfg.App
	f := faultf("%s: %s", app, strings.Replace(reason(err), "no such file", "no such file or folder", 1))
	if near := nearestFile(app); near != "" && near != app {
		f.hinted("did you mean %s?", near)
	}
	return f
}
