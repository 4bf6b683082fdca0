package config

import (
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = goflag.Bool("update", false, "write the reference into the document, and the golden files")

const documentPath = "../../docs/configuration.md"

// reference writes the part of the document that the table knows.
func reference() string {
	var b strings.Builder
	section := ""
	b.WriteString("### At the top\n\n")
	for i := range settings {
		s := &settings[i]
		if s.section() != section {
			section = s.section()
			fmt.Fprintf(&b, "### [%s]\n\n", section)
		}
		fmt.Fprintf(&b, "#### `%s`\n\n", s.key)
		fmt.Fprintf(&b, "%s\n\n", strings.Join(facts(s), " · "))
		b.WriteString(s.doc + "\n\n")
	}
	return b.String()
}

// facts are what the reference says of a key in one line.
func facts(s *setting) []string {
	all := []string{"default `" + s.def + "`"}
	if b := s.bounds(); b != "" {
		all = append(all, b)
	}
	if len(s.options) > 0 {
		all = append(all, "`"+strings.Join(s.options, "`, `")+"`")
	}
	if v := s.variable(); v != "" {
		all = append(all, "`"+v+"`")
	}
	if s.word != "" {
		all = append(all, "word `"+sampleWord(s)+"`")
	}
	for _, f := range s.flags {
		all = append(all, "flag `"+flagForm(f)+"`")
	}
	return all
}

func readDocument(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDocumentHasTheTable(t *testing.T) {
	const begin, end = "<!-- settings: begin -->\n", "<!-- settings: end -->"
	text := readDocument(t)
	head, rest, ok := strings.Cut(text, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the markers are missing")
	}
	want := head + begin + "\n" + reference() + end + tail
	if *update {
		if err := os.WriteFile(documentPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text != want {
		t.Fatal("docs/configuration.md and the table differ; run: go test ./internal/config -run TestDocument -update")
	}
}

// example cuts a code block out of the document.
func example(t *testing.T, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(readDocument(t), "<!-- example: "+name+" -->\n```toml\n")
	if !ok {
		t.Fatalf("there is no example %s", name)
	}
	text, _, _ := strings.Cut(rest, "```")
	return text
}

func TestDocumentExamplesLoad(t *testing.T) {
	for _, name := range []string{"minimal", "full"} {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, Input{Args: []string{fileFor(t, example(t, name))}})
			if got := strings.Join(c.Command, " "); got != "puma -b unix://$SOCKET_PATH" {
				t.Errorf("command: %s", got)
			}
		})
	}
}

// The full example has each key, with its default where it says so.
func TestDocumentFullExampleIsComplete(t *testing.T) {
	file := fileFor(t, example(t, "full"))
	c := mustLoad(t, Input{Args: []string{file}})
	for _, e := range c.Explain() {
		if !strings.HasPrefix(e.Origin, file+":") {
			t.Errorf("%s is not in the full example", e.Key)
		}
	}
	bare := mustLoad(t, Input{Args: []string{fileFor(t, `command = ["x"]`)}})
	for i, e := range bare.Explain() {
		switch e.Key {
		case "app", "command", "env", "workdir", "socket_prefix", "reload.mode":
			continue // named in the document, or derived
		}
		if got := c.Explain()[i].Value; got != e.Value {
			t.Errorf("%s: the full example has %s, the default is %s", e.Key, got, e.Value)
		}
	}
}

func TestDocumentNamesFlagsAndWords(t *testing.T) {
	text := readDocument(t)
	for _, name := range flagNames() {
		if !strings.Contains(text, name) {
			t.Errorf("flag %s is not in the document", name)
		}
	}
	for _, w := range wordHelp {
		if !strings.Contains(text, "`"+strings.Split(w.form, ",")[0]) {
			t.Errorf("word %s is not in the document", w.form)
		}
	}
}

// fileFor writes a configuration into a folder of its own, called shop.
func fileFor(t testing.TB, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// mustLoad loads with two CPUs, and fails the test on an error.
func mustLoad(t testing.TB, in Input) *Config {
	t.Helper()
	c, err := load(t, in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// load loads with two CPUs, in a folder of its own when the test names none.
func load(t testing.TB, in Input) (*Config, error) {
	t.Helper()
	if in.Dir == "" {
		in.Dir = t.TempDir()
	}
	if in.CPUs == nil {
		in.CPUs = func() (int, string) { return 2, "the 2 CPUs of the test" }
	}
	return Load(in)
}

// write writes a file beside another one, or below it: the path is relative to it.
func write(t testing.TB, file, path, text string) string {
	t.Helper()
	full := filepath.Join(file, path)
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return full
}

// rewrite gives a file new content.
func rewrite(t interface{ Fatal(...any) }, file, text string) {
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
