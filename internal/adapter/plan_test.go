package adapter

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ripd/internal/config"
)

func TestWriteAndRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "programs")
	for range 2 { // what an earlier ripd has left is replaced
		p, err := Write(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, language := range languages {
			info, err := os.Stat(filepath.Join(p.dir, language.program))
			if err != nil || info.Mode() != 0o400 {
				t.Errorf("%s: %v, %v", language.program, info, err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v, %v", info, err)
		}
	}
	if err := (Programs{dir}).Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if err := (Programs{}).Remove(); err != nil {
		t.Errorf("nothing was written: %v", err)
	}
}

func TestPlan(t *testing.T) {
	for _, c := range []struct {
		name, app, file, adapter string
		want                     string // the command
		lock                     string // one of the files
	}{
		{"a folder", "shop", "config.ru", "rack", "ruby PROGRAMS/ruby/rack.rb", "Gemfile.lock"},
		{"a file", "shop/web.ru", "web.ru", "rack", "ruby PROGRAMS/ruby/rack.rb", "Gemfile.lock"},
		{"python", "shop", "app.py", "wsgi", "python3 PROGRAMS/python/wsgi.py", "requirements.txt"},
		{"asyncio", "shop", "main.py", "asgi", "python3 PROGRAMS/python/asgi.py", "uv.lock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "shop", c.file)
			if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			app := filepath.Join(dir, c.app)
			settings := &config.Config{App: app, Adapter: c.adapter, Detected: c.adapter, Object: "site", Foreground: true}
			settings.Workers.Concurrency, settings.Workers.Serial, settings.Reload.Mode = 3, true, config.ModeModule
			plan, err := Programs{"PROGRAMS"}.Plan(settings, app)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(plan.Command, " "); got != c.want {
				t.Errorf("command %s", got)
			}
			for name, want := range map[string]string{"RIP_ENTRY": file, "RIP_ROOT": filepath.Dir(file), "RIP_OBJECT": "site",
				"RIP_CONCURRENCY": "3", "RIP_SERIAL": "1", "RIP_RELOAD": "module", "RIP_DEVELOPMENT": "1"} {
				if plan.Env[name] != want {
					t.Errorf("%s = %q", name, plan.Env[name])
				}
			}
			if !slices.Contains(plan.Files, filepath.Join(dir, "shop", c.lock)) {
				t.Errorf("files %v", plan.Files)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if _, err := (Programs{}).Plan(settings, app); !errors.Is(err, ErrNoEntry) {
				t.Errorf("without its file: %v", err)
			}
		})
	}
	if _, err := (Programs{}).Plan(&config.Config{Command: []string{"puma"}}, ""); err == nil {
		t.Error("a plan for a program")
	}
}
