package config

import (
	"os"
	"path/filepath"
	"strings"
)

// Commands that run an app of a kind, as examples in messages.
const (
	pumaCommand     = `command = ["puma", "-b", "unix://$SOCKET_PATH"]`
	nodeCommand     = `command = ["node", "server.js"], which listens on process.env.SOCKET_PATH`
	bunCommand      = `command = ["bun", "index.ts"], which listens on process.env.SOCKET_PATH`
	gunicornCommand = `command = ["gunicorn", "--bind", "unix:$SOCKET_PATH", "app:app"]`
	uvicornCommand  = `command = ["uvicorn", "--uds", "$SOCKET_PATH", "main:app"]`
	anyCommand      = `command = ["./server"], a program that serves HTTP on the unix socket $SOCKET_PATH`
)

// adapterExamples are commands in the place of adapters.
var adapterExamples = map[string]string{
	"rack": pumaCommand, "node": nodeCommand, "bun": bunCommand, "wsgi": gunicornCommand, "asgi": uvicornCommand,
}

// knownFiles tells which file gives away which kind of app, the surest first.
var knownFiles = []struct{ file, command string }{
	{"config.ru", pumaCommand},
	{"server.js", nodeCommand},
	{"index.js", strings.Replace(nodeCommand, "server.js", "index.js", 1)},
	{"index.ts", bunCommand},
	{"app.py", gunicornCommand},
	{"wsgi.py", strings.Replace(gunicornCommand, "app:app", "wsgi", 1)},
	{"manage.py", strings.Replace(gunicornCommand, "app:app", "PROJECT.wsgi", 1)},
	{"asgi.py", strings.Replace(uvicornCommand, "main:app", "asgi:app", 1)},
	{"main.py", uvicornCommand},
	{"package.json", nodeCommand},
	{"go.mod", `command = ["./NAME"], the program that go build makes`},
}

// folderFault says what is missing in a folder without a command, and which one
// would fit to what is there.
func (l *loader) folderFault() *fault {
	dir := l.cfg.App
	where := "write into " + filepath.Join(dir, FileName) + ": "
	if l.cfg.File != "" {
		where = "write "
	}
	for _, k := range knownFiles {
		if isFile(filepath.Join(dir, k.file)) {
			return faultf("this version runs programs, and no command was given for %s (found %s)", dir, k.file).
				hinted("%s%s", where, k.command)
		}
	}
	if program := programIn(dir); program != "" {
		return faultf("no command was given for %s (found the program %s)", dir, program).
			hinted("%scommand = [%s]", where, quote("./"+program))
	}
	return faultf("no command was given for %s, and nothing in it is known", dir).hinted("%s%s", where, anyCommand)
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
	base := filepath.Base(app)
	f := faultf("%s is not a program: it may not be executed", app)
	if command := commandFor(base); command != "" {
		f = faultf("this version runs programs, and %s is none", base)
		return f.hinted("serve its folder, with a %s that says %s", FileName, command)
	}
	return f.hinted("chmod +x %s, or give a command", app)
}

// commandFor gives an example for a file by its name, "" for an unknown one.
func commandFor(base string) string {
	for _, k := range knownFiles {
		if k.file == base {
			return k.command
		}
	}
	switch name, ext := strings.TrimSuffix(base, filepath.Ext(base)), filepath.Ext(base); ext {
	case ".ru":
		return pumaCommand
	case ".js", ".mjs", ".cjs":
		return strings.Replace(nodeCommand, "server.js", base, 1)
	case ".ts":
		return strings.Replace(bunCommand, "index.ts", base, 1)
	case ".py":
		return strings.Replace(gunicornCommand, "app:app", name+":app", 1)
	}
	return ""
}

// missing is the fault of an app that is not there. "app.py:app" and
// "config.ru" are ways to name an app that need an adapter.
func (l *loader) missing(err error) *fault {
	app := l.cfg.App
	file, object, colon := strings.Cut(filepath.Base(app), ":")
	if path := filepath.Join(filepath.Dir(app), file); colon && isFile(path) {
		example := commandFor(file)
		if example == "" {
			example = anyCommand
		}
		return faultf("this version runs programs, and %s:%s is none", file, object).
			hinted("serve its folder, with a %s that says %s", FileName, strings.Replace(example, ":app", ":"+object, 1))
	}
	f := faultf("%s: %s", app, strings.Replace(reason(err), "no such file", "no such file or folder", 1))
	if near := nearestFile(app); near != "" && near != app {
		f.hinted("did you mean %s?", near)
	}
	return f
}
