package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Which adapter loads an app, and which file of it.
func TestAdapters(t *testing.T) {
	for _, test := range []struct{ name, files, app, toml, want string }{
		{"rack", "config.ru Gemfile app.rb", "shop", "", "rack config.ru"},
		{"rack before node", "config.ru package.json server.js", "shop", "", "rack config.ru"},
		{"the file itself", "config.ru", "shop/config.ru", "", "rack config.ru"},
		{"another file", "web.ru", "shop/web.ru", "", "rack web.ru"},
		{"flask", "app.py", "shop", "", "wsgi app.py"},
		{"wsgi.py", "app.py wsgi.py", "shop", "", "wsgi wsgi.py"},
		{"django", "manage.py", "shop", "", "wsgi manage.py"},
		{"asgi.py", "asgi.py app.py", "shop", "", "asgi asgi.py"},
		{"asked for", "app.py config.ru", "shop", `adapter = "asgi"`, "asgi app.py"},
		{"main.py", "main.py app.py", "shop", `adapter = "asgi"`, "asgi main.py"},
		{"an object", "web.py", "shop/web.py:api", "", "wsgi web.py api"},
		{"an object in a file that may be executed", "+web.py", "shop/web.py:api", "", "wsgi web.py api"},
		{"a program", "+web.py", "shop/web.py", "", "exec"},
		{"a program by its adapter", "+web.py", "shop/web.py", `adapter = "wsgi"`, "wsgi web.py"},
		{"a command wins", "config.ru", "shop", `command = ["puma"]`, "exec"},
		{"node", "server.js", "shop", "", "node server.js"},
		{"node in a folder", "src/index.ts", "shop", "", "node src/index.ts"},
		{"package.json", `package.json={"main":"lib/web"} lib/web.mjs index.js`, "shop", "", "node lib/web.mjs"},
		{"exports", `package.json={"exports":{".":{"import":"./a.mjs"}},"main":"b.js"} a.mjs b.js`, "shop", "", "node a.mjs"},
		{"bun", "bun.lock index.ts", "shop", "", "bun index.ts"},
		{"bunfig", "bunfig.toml index.js", "shop", "", "bun index.js"},
		{"bun asked for", "index.js", "shop", `adapter = "bun"`, "bun index.js"},
		{"bun by its first line", "+index.ts=#!/usr/bin/bun", "shop/index.ts", "", "bun index.ts"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, entry := range strings.Fields(test.files) {
				name, text, _ := strings.Cut(entry, "=")
				mode := os.FileMode(0o644)
				if name[0] == '+' {
					name, mode = name[1:], 0o755
				}
				path := filepath.Join(dir, "shop", name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			file := filepath.Join(dir, "ripd.toml")
			if err := os.WriteFile(file, []byte(`app = "`+test.app+"\"\n"+test.toml+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			c, err := load(t, Input{Args: []string{file}, Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			got := c.AdapterInUse()
			if entry, ok := FindEntry(c.Detected, c.App); ok && got != AdapterExec {
				rel, err := filepath.Rel(filepath.Join(dir, "shop"), entry.Path)
				if err != nil {
					t.Fatal(err)
				}
				got = strings.TrimSpace(entry.Adapter + " " + rel + " " + c.Object)
			}
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if mode := map[bool]Mode{true: ModeProcess, false: ModeModule}[got == AdapterExec]; c.Reload.Mode != mode {
				t.Errorf("reload mode %s", c.Reload.Mode)
			}
		})
	}
}

// What would be loaded instead is known, so that it can be seen when it comes.
func TestAbsentEntries(t *testing.T) {
	for _, c := range []struct{ adapter, file, want string }{
		{AdapterWSGI, "app.py", "wsgi.py"},
		{AdapterASGI, "app.py", "asgi.py main.py"},
		{AdapterRack, "config.ru", ""},
		{AdapterNode, "index.mjs", "index.js"},
		{AdapterAuto, "index.mjs", "index.js"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		entry, ok := FindEntry(c.adapter, dir)
		var got []string
		for _, path := range entry.Absent {
			got = append(got, filepath.Base(path))
		}
		if strings.Join(got, " ") != c.want || !ok {
			t.Errorf("%s for %s: instead of it %q, want %q", c.adapter, c.file, got, c.want)
		}
	}
}
