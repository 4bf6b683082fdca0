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

// attributes returns the names of the attributes in n, when n logs something.
func attributes(n ast.Node) (names []string) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return nil
	}
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	switch method.Sel.Name {
	case "Debug", "Info", "Warn", "Error":
	default:
		return nil
	}
	for i := 1; i < len(call.Args); i += 2 {
		if literal, ok := call.Args[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if name, err := strconv.Unquote(literal.Value); err == nil {
				names = append(names, name)
			}
		}
	}
	return names
}
