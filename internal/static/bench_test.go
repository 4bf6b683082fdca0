package static

import (
	"os"
	"path/filepath"
	"testing"
)

// What a request for the app costs before it goes on: nothing has its name.
func BenchmarkFind(b *testing.B) {
	dir := b.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "assets"), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "assets", "app.css"), []byte("x"), 0o644); err != nil {
		b.Fatal(err)
	}
	s, err := Open(Options{Root: dir, Index: "index.html", Precompressed: true})
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{"/ping", "/", "/orders/42/edit", "/assets/none.css", "/.env"} {
		b.Run("none"+path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Find([]byte(path)); err != ErrNone {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("file", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := s.Find([]byte("/assets/app.css"))
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
}
