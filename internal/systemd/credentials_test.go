package systemd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadCredential(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	write("database-url", "postgres://shop:secret@db/shop\n")
	write("empty", "")
	write("largest", strings.Repeat("x", MaxCredential))
	write("too-large", strings.Repeat("x", MaxCredential+1))
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"database-url": "postgres://shop:secret@db/shop\n", "empty": "", "largest": strings.Repeat("x", MaxCredential),
	} {
		if got, err := ReadCredential(dir, name); err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	for name, want := range map[string]string{
		"too-large": "the credential too-large: it has more than 1048576 bytes",
		"folder":    "the credential folder: it is not a file",
		"fifo":      "the credential fifo: it is not a file",
		"missing":   "the credential missing: it is not there",
		"":          "the credential : it is not a credential's name",
		"../x":      "the credential ../x: it is not a credential's name",
		"..":        "the credential ..: it is not a credential's name",
	} {
		if got, err := ReadCredential(dir, name); err == nil || err.Error() != want || got != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := ReadCredential(dir, "missing"); !errors.Is(err, ErrNoCredential) {
		t.Error(err)
	}
	if _, err := ReadCredential("", "database-url"); !errors.Is(err, ErrNoCredentials) {
		t.Error(err)
	}
}
