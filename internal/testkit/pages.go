package testkit

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Page is one page of the documentation.
type Page struct {
	// Name is its path in the repository, with slashes.
	Name string
	// Text is the whole of it.
	Text string
}

// Fence is a piece of a page between two lines of three backquotes.
type Fence struct {
	// At is its place, as page:line.
	At string
	// Language is what follows the first backquotes: toml, sh; "" without one.
	Language string
	// Text is what stands between, each line with its line end.
	Text string
}

// Pages reads README.md, the other pages beside it, and all below docs.
func Pages(t testing.TB) []Page {
	t.Helper()
	root := Root(t)
	names, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && (entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".")) { // what was installed
			return fs.SkipDir
		}
		if err == nil && entry.Type().IsRegular() && filepath.Ext(name) == ".md" {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := make([]Page, 0, len(names))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		within, err := filepath.Rel(root, name)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, Page{Name: filepath.ToSlash(within), Text: string(text)})
	}
	return pages
}

// Fences gives the fenced pieces of the page in their order.
func (p Page) Fences() []Fence {
	var all []Fence
	var open *Fence
	number := 0
	for line := range strings.Lines(p.Text) {
		number++
		language, mark := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case mark && open == nil:
			open = &Fence{At: p.Name + ":" + strconv.Itoa(number), Language: language}
		case mark:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.Text += line
		}
	}
	return all
}

// Prose is the page's text without its fenced pieces.
func (p Page) Prose() string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(p.Text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Commands gives the command lines of a program that the page's fenced pieces and its
// code in running text have, without the program's name: of `bin/ripctl scale +1` for
// "ripctl" it is [scale +1]. What the shell does (comments, && and |) ends a command. The
// place of a command in running text is the page alone.
func (p Page) Commands(program string) (commands []Command) {
	for _, f := range p.Fences() {
		if f.Language != "sh" && f.Language != "" {
			continue
		}
		for line := range strings.Lines(f.Text) {
			commands = append(commands, commandsIn(f.At, program, line)...)
		}
	}
	for line := range strings.Lines(p.Prose()) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			commands = append(commands, commandsIn(p.Name, program, code)...)
			continue
		}
		parts := strings.Split(line, "`")
		for i := 1; i < len(parts); i += 2 {
			commands = append(commands, commandsIn(p.Name, program, parts[i])...)
		}
	}
	return commands
}

// Command is one command line of a page.
type Command struct {
	// At is its place.
	At string
	// Args are its words, without the program's name.
	Args []string
}

// commandsIn finds the program's commands in a line for a shell. What stands more than
// a space behind a command says what it does.
func commandsIn(at, program, line string) (commands []Command) {
	var words []string
	end := func() {
		if len(words) > 1 && words[0] == "sudo" {
			words = words[1:]
		}
		if len(words) > 1 && (words[0] == program || words[0] == "bin/"+program) {
			commands = append(commands, Command{at, words[1:]})
		}
		words = nil
	}
	line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
	for _, word := range strings.Fields(line) {
		switch {
		case strings.HasPrefix(word, "#"):
			end()
			return commands
		case word == "&&" || word == "||" || word == "|" || word == ";" || strings.HasPrefix(word, ">"):
			end()
		default:
			words = append(words, word)
		}
	}
	end()
	return commands
}
