package config

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The adapters. AdapterAuto is none: it is replaced by the one that fits.
const (
	AdapterAuto = "auto"
	AdapterRack = "rack"
	AdapterNode = "node"
	AdapterBun  = "bun"
	AdapterWSGI = "wsgi"
	AdapterASGI = "asgi"
	AdapterExec = "exec"
	adapterDemo = "demo"
)

// Entry is the file of an app that an adapter loads.
type Entry struct {
	// Adapter loads it; never AdapterAuto.
	Adapter string
	// Path is the file, below the folder that was looked into or the file itself.
	Path string
	// Absent are the paths of files that would be loaded instead if they were
	// there, at most a few dozen.
	Absent []string
}

// entryNames are the files that give an app's adapter away, the surest first.
// For node and bun see scriptEntry.
var entryNames = []struct{ file, adapter string }{
	{"config.ru", AdapterRack},
	{"asgi.py", AdapterASGI},
	{"wsgi.py", AdapterWSGI},
	{"app.py", AdapterWSGI},
	{"manage.py", AdapterWSGI},
}

// asgiNames are files that hold an ASGI app when the adapter says so.
var asgiNames = []string{"asgi.py", "main.py", "app.py"}

// FindEntry finds what the adapter loads: app itself when it is a file, else a
// file in the folder app. With AdapterAuto it finds the adapter too. It is false
// when nothing fits. A roll calls it anew, because the app's files may have moved.
func FindEntry(adapter, app string) (Entry, bool) {
	info, err := os.Stat(app)
	if err != nil {
		return Entry{}, false
	}
	if !info.IsDir() {
		if adapter == AdapterAuto {
			adapter = adapterOfFile(app)
		}
		return Entry{Adapter: adapter, Path: app}, adapter != "" && adapter != AdapterExec
	}
	if adapter == AdapterASGI {
		return firstFile(adapter, app, asgiNames)
	}
	var names []string
	for _, e := range entryNames {
		switch path := filepath.Join(app, e.file); {
		case adapter == AdapterAuto && isFile(path):
			return Entry{Adapter: e.adapter, Path: path}, true
		case adapter == e.adapter:
			names = append(names, e.file)
		}
	}
	if len(names) > 0 {
		return firstFile(adapter, app, names)
	}
	if adapter == AdapterAuto || adapter == AdapterNode || adapter == AdapterBun {
		return scriptEntry(adapter, app)
	}
	return Entry{}, false
}

// firstFile is the first of the files in dir that is there.
func firstFile(adapter, dir string, names []string) (Entry, bool) {
	var absent []string
	for _, name := range names {
		path := filepath.Join(dir, name)
		if isFile(path) {
			return Entry{adapter, path, absent}, true
		}
		absent = append(absent, path)
	}
	return Entry{}, false
}

// adapterOfFile knows an app's file by its name; "" for none.
func adapterOfFile(path string) string {
	base := filepath.Base(path)
	if base == "asgi.py" {
		return AdapterASGI
	}
	switch ext := filepath.Ext(base); {
	case ext == ".ru":
		return AdapterRack
	case ext == ".py":
		return AdapterWSGI
	case slices.Contains(scriptEndings, ext):
		return scriptAdapter(filepath.Dir(path), path)
	}
	return ""
}

// What gives a JavaScript or TypeScript app away.
var (
	scriptStems   = []string{"index", "server", "app", "src/index", "src/server"}
	scriptEndings = []string{".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx"}
	bunFiles      = []string{"bun.lock", "bun.lockb", "bunfig.toml"}
)

// scriptEntry finds the entry of a JavaScript or TypeScript app: what its
// package.json names, else index, server or app.
func scriptEntry(adapter, dir string) (Entry, bool) {
	names := packageNames(dir)
	for _, stem := range scriptStems {
		for _, ending := range scriptEndings {
			names = append(names, stem+ending)
		}
	}
	entry, ok := firstFile(adapter, dir, names)
	if ok && adapter == AdapterAuto {
		entry.Adapter = scriptAdapter(dir, entry.Path)
	}
	return entry, ok
}

// scriptAdapter decides between node and bun.
func scriptAdapter(dir, path string) string {
	for _, name := range bunFiles {
		if isFile(filepath.Join(dir, name)) {
			return AdapterBun
		}
	}
	if shebang(path, "bun") {
		return AdapterBun
	}
	return AdapterNode
}

// maxPackage bounds a package.json, in bytes.
const maxPackage = 1 << 20

// packageNames are the files that package.json may mean with its exports, module
// and main, in the order in which node and bun ask for them.
func packageNames(dir string) []string {
	data, err := readBounded(filepath.Join(dir, "package.json"), maxPackage)
	if err != nil {
		return nil
	}
	var p struct {
		Exports      any
		Module, Main string
	}
	if json.Unmarshal(data, &p) != nil {
		return nil
	}
	var names []string
	for _, name := range []string{exported(p.Exports, 0), p.Module, p.Main} {
		if name == "" {
			continue
		}
		for _, ending := range append([]string{""}, scriptEndings...) {
			names = append(names, name+ending)
		}
	}
	return names
}

// exported is the path of "." in a package's exports, "" without one. Conditions
// nest a few levels deep at most.
func exported(value any, depth int) string {
	switch v := value.(type) {
	case string:
		return v
	case map[string]any:
		for _, key := range []string{".", "bun", "node", "import", "module", "require", "default"} {
			if inner, ok := v[key]; ok && depth < 4 {
				if path := exported(inner, depth+1); path != "" {
					return path
				}
			}
		}
	}
	return ""
}

// shebang tells whether the file's first line is #! with the program's name.
func shebang(path, program string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	line, _ := bufio.NewReaderSize(f, 256).ReadSlice('\n')
	words := strings.Fields(strings.TrimPrefix(string(line), "#!"))
	if !strings.HasPrefix(string(line), "#!") || len(words) == 0 {
		return false
	}
	return slices.ContainsFunc(words, func(w string) bool { return filepath.Base(w) == program })
}
