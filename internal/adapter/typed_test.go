package adapter

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// readsTypeScript reports whether the runtime loads .ts files: Bun does, Node.js
// from 22.18.
func readsTypeScript(t *testing.T, r engine) bool {
	t.Helper()
	if r.name == "bun" {
		return true
	}
	out, err := exec.Command(r.command(t)[0], "-p", "Boolean(process.features.typescript)").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)) == "true"
}

func TestTypeScriptReloads(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r engine) {
		if !readsTypeScript(t, r) {
			t.Log("this Node.js reads no TypeScript")
			return
		}
		dir := t.TempDir()
		put(t, dir, map[string]string{
			"package.json": `{"type":"module"}`,
			"index.ts":     "import { leaf, type Leaf } from './lib/leaf.ts';\nconst mine: Leaf = leaf;\nexport default { fetch: (): Response => new Response(mine.name) };",
			"lib/leaf.ts":  "export type Leaf = { name: string };\nexport const leaf: Leaf = { name: 'one' };"})
		w := startJS(t, r, filepath.Join(dir, "index.ts"), inModuleMode, inDevelopment)
		for _, s := range []reloadStep{
			{"at first", nil, "200 one", ""},
			{"a leaf", map[string]string{"lib/leaf.ts": "export type Leaf = { name: string };\nexport const leaf: Leaf = { name: 'two' };"}, "200 two", ""},
			{"a syntax error", map[string]string{"lib/leaf.ts": "export type Leaf = { name: string };\nexport const leaf: Leaf = { name: };"}, "! lib/leaf.ts:2", ""},
			{"good again", map[string]string{"lib/leaf.ts": "export type Leaf = { name: string };\nexport const leaf: Leaf = { name: 'three' };"}, "200 three", ""},
		} {
			put(t, dir, s.files)
			checkStep(t, w, dir, s)
		}
	})
}

// Files that a plugin of the app's loads are loaded anew as well.
func TestCoffeeScriptReloads(t *testing.T) {
	example := filepath.Join(testkit.Root(t), "docs/examples/coffee-bun")
	entry := writeApp(t, "app.coffee", "import { word } from './lib/word.coffee'\nimport { typed } from './typed.ts'\nexport default fetch: -> new Response \"#{word} #{typed}\"\n")
	dir := filepath.Dir(entry)
	for _, name := range []string{"coffee.ts", "bunfig.toml"} {
		text, err := os.ReadFile(filepath.Join(example, name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, map[string]string{name: string(text)})
	}
	put(t, dir, map[string]string{"lib/word.coffee": "export word = 'one'\n", "typed.ts": "export const typed: number = 1;\n"})
	w := startJS(t, bun, entry, inModuleMode, inDevelopment)
	for _, s := range []reloadStep{
		{"at first", nil, "200 one 1", ""},
		{"a leaf", map[string]string{"lib/word.coffee": "export word = 'two'\n"}, "200 two 1", ""},
		{"TypeScript", map[string]string{"typed.ts": "export const typed: number = 2;\n"}, "200 two 2", ""},
		{"the entry", map[string]string{"app.coffee": "import { word } from './lib/word.coffee'\nexport default fetch: -> new Response \"#{word}!\"\n"}, "200 two!", ""},
		{"a leaf of the new entry", map[string]string{"lib/word.coffee": "export word = 'three'\n"}, "200 three!", ""},
		{"a syntax error", map[string]string{"lib/word.coffee": "export word = (\n"}, "! ", ""},
		{"good again", map[string]string{"lib/word.coffee": "export word = 'four'\n"}, "200 four!", ""},
	} {
		put(t, dir, s.files)
		checkStep(t, w, dir, s)
	}
}
