package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// What `ripd new` writes is served as it stands, and a save is in the next answer.
func TestNew(t *testing.T) {
	for _, c := range []struct{ adapter, file, needs string }{
		{"rack", "config.ru", "ruby"},
		{"node", "index.mjs", "node"},
		{"bun", "index.ts", ""},
		{"wsgi", "app.py", "python3"},
		{"asgi", "app.py", "python3"},
		{"exec", "server", "python3"},
	} {
		t.Run(c.adapter, func(t *testing.T) {
			if c.adapter == "bun" {
				t.Setenv("PATH", filepath.Dir(testkit.Bun(t))+":"+os.Getenv("PATH"))
			} else {
				testkit.Need(t, c.needs)
			}
			bin, err := binaries()
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(t.TempDir(), "shop")
			if out, err := exec.Command(filepath.Join(bin, "ripd"), "new", folder, "--adapter="+c.adapter).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			a := serve(t, folder, "w:2")
			for range 4 {
				if got := a.do("GET", "/", ""); !strings.HasPrefix(got, "200 Hello from worker ") {
					t.Errorf("/: %q", got)
				}
			}
			if got := a.do("GET", "/nowhere", ""); got != "404 There is no such page.\n" {
				t.Errorf("/nowhere: %q", got)
			}
			file := filepath.Join(folder, c.file)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(string(text), "Hello", "Greetings", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				if got := a.do("GET", "/", ""); !strings.HasPrefix(got, "200 Greetings from worker ") {
					t.Errorf("after a save: %q", got)
				}
			}
			ends(t, a)
		})
	}
}
