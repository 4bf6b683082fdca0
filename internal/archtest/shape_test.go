package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// Bounds of what one has to read at once, in lines. Tests are longer: a table
// of cases is read row by row.
const (
	fileLines     = 450
	testFileLines = 700
	funcLines     = 70
)

// function is a declared function or method.
type function struct {
	name, at string
	lines    int
	method   bool
}

func functions(f *file) []function {
	var all []function
	for _, decl := range f.syntax.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok {
			all = append(all, function{fn.Name.Name, f.at(fn.Pos()), f.line(fn.End()) - f.line(fn.Pos()) + 1, fn.Recv != nil})
		}
	}
	return all
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		lines, most := f.line(f.syntax.FileEnd), fileLines
		if f.test {
			most = testFileLines
		}
		if lines > most {
			t.Errorf("%s has %d lines, more than %d", f.path, lines, most)
		}
		for _, fn := range functions(f) {
			if fn.lines > funcLines && !f.test {
				t.Errorf("%s: %s has %d lines, more than %d", fn.at, fn.name, fn.lines, funcLines)
			}
		}
	}
}

// Nothing happens because a package is linked.
func TestNoInitFunctions(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, fn := range functions(f) {
			if fn.name == "init" && !fn.method {
				t.Errorf("%s: an init function", fn.at)
			}
		}
	}
}

// What the daemon says goes through log/slog. A worker has its standard error
// instead, and so have programs that people run by hand.
func TestDaemonLogsWithSlog(t *testing.T) {
	apart := []string{"internal/adapter", "internal/bench"}
	for _, f := range goFiles(t) {
		if slices.Contains(f.imports, "log") && !f.test && strings.HasPrefix(f.pkg, "internal/") && !slices.Contains(apart, f.pkg) {
			t.Errorf("%s imports log instead of log/slog", f.path)
		}
	}
}

// A test that sleeps is slow where it is lucky and fails where it is not;
// testkit has what waits for events. In the bubble of testing/synctest the clock
// is not the world's, and sleeping is how it moves.
func TestTestsDoNotSleep(t *testing.T) {
	for _, f := range goFiles(t) {
		if !f.test || slices.Contains(f.imports, "testing/synctest") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if selector, ok := call.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "Sleep" {
				if of, ok := selector.X.(*ast.Ident); ok && of.Name == "time" {
					t.Errorf("%s: time.Sleep in a test", f.at(call.Pos()))
				}
			}
			return true
		})
	}
}
