package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// Each piece of TOML on a page is a file that ripd takes, or a part of one.
func TestTOMLOfTheDocsIsTaken(t *testing.T) {
	seen := 0
	for _, p := range testkit.Pages(t) {
		for _, f := range p.Fences() {
			if f.Language == "toml" {
				seen++
				checkPiece(t, f.At, f.Text)
			}
		}
	}
	if seen < 20 {
		t.Errorf("the pages have %d pieces of TOML: does this test still find them?", seen)
	}
	for _, file := range []string{"packaging/deb/example.toml"} {
		text, err := os.ReadFile(filepath.Join(testkit.Root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		checkPiece(t, file, string(text))
		// What a reader may take the comment sign from.
		checkPiece(t, file+", without comment signs", regexp.MustCompile(`(?m)^#(\[?[a-z_]+( =|\]))`).ReplaceAllString(string(text), "$1"))
	}
}

// checkPiece reads a piece with what it needs to be a whole: an app, and a listener for
// certificates.
func checkPiece(t *testing.T, at, text string) {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range []string{"public", "pages", "storage"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if !regexp.MustCompile(`(?m)^(command|adapter) =`).MatchString(text) {
		app := `command = ["server"]`
		if strings.Contains(text, "preload = true") {
			app = `adapter = "rack"`
			if err := os.WriteFile(filepath.Join(dir, "config.ru"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text = app + "\n" + text
	}
	if strings.Contains(text, "\nacme =") && !strings.Contains(text, "\n[listen]") {
		text += "\n[listen]\nhttps = [\"443\"]\n"
	}
	text = strings.ReplaceAll(text, `"/srv/shop`, `"`+dir)
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Input{Args: []string{file}}); err != nil {
		t.Errorf("%s: %v\n%s", at, err, text)
	}
}

// A check says of a service that it has to find its certificate in its credentials. A
// service that runs has found it, and says nothing.
func TestNoteOfCertificateFromCredentials(t *testing.T) {
	const note = "https: the file names no certificate, so the service's credentials tls.certificate and tls.key have to be there"
	file := fileFor(t, "command = [\"x\"]\nlisten.https = [\"443\"]\n")
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"--instance=shop", "--config=" + file}, true},
		{[]string{file}, false},
		{[]string{"--instance=shop", "--config=" + fileFor(t, "command = [\"x\"]\nlisten.https = [\"443\"]\ntls.acme = [\"shop.example.com\"]\n")}, false},
	} {
		served := mustLoad(t, Input{Args: c.args})
		checked, err := looked(Load(Input{Args: c.args}))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(served.Notes(), note) || slices.Contains(checked.Notes(), note) != c.want {
			t.Errorf("%v: the notes are %q, and in a check %q", c.args, served.Notes(), checked.Notes())
		}
	}
}

// Each command line of ripd on a page has words and flags that there are.
func TestCommandsOfTheDocsAreTaken(t *testing.T) {
	seen := 0
	check := func(c testkit.Command) {
		seen++
		if c.Args[0] == newWord { // internal/scaffold reads these
			return
		}
		l := &loader{in: Input{CPUs: func() (int, string) { return 1, "" }}, cfg: &Config{}, places: map[string]place{}, portless: map[string]bool{}}
		line := l.parseArgs(c.Args)
		l.readWords(&line)
		for _, e := range l.errs {
			t.Errorf("%s: ripd %s: %v", c.At, strings.Join(c.Args, " "), e)
		}
		if targets := line.targets; len(targets) > 1 {
			t.Errorf("%s: ripd %s: %q are no words of ripd's", c.At, strings.Join(c.Args, " "), targets[1:])
		}
	}
	_, examples, _ := strings.Cut(Help(), "Examples:\n")
	pages := append(testkit.Pages(t), testkit.Page{Name: "the help", Text: "```sh\n" + examples + "```\n"})
	for _, p := range pages {
		for _, c := range p.Commands("ripd") {
			// Usage lines have brackets, and --await-forks is for a unit of the package.
			if text := strings.Join(c.Args, " "); !strings.Contains(text, "[") && text != "--await-forks" {
				check(c)
			}
		}
	}
	if seen < 30 {
		t.Errorf("the pages have %d commands: does this test still find them?", seen)
	}
}

// Each name of a setting on a page is one that there is.
func TestSettingsOfTheDocsAreThere(t *testing.T) {
	sections, known := map[string]bool{}, map[string]bool{}
	for i := range settings {
		s := &settings[i]
		known[s.key], known[s.variable()] = true, true
		if section := s.section(); section != "" {
			sections[section], known[section] = true, true
		}
	}
	seen := 0
	name := regexp.MustCompile("`([a-z]+)\\.([a-z][a-z_0-9]*)( = |`)")
	for _, p := range testkit.Pages(t) {
		for _, m := range name.FindAllStringSubmatch(p.Prose(), -1) {
			if key := m[1] + "." + m[2]; sections[m[1]] {
				seen++
				if !known[key] {
					t.Errorf("%s: there is no setting %s", p.Name, key)
				}
			}
		}
	}
	if seen < 200 {
		t.Errorf("the pages name settings %d times: does this test still find them?", seen)
	}
}
