package testkit

import (
	"os"
	"path/filepath"
	"testing"
)

// SocketPathMax is the longest path of a unix socket on Linux in bytes:
// sun_path has 108 with its closing zero (unix(7)).
const SocketPathMax = 107

// TempSocketDir returns a new directory of mode 0700 whose path is short
// enough for unix sockets with long names. (t.TempDir holds the test's name,
// which is often too long.) It is removed with all it holds when the test
// ends.
func TempSocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the socket directory: %v", err)
		}
	})
	return dir
}

// TempSocket returns the path of a socket called name in a new TempSocketDir.
func TempSocket(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(TempSocketDir(t), name)
	if len(path) > SocketPathMax {
		t.Fatalf("%s is longer than %d bytes", path, SocketPathMax)
	}
	return path
}
