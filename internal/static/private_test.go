package static

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"testing"
)

func TestPrivateFiles(t *testing.T) {
	dir := tree(t, "1/storage/a.pdf", "1/storage/sub/.b", "shared/c", "secret", "current -> 1", "1/storage/out -> ../../secret", "1/storage/in -> DIR/shared/c", "1/storage/x y?z")
	p, err := OpenPrivate([]string{filepath.Join(dir, "current/storage"), filepath.Join(dir, "shared")},
		map[string]string{"/p/": filepath.Join(dir, "1/storage"), "/p/sub/deep/": filepath.Join(dir, "shared")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ absolute, mapped, want string }{
		{"DIR/current/storage/a.pdf", "/p/a.pdf", "1/storage/a.pdf"},
		{"DIR/1/storage/a.pdf", "/p/%61.pdf?x=1", "1/storage/a.pdf"}, // as the worker sees its folder
		{"DIR/1/storage/sub/../a.pdf", "", "1/storage/a.pdf"},
		{"DIR/1/storage/sub/.b", "/p/sub%2f.b", "1/storage/sub/.b"},
		{"DIR/1/storage/in", "/p/in", "shared/c"},
		{"DIR/1/../shared/c", "/p/sub/deep/c", "shared/c"},
		{"DIR/1/storage/x y?z", "/p/x%20y%3Fz", "1/storage/x y?z"},
		{"DIR/shared/none", "/p/none", "none"}, {"DIR/shared/", "/p/", "outside"},
		{"DIR/secret", "/secret", "outside"}, {"DIR/shared/../secret", "/p/../secret", "outside"}, {"DIR/shared/../secret", "/p/%2e%2e/%2e%2e/secret", "outside"},
		{"DIR/1/storage/out", "/p/out", "link"}, {"shared/c", "p/a.pdf", "outside"}, {"", "", "outside"}, {"/etc/passwd", "//etc/passwd", "outside"},
		{"", "/p", "outside"}, {"DIR/secret\x00", "/p/a%00", "outside"}, {"/", "/p/%zz", "outside"},
	} {
		check := func(name string, open func([]byte) (*File, error)) {
			if name == "" && c.want != "outside" {
				return
			}
			f, err := open([]byte(name))
			got := "none"
			var outside *OutsideError
			var link *LinkError
			switch {
			case err == nil:
				b, _ := io.ReadAll(f)
				f.Close()
				got = string(b)
			case errors.As(err, &outside):
				got = "outside"
			case errors.As(err, &link):
				got = "link"
			case err != ErrNone:
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q: got %s, want %s", name, got, c.want)
			}
		}
		absolute := c.absolute
		if len(absolute) > 3 && absolute[:3] == "DIR" {
			absolute = dir + absolute[3:]
		}
		check(absolute, p.Absolute)
		check(c.mapped, p.Mapped)
	}
	if _, err := p.Absolute([]byte(dir + "/sharedx")); err != ErrNone {
		t.Errorf("beside a folder, and not there: %v", err)
	}
	if _, err := OpenPrivate([]string{dir + "/none"}, nil); err == nil {
		t.Error("a folder that is not there was opened")
	}
	if _, err := OpenPrivate(nil, map[string]string{"/a/": dir + "/none"}); err == nil {
		t.Error("a folder that is not there was opened")
	}
}

// A file is closed once, whatever has its descriptor's number since.
func TestCloseTwice(t *testing.T) {
	dir := tree(t, "a")
	f, err := open(t, Options{Root: dir}).Find([]byte("/a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the second time: %v", err)
	}
}
