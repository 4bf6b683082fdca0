package static

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNegotiation(t *testing.T) {
	dir := tree(t, "a.css", "a.css.br", "a.css.gz", "a.css.zst", "b.js", "b.js.gz", "c.png", "c.png.gz", "old.css", "old.css.br", "plain.css")
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "old.css.br"), past, past); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Root: dir, Precompressed: true, CacheControl: "x"})
	for _, c := range []struct{ path, accept, want string }{
		{"/a.css", "", ""}, {"/a.css", "gzip, deflate, br, zstd", "br"}, {"/a.css", "gzip, zstd", "zstd"}, {"/a.css", "GZIP", "gzip"}, {"/a.css", "x-gzip", "gzip"},
		{"/a.css", "br;q=0.5, gzip;q=0.8", "gzip"}, {"/a.css", "br;q=0, *", "zstd"}, {"/a.css", "*;q=0", ""}, {"/a.css", "br;q=0,gzip;q=0", ""}, {"/a.css", "br;q=x", ""}, {"/a.css", "br;q=2", ""},
		{"/a.css", "identity, br;q=0.5", ""}, {"/a.css", "identity, br", "br"}, {"/a.css", "deflate", ""}, {"/a.css", " br ; q=1.000 ", "br"}, {"/a.css", ",,br;;", "br"}, {"/a.css", "brr", ""},
		{"/b.js", "br, gzip", "gzip"}, {"/b.js", "br", ""}, {"/c.png", "gzip", ""}, {"/old.css", "br", ""}, {"/plain.css", "br", ""},
	} {
		f, err := s.Find([]byte(c.path))
		if err != nil {
			t.Fatal(err)
		}
		etag := f.ETag
		f = f.Negotiate(c.accept)
		f.Close()
		if f.Encoding != c.want || f.Varies != (c.path != "/c.png") || f.CacheControl != "x" || f.ContentType == "application/gzip" {
			t.Errorf("%s for %q: %q, varies: %v", c.path, c.accept, f.Encoding, f.Varies)
		}
		if (f.ETag == etag) != (c.want == "") {
			t.Errorf("%s for %q: the validator is %s, that of the plain one %s", c.path, c.accept, f.ETag, etag)
		}
	}
	f, err := open(t, Options{Root: dir}).Find([]byte("/a.css"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g := f.Negotiate("br"); g != f || g.Varies {
		t.Error("precompressed siblings were looked for without being asked for")
	}
}
