package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

const module = "ripd"

// file is one parsed Go file.
type file struct {
	path    string // in the repository
	pkg     string // its folder in the repository
	test    bool
	fset    *token.FileSet
	syntax  *ast.File
	imports []string
}

// at tells where in the repository something is.
func (f *file) at(pos token.Pos) string {
	return f.path + ":" + strconv.Itoa(f.fset.Position(pos).Line)
}

// line returns the number of the line that holds pos.
func (f *file) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// goFiles parses all Go files of the repository.
func goFiles(t *testing.T) []*file {
	t.Helper()
	var files []*file
	for _, name := range listFiles(t, ".go") {
		fset := token.NewFileSet()
		data, err := os.ReadFile(filepath.Join(testkit.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		syntax, err := parser.ParseFile(fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f := &file{path: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), fset: fset, syntax: syntax}
		for _, spec := range syntax.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Fatal("no Go files")
	}
	return files
}

// listFiles returns the paths in the repository of all files whose names end
// with one of the endings; folders that are built or belong to tools and tests
// are left out.
func listFiles(t *testing.T, endings ...string) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(testkit.Root(t)), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && name != "." && (base == "bin" || base == "dist" || base == "node_modules" || base == "testdata" || base == ".git") {
			return fs.SkipDir
		}
		for _, ending := range endings {
			if entry.Type().IsRegular() && strings.HasSuffix(name, ending) {
				found = append(found, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// contents returns the text of a file of the repository.
func contents(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testkit.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
