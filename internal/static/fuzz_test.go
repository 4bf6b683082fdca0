package static

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzPath looks that no path leads out of the root, to a hidden file, or, without
// openat2, to another file than with it; and that what is found is what os.Root finds by
// the same name.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/a.css", "/sub/", "/sub/x", "/%61.css", "/..%2fsecret", "/%2e%2e/secret", "/.env", "/sub/%2e./%2E%2e/secret", "/out", "/away/secret", "/near",
		"/in", "/folder/x", "/a.css%00", "/..\\secret", "//secret", "/.well-known/t", "/.well-known/../.env", "/%c3%a9", "/loop", "/%252e%252e/secret", "/gone",
	} {
		f.Add([]byte(path))
	}
	dir := tree(f, "secret", "root/a.css", "root/sub/index.html", "root/sub/x", "root/.env", "root/sub/.git/config", "root/.well-known/t", "root/é", "root/%2e%2e/secret",
		"root/in -> sub/x", "root/out -> ../secret", "root/near -> DIR/root/a.css", "root/folder -> sub", "root/away -> ..", "root/loop -> loop", "root/gone -> nowhere")
	s := open(f, Options{Root: filepath.Join(dir, "root"), Index: "index.html"})
	root, err := os.OpenRoot(filepath.Join(dir, "root"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close(); lacking.Store(false) })
	f.Fuzz(func(t *testing.T, path []byte) {
		lacking.Store(false)
		text := found(t, s, string(path))
		lacking.Store(true)
		if other := found(t, s, string(path)); other != text {
			t.Errorf("%q: %q with openat2, %q without", path, text, other)
		}
		var room name
		n, ok := room.read(path, "index.html")
		if !ok {
			if text != "" {
				t.Errorf("%q: %q, of no file's path", path, text)
			}
			return
		}
		file := room.text(n)
		if !filepath.IsLocal(file) || filepath.Clean(file) != file || bytes.ContainsAny(room[:n], "\x00\\") || len(file) > maxPath {
			t.Errorf("%q: the name is %q", path, file)
		}
		if text == "" || bytes.HasPrefix([]byte(text), []byte("error: ")) {
			return
		}
		info, err := root.Stat(file)
		if file == "near" { // a link with an absolute path, which os.Root takes for one that leads out
			return
		}
		if err != nil || !info.Mode().IsRegular() || text == "secret" || text == "root/.env" || text == "root/sub/.git/config" {
			t.Errorf("%q: %q is served; os.Root: %v", path, text, err)
		}
	})
}
