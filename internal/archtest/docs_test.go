package archtest

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEachPackageHasOneComment(t *testing.T) {
	comments := map[string]int{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		if f.syntax.Doc != nil {
			comments[f.pkg]++
		} else {
			comments[f.pkg] += 0
		}
	}
	for pkg, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments, not one", pkg, n)
		}
	}
}

// Each exported name says what it is. A group of constants or variables may
// say it once for all.
func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		for _, decl := range f.syntax.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
					t.Errorf("%s: %s has no comment", f.at(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				undocumented(d, func(name *ast.Ident) {
					t.Errorf("%s: %s has no comment", f.at(name.Pos()), name.Name)
				})
			}
		}
	}
}

// exportedReceiver reports whether fn is a function, or a method of an exported
// type.
func exportedReceiver(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	of := fn.Recv.List[0].Type
	for {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

func undocumented(d *ast.GenDecl, report func(*ast.Ident)) {
	if d.Tok == token.IMPORT || d.Doc != nil {
		return
	}
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil {
				report(s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil {
					report(name)
				}
			}
		}
	}
}

// docs returns all of the documentation as one text.
func docs(t *testing.T) string {
	var all strings.Builder
	for _, name := range listFiles(t, ".md") {
		all.WriteString(contents(t, name))
	}
	return all.String()
}

// A variable that the code knows is one that people can look up.
func TestVariablesAreDocumented(t *testing.T) {
	variable := regexp.MustCompile(`^RIP_[A-Z][A-Z_]*[A-Z]$`)
	text := docs(t)
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			name := strings.Trim(literal.Value, "\"`")
			if variable.MatchString(name) && !seen[name] && !strings.Contains(text, name) {
				t.Errorf("%s: %s is nowhere in the documentation", f.at(literal.Pos()), name)
			}
			seen[name] = true
			return true
		})
	}
	if !seen["RIP_CONTROL"] {
		t.Error("RIP_CONTROL was not found: does this test still see the code?")
	}
}

func TestDependenciesAreExplained(t *testing.T) {
	const page = "docs/dependencies.md"
	text := contents(t, page)
	direct := map[string]bool{}
	modules := requiredModules(t)
	for _, f := range goFiles(t) {
		for _, imported := range f.imports {
			for _, m := range modules {
				if imported == m || strings.HasPrefix(imported, m+"/") {
					direct[m] = true
				}
			}
		}
	}
	for _, m := range slices.Sorted(maps.Keys(direct)) {
		if !strings.Contains(text, "`"+m+"`") {
			t.Errorf("%s does not explain %s", page, m)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(text, -1) {
		if !direct[m[1]] {
			t.Errorf("%s explains %s, which nothing imports", page, m[1])
		}
	}
}

// requiredModules returns the modules that go.mod names, the longest first, so
// that a module inside of another one's path is met first.
func requiredModules(t *testing.T) []string {
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^(?:require )?\s*([a-z0-9.-]+\.[a-z]+/\S+) v`).FindAllStringSubmatch(contents(t, "go.mod"), -1) {
		modules = append(modules, m[1])
	}
	if len(modules) == 0 {
		t.Fatal("go.mod requires nothing: does this test still read it right?")
	}
	slices.SortFunc(modules, func(a, b string) int { return len(b) - len(a) })
	return modules
}
