package archtest

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// everything stands for all packages under internal in the table below.
const everything = "*"

// mayImport says which packages under internal a package may use, tests not
// counted. Each package has its row: a new one is a decision.
var mayImport = map[string][]string{
	"cmd/ripctl": {"cli", "api"},
	"cmd/ripd":   {"daemon", "worker", "adapter", "api", "generator", "systemd"},

	"internal/spelling": {},
	"internal/api":      {"spelling"},
	"internal/cgroup":   {},
	"internal/config":   {"spelling"},
	"internal/http1":    {},
	"internal/testkit":  {},
	"internal/wscases":  {},

	"internal/journal": {"config", "api"},
	"internal/metrics": {"config", "api"},
	"internal/reload":  {"config", "api"},
	"internal/systemd": {"config", "api"},

	"internal/generator": {"config"},
	"internal/scaffold":  {"config"},

	"internal/adapter":  {"api", "config"},
	"internal/cli":      {"api", "config", "doctor", "units"},
	"internal/doctor":   {"api", "config", "units"},
	"internal/units":    {},
	"internal/acme":     {"config"},
	"internal/certs":    {"config"},
	"internal/control":  {"api"},
	"internal/pool":     {"config"},
	"internal/static":   {},
	"internal/compress": {},
	"internal/proxy":    {"static", "compress", "pool", "http1", "journal", "metrics", "config"},
	"internal/worker":   {"config", "cgroup"},
	"internal/daemon":   {everything},

	"internal/archtest": {},
	"internal/bench":    {},
	"internal/e2e":      {},

	"internal/acme/acmetest":       {"testkit"},
	"internal/control/controltest": {"control", "api"},
	"internal/units/unitstest":     {"testkit"},

	"internal/box":        {"testkit"},
	"internal/box/boxapp": {},
	"internal/man":        {},
}

// testHelpers are packages that nothing but tests may import.
var testHelpers = []string{"internal/testkit", "internal/archtest", "internal/box", "internal/control/controltest", "internal/units/unitstest", "internal/wscases", "internal/acme/acmetest"}

// internalImports gives each package's imports under internal, tests not
// counted.
func internalImports(t *testing.T) map[string]map[string]bool {
	graph := map[string]map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || !strings.HasPrefix(f.pkg, "internal/") && !strings.HasPrefix(f.pkg, "cmd/") {
			continue
		}
		if graph[f.pkg] == nil {
			graph[f.pkg] = map[string]bool{}
		}
		for _, imported := range f.imports {
			if rest, ok := strings.CutPrefix(imported, module+"/"); ok {
				graph[f.pkg][rest] = true
			}
		}
	}
	return graph
}

func TestPackagesImportWhatTheyMay(t *testing.T) {
	for pkg, imports := range internalImports(t) {
		allowed, listed := mayImport[pkg]
		if !listed {
			t.Errorf("%s has no row in mayImport", pkg)
			continue
		}
		for _, imported := range slices.Sorted(maps.Keys(imports)) {
			name := strings.TrimPrefix(imported, "internal/")
			if slices.Contains(testHelpers, imported) && !slices.Contains(testHelpers, pkg) {
				t.Errorf("%s imports %s, which is for tests", pkg, imported)
			} else if name == "cli" && pkg != "cmd/ripctl" {
				t.Errorf("%s imports %s, which is ripctl's", pkg, imported)
			} else if !slices.Contains(allowed, name) && !slices.Contains(allowed, everything) {
				t.Errorf("%s must not import %s", pkg, imported)
			}
		}
	}
}

// ripctl is small, starts at once, and cannot do what only ripd may.
func TestRipctlDoesNotLinkTheDaemon(t *testing.T) {
	graph := internalImports(t)
	linked := map[string]bool{}
	var visit func(pkg string)
	visit = func(pkg string) {
		for imported := range graph[pkg] {
			if !linked[imported] {
				linked[imported] = true
				visit(imported)
			}
		}
	}
	visit("cmd/ripctl")
	want := []string{"internal/api", "internal/cli", "internal/config", "internal/doctor", "internal/spelling", "internal/units"}
	if got := slices.Sorted(maps.Keys(linked)); !slices.Equal(got, want) {
		t.Errorf("ripctl links %v, not %v", got, want)
	}
}

func TestMainsAreShort(t *testing.T) {
	const most = 30 // lines
	for _, f := range goFiles(t) {
		if path.Dir(f.pkg) != "cmd" || f.test {
			continue
		}
		for _, fn := range functions(f) {
			if fn.lines > most {
				t.Errorf("%s: %s has %d lines; a command's package has %d at most, the rest belongs into internal", fn.at, fn.name, fn.lines, most)
			}
		}
	}
}
