package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// What the Bun examples do besides what all examples do. In the foreground
// they are reloaded in the mode "module".
func TestBunExamples(t *testing.T) {
	a := serve(t, prepared(t, "hono-bun", []string{"bun", npm}), "w:2")
	want := `200 [{"id":1,"name":"Adler & Birnbaum","city":"Denver","lawyers":12},{"id":3,"name":"Everhart Fenn","city":"Denver","lawyers":4}]`
	if got := a.do("GET", "/lawfirms?city=Denver", ""); got != want {
		t.Errorf("/lawfirms: %q", got)
	}
	if got := a.do("GET", "/lawfirms?limit=0", ""); !strings.HasPrefix(got, "400 ") {
		t.Errorf("/lawfirms?limit=0: %q", got)
	}

	a = serve(t, prepared(t, "duckdb-bun", []string{"bun", npm}), "w:2")
	for sql, want := range map[string]string{
		"SHOW TABLES": `200 {"columns":["name"],"rows":[{"name":"customers"},{"name":"orders"}],"complete":true}`,
		"SELECT city, count(*)::INTEGER AS n FROM customers GROUP BY city ORDER BY city": `200 {"columns":["city","n"],` +
			`"rows":[{"city":"Austin","n":16},{"city":"Boston","n":17},{"city":"Denver","n":17}],"complete":true}`,
		"SELEC":                                  `400 {"error":"Parser Error: `,
		"":                                       "400 {",
		"SELECT * FROM read_text('/etc/passwd')": `400 {"error":"Permission Error: `,
	} {
		body, err := json.Marshal(map[string]string{"sql": sql})
		if err != nil {
			t.Fatal(err)
		}
		if got := a.do("POST", "/api/execute", string(body), "Content-Type: application/json"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", sql, got)
		}
	}

	folder := prepared(t, "coffee-bun", []string{"bun", npm})
	a = serve(t, folder, "w:2")
	file := filepath.Join(folder, "greeting.coffee")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeByRename(file, strings.Replace(string(text), "CoffeeScript", "Coffee", 1)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if got := a.do("GET", "/", ""); !strings.HasPrefix(got, "200 Coffee in worker ") {
			t.Errorf("after a save: %q", got)
		}
	}
}

// The tests run the examples with the versions that the examples ask for.
func TestExamplesVersions(t *testing.T) {
	installed := dependencies(t, "internal/testkit/npm")
	packages, err := filepath.Glob(filepath.Join(testkit.Root(t), "docs/examples/*/package.json"))
	if err != nil || len(packages) == 0 {
		t.Fatal("no examples with packages", err)
	}
	for _, file := range packages {
		example := "docs/examples/" + filepath.Base(filepath.Dir(file))
		for name, version := range dependencies(t, example) {
			if installed[name] != version {
				t.Errorf("%s asks for %s %s, and the tests have %q", example, name, version, installed[name])
			}
		}
	}
}

func dependencies(t *testing.T, folder string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), folder, "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	return p.Dependencies
}
