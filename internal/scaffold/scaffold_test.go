package scaffold

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// files lists what is below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Each app is one that ripd's settings take for what it was made for, and its README
// has three lines.
func TestWrite(t *testing.T) {
	for _, adapter := range Adapters {
		t.Run(adapter, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "shop")
			names, err := Write(folder, adapter)
			if err != nil {
				t.Fatal(err)
			}
			if got := files(t, folder); !slices.Equal(got, names) || !slices.Contains(got, "ripd.toml") || len(got) != 3 {
				t.Errorf("%q, told %q", got, names)
			}
			c, err := config.Load(config.Input{Args: []string{folder}})
			if err != nil {
				t.Fatal(err)
			}
			mode := config.ModeModule
			if adapter == config.AdapterExec {
				mode = config.ModeProcess
			}
			if c.AdapterInUse() != adapter || c.Name != "shop" || c.Reload.Mode != mode {
				t.Errorf("adapter %s, name %s, reload mode %s", c.AdapterInUse(), c.Name, c.Reload.Mode)
			}
			readme, err := os.ReadFile(folder + "/README.md")
			if err != nil {
				t.Fatal(err)
			}
			if text := string(readme); !strings.HasPrefix(text, "# shop\n") || strings.Contains(text, placeholder) || strings.Count(text, "\n") != 3 {
				t.Errorf("README.md:\n%s", text)
			}
		})
	}
}

func TestWriteIntoAnEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, config.AdapterRack); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 3 {
		t.Errorf("%q", got)
	}
}

// What cannot be made leaves nothing, and everything as it was.
func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"full/app.py": "x", "file": "x"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := files(t, dir)
	for _, c := range []struct{ folder, adapter, want string }{
		{"full", "rack", "full is not empty, it has app.py: name a new folder"},
		{"file", "rack", "file is there, and is no folder: name another"},
		{"no/where", "rack", "no/where: the folder DIR/no is not there: make it first"},
		{"file/below", "rack", "not a directory"},
		{"new", "auto", `there is no adapter "auto": it is one of rack, node, bun, wsgi, asgi, exec`},
		{"new", "nod", `there is no adapter "nod": did you mean node?`},
		{"new", "Rails", `there is no adapter "Rails": did you mean rack?`},
		{"new", "../templates/rack", "there is no adapter"},
		{"new", ".", "there is no adapter"},
	} {
		_, err := Write(filepath.Join(dir, c.folder), c.adapter)
		if want := strings.ReplaceAll(c.want, "DIR", dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %s: %v", c.folder, c.adapter, err)
		}
	}
	if got := files(t, dir); !slices.Equal(got, before) {
		t.Errorf("there is now %q", got)
	}
}

// A disk that is full in the middle leaves no half of an app. The second file cannot
// be written here because it is there already.
func TestWriteTakesBack(t *testing.T) {
	dir := t.TempDir()
	for _, made := range []bool{true, false} {
		folder := filepath.Join(dir, "shop")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, name := range []string{"a", "b"} {
			if err := writeFile(filepath.Join(folder, name), "text"); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if err := writeFile(filepath.Join(folder, "b"), "text"); err == nil {
			t.Error("a file was overwritten")
		}
		if err := takeBack(folder, names, made); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(folder); os.IsNotExist(err) != made {
			t.Errorf("the folder: %v", err)
		}
	}
	if got := files(t, dir); !slices.Equal(got, []string{"shop"}) {
		t.Errorf("%q", got)
	}
}

func TestMain(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"", "name the folder to make", 2},
		{"shop", "name the adapter, as in --adapter=rack", 2},
		{"shop --adapter", "--adapter: the value is missing", 2},
		{"shop --adapter=", "name the adapter", 2},
		{"shop --adapter=assgi", `there is no adapter "assgi": did you mean asgi?`, 2},
		{"shop --adapter=flask", `there is no adapter "flask": did you mean wsgi?`, 2},
		{"shop more --adapter rack", "more: one folder is made, and shop was given too", 2},
		{"shop --adaptr=rack", "--adaptr=rack: there is no such flag: did you mean --adapter?", 2},
		{"shop --max-queue=4", "there is no such flag: settings go into the app's ripd.toml", 2},
		{"no/where --adapter=rack", "ripd new: no/where: the folder no is not there: make it first", 1},
	} {
		var out, errOut strings.Builder
		if code := Main(strings.Fields(c.args), &out, &errOut); code != c.code || out.Len() > 0 || !strings.Contains(errOut.String(), c.want) {
			t.Errorf("%s: %d, %s%s", c.args, code, &out, &errOut)
		}
		if usageShown := strings.Contains(errOut.String(), usage); usageShown != (c.code == 2) {
			t.Errorf("%s: usage %v", c.args, usageShown)
		}
	}
	if got := files(t, dir); len(got) > 0 {
		t.Errorf("errors have left %q", got)
	}
	var out, errOut strings.Builder
	if code := Main([]string{"--adapter", "bun", "my shop"}, &out, &errOut); code != 0 {
		t.Fatalf("%d, %s", code, &errOut)
	}
	want := "my shop has README.md, index.ts and ripd.toml.\nNext: ripd './my shop', and then, in another terminal, curl http://localhost:3080/\n"
	if out.String() != want {
		t.Errorf("%s", &out)
	}
	for folder, want := range map[string]string{"demo": "./demo", "w:4": "'./w:4'", "/srv/shop": "/srv/shop", ".": ".", "it's": `'./it'\''s'`} {
		if got := word(folder); got != want {
			t.Errorf("%s is written %s", folder, got)
		}
	}
}

// What is embedded is what Adapters name, and no more.
func TestEachAdapterHasATemplate(t *testing.T) {
	entries, err := os.ReadDir(filepath.Join(testkit.Root(t), "internal/scaffold/templates"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(Adapters, entry.Name()) {
			t.Errorf("templates/%s is of no adapter", entry.Name())
		}
	}
	if len(entries) != len(Adapters) {
		t.Errorf("%d templates for %d adapters", len(entries), len(Adapters))
	}
}
