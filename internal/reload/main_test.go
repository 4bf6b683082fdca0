package reload

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write replaces a file's content in place, as a plain save does.
func write(t interface{ Fatal(...any) }, path, content string) {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts a new file into the place of the old one, as careful editors do.
func replace(t interface{ Fatal(...any) }, path, content string) {
	write(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func must(t interface{ Fatal(...any) }, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// files makes n files with the content "0" in a fresh folder.
func files(t testing.TB, n int) []string {
	t.Helper()
	dir := t.TempDir()
	names := make([]string, n)
	for i := range names {
		names[i] = filepath.Join(dir, "lib", "deep", "folder", "file-"+string(rune('a'+i%26))+"-"+itoa(i)+".rb")
		must(t, os.MkdirAll(filepath.Dir(names[i]), 0o700))
		write(t, names[i], "0")
	}
	return names
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func expect(t *testing.T, s *Stamps, want string) {
	t.Helper()
	path, changed := s.Changed()
	if path != want || changed != (want != "") {
		t.Fatalf("Changed: %q, %v; want %q", path, changed, want)
	}
}
