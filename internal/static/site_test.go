package static

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tree writes files: a name that ends in a slash is a folder, "a -> b" a link.
func tree(t testing.TB, entries ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, e := range entries {
		var err error
		link, target, isLink := strings.Cut(e, " -> ")
		full := filepath.Join(dir, link)
		if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
			switch {
			case isLink:
				err = os.Symlink(strings.ReplaceAll(target, "DIR", dir), full)
			case strings.HasSuffix(e, "/"):
				err = os.MkdirAll(full, 0o755)
			default:
				err = os.WriteFile(full, []byte(link), 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, o Options) *Site {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// found gives the content that a path leads to; "" where it is the app's.
func found(t testing.TB, s *Site, path string) string {
	t.Helper()
	f, err := s.Find([]byte(path))
	if err == ErrNone {
		return ""
	}
	if err != nil {
		return "error: " + err.Error()
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every path is either a file's, in one spelling, or the app's. It is so with openat2,
// and with os.Root where the kernel lacks that.
func TestPaths(t *testing.T) {
	for _, without := range []bool{false, true} {
		lacking.Store(without)
		testPaths(t)
	}
	lacking.Store(false)
}

func testPaths(t *testing.T) {
	dir := tree(t, "secret", "root/a.css", "root/a b.txt", "root/é", "root/sub/index.html", "root/sub/x", "root/index.html", "root/empty/",
		"root/.env", "root/.git/config", "root/.well-known/security.txt", "root/sub/.well-known/x", "root/dot.", "root/%2e%2e", "root/a+b", "root/~x",
		"root/in -> sub/x", "root/up -> sub/../a.css", "root/out -> ../secret", "root/far -> DIR/secret", "root/near -> DIR/root/a.css",
		"root/loop -> loop", "root/folder -> sub", "root/away -> ..", "root/gone -> nowhere", "root/back\\slash", "root/long/"+strings.Repeat("n", 255))
	if err := unix.Mkfifo(filepath.Join(dir, "root/pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Root: filepath.Join(dir, "root"), Index: "index.html"})
	for path, want := range map[string]string{
		"/a.css": "root/a.css", "/%61.css": "root/a.css", "/a%20b.txt": "root/a b.txt", "/%c3%a9": "root/é", "/é": "root/é",
		"/": "root/index.html", "/sub/": "root/sub/index.html", "/sub/x": "root/sub/x", "/sub": "", "/empty/": "", "/empty": "",
		"/.well-known/security.txt": "root/.well-known/security.txt", "/sub/.well-known/x": "", "/%2ewell-known/security.txt": "root/.well-known/security.txt",
		"/.env": "", "/%2eenv": "", "/.git/config": "", "/sub/.": "", "/dot.": "", "/dot%2e": "",
		"/../secret": "", "/sub/../../secret": "", "/%2e%2e/secret": "", "/..%2fsecret": "", "/sub%2fx": "", "/sub/..%2f..%2fsecret": "",
		"/%252e%252e": "root/%2e%2e", "/%252e%252e/secret": "", "/..;/secret": "", "/a.css;x": "",
		"//a.css": "", "/sub//x": "", "/a.css/": "", "/a.css/.": "", "/sub/./x": "", "/a.css%00": "", "/a.css%00.html": "", "/a.css%0a": "", "/a.css%7f": "",
		"/back\\slash": "", "/back%5cslash": "", "/..\\secret": "", "/a%2": "", "/a%": "", "/%zz": "", "/a.css%2": "", "/a+b": "root/a+b", "/~x": "root/~x",
		"": "", "*": "", "a.css": "", "http://x/a.css": "",
		"/in": "root/sub/x", "/up": "root/a.css", "/folder/x": "root/sub/x", "/gone": "", "/pipe": "", "/A.CSS": "",
		"/near":                             "root/a.css", // the link names the root from outside: it leads into it all the same
		"/long/" + strings.Repeat("n", 255): "root/long/" + strings.Repeat("n", 255), "/long/" + strings.Repeat("n", 256): "",
		"/" + strings.Repeat("sub/../", 200) + "a.css": "", "/" + strings.Repeat("d/", 600) + "x": "", "/" + strings.Repeat("%61", 2000): "",
	} {
		if got := found(t, s, path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	for _, path := range []string{"/out", "/far", "/away/secret"} {
		_, err := s.Find([]byte(path))
		var link *LinkError
		if !errors.As(err, &link) || !strings.HasSuffix(link.Path, path) {
			t.Errorf("%s: got %v, want a LinkError", path, err)
		}
	}
	if _, err := s.Find([]byte("/loop")); !errors.Is(err, unix.ELOOP) && err == nil {
		t.Errorf("a loop: got %v", err)
	}
}

// Links may lead to folders that the settings name.
func TestLinks(t *testing.T) {
	dir := tree(t, "shared/uploads/u", "shared/other", "other/x", "root/uploads -> DIR/shared/uploads", "root/x -> ../other/x", "root/o -> ../shared/other")
	s := open(t, Options{Root: filepath.Join(dir, "root"), Links: []string{filepath.Join(dir, "shared")}})
	for path, want := range map[string]string{"/uploads/u": "shared/uploads/u", "/o": "shared/other", "/uploads/none": "", "/x": "error: " + dir + "/root/x: a symbolic link leads out of the folder"} {
		if got := found(t, s, path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// A deployment turns the link to the next release.
func TestRootIsFollowed(t *testing.T) {
	dir := tree(t, "1/a", "2/b", "current -> 1")
	s := open(t, Options{Root: filepath.Join(dir, "current")})
	if got := found(t, s, "/a"); got != "1/a" {
		t.Fatalf("got %q", got)
	}
	turn := func(to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, "next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
		s.root.at.Store(-int64(time.Hour))
	}
	turn("2")
	if a, b := found(t, s, "/a"), found(t, s, "/b"); a != "" || b != "2/b" {
		t.Errorf("after the turn: %q and %q", a, b)
	}
	turn("nowhere")
	if b := found(t, s, "/b"); b != "2/b" {
		t.Errorf("while the link leads nowhere: %q", b)
	}
}

func TestOpenFails(t *testing.T) {
	dir := tree(t, "file", "root/")
	for _, o := range []Options{{Root: dir + "/none"}, {Root: dir + "/file"}, {Root: dir + "/root", Links: []string{dir + "/none"}}} {
		_, err := Open(o)
		if err == nil || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "openat") {
			t.Errorf("%+v: got %v", o, err)
		}
	}
}

func TestFileIsDescribed(t *testing.T) {
	dir := tree(t, "assets/app-1.css", "x.unknown", "page.HTML")
	at := time.Unix(1_700_000_000, 123)
	if err := os.Chtimes(filepath.Join(dir, "x.unknown"), at, at); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Root: dir, CacheControl: "no-cache", Immutable: []string{"/assets/"}})
	for path, want := range map[string][2]string{
		"/assets/app-1.css": {"text/css; charset=utf-8", CacheForever}, "/x.unknown": {octets, "no-cache"}, "/page.HTML": {"text/html; charset=utf-8", "no-cache"},
	} {
		f, err := s.Find([]byte(path))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		if f.ContentType != want[0] || f.CacheControl != want[1] {
			t.Errorf("%s: %q %q", path, f.ContentType, f.CacheControl)
		}
		if path == "/x.unknown" && (f.ETag != `"17979cfe362a007b-9"` || f.Size != 9 || !f.ModTime.Equal(at)) {
			t.Errorf("%s: %s, %d bytes, %s", path, f.ETag, f.Size, f.ModTime)
		}
	}
}

func TestReadAndSeek(t *testing.T) {
	s := open(t, Options{Root: tree(t, "abcdef")})
	f, err := s.Find([]byte("/abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Seek(0, io.SeekEnd); n != 6 || err != nil {
		t.Errorf("the end: %d %v", n, err)
	}
	if n, err := f.Seek(-3, io.SeekEnd); n != 3 || err != nil {
		t.Errorf("before it: %d %v", n, err)
	}
	if b, err := io.ReadAll(f); string(b) != "def" || err != nil {
		t.Errorf("got %q %v", b, err)
	}
	if _, err := f.Seek(0, io.SeekCurrent); err == nil {
		t.Error("from here: no error")
	}
	f.Close()
	if _, err := f.Read(make([]byte, 1)); err == nil {
		t.Error("closed: no error")
	}
}

// A file that cannot be read is told from one that is not there.
func TestNotReadable(t *testing.T) {
	if reason(syscall.EACCES) == ErrNone || reason(syscall.ENOENT) != ErrNone || reason(syscall.EXDEV) != errEscapes {
		t.Error("errors are mixed up")
	}
}
