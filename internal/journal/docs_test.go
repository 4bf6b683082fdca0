package journal

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// documented reports whether the page has a row for the field.
func documented(t *testing.T) func(field string) bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	return func(field string) bool { return bytes.Contains(page, []byte("\n| `"+field+"` |")) }
}

func TestFieldsOfLinesAreDocumented(t *testing.T) {
	known := documented(t)
	a := sample()
	a.Path = bytes.Repeat([]byte("x"), maxPath+1)
	a.Cause, a.Retried, a.TLS = "client-left", true, "1.3"
	var out bytes.Buffer
	workers := NewWorkerLog(WorkerOptions{Out: &out, JSON: true})
	w := workerLine("{}")
	w.Truncated = true
	workers.Log(w)
	workers.Log(workerLine("text"))
	NewLogger(LoggerOptions{Out: &out, JSON: true, App: "shop"}).Warn("dropped", slog.Duration("within_ms", time.Second))
	for line := range bytes.Lines(append(jsonText(a), out.Bytes()...)) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for field := range fields {
			if !known(field) {
				t.Errorf("docs/logging.md has no row for %s", field)
			}
		}
	}
}

// Every attribute that ripd's messages are given in its code has a row.
func TestAttributesAreDocumented(t *testing.T) {
	known := documented(t)
	files := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			for _, key := range attributes(n) {
				if !known(key) && !known(key+"_ms") {
					t.Errorf("%s: docs/logging.md has no row for %s", files.Position(n.Pos()), key)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// attributes returns the names of the attributes in n, when n logs something, or is a
// list of names and values for what does.
func attributes(n ast.Node) (names []string) {
	if list, ok := n.(*ast.CompositeLit); ok {
		of, ok := list.Type.(*ast.ArrayType)
		if !ok {
			return nil
		}
		if element, ok := of.Elt.(*ast.Ident); !ok || element.Name != "any" {
			return nil
		}
		return literals(list.Elts)
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	before := 1 // the message
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	case "warn", "reached": // of internal/proxy: the kind of the message, too
		before = 2
	default:
		return nil
	}
	if len(call.Args) <= before {
		return nil
	}
	return literals(call.Args[before:])
}

// literals gives every second expression, from the first, that is a string.
func literals(list []ast.Expr) (names []string) {
	for i := 0; i < len(list); i += 2 {
		if literal, ok := list[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if name, err := strconv.Unquote(literal.Value); err == nil && !strings.Contains(name, " ") {
				names = append(names, name)
			}
		}
	}
	return names
}

// Each field that the page has a row for is one that ripd writes.
func TestDocumentedFieldsAreWritten(t *testing.T) {
	page, err := os.ReadFile("../../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, m := range regexp.MustCompile(`["\x60]([A-Za-z_]+)["\x60=\\]`).FindAllStringSubmatch(sources(t), -1) {
		written[m[1]] = true
	}
	seen := 0
	for _, section := range []string{"## In systemd's journal\n", "## Fields\n"} {
		_, text, ok := strings.Cut(string(page), section)
		if !ok {
			t.Fatalf("docs/logging.md has no section %q", section)
		}
		text, _, _ = strings.Cut(text, "\n## ")
		for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z_]+)` \\|").FindAllStringSubmatch(text, -1) {
			seen++
			name := row[1]
			if !written[name] && !written[strings.TrimSuffix(name, "_ms")] {
				t.Errorf("docs/logging.md has a row for %s, which nothing writes", name)
			}
		}
	}
	if seen < 80 {
		t.Errorf("the tables have %d rows: does this test still find them?", seen)
	}
}

// sources is all of ripd's code, without its tests.
func sources(t *testing.T) string {
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
