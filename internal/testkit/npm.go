package testkit

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// What the tests of JavaScript apps need, with exact versions.
//
//go:embed npm/package.json npm/package-lock.json
var npmFiles embed.FS

// npmMost bounds the installation: it downloads about 90 MB.
const npmMost = 8 * time.Minute

// NPM returns a folder whose node_modules has the packages of
// npm/package-lock.json. It is outside of the repository, made once for each
// state of the lock file, and made again when it is gone.
func NPM(t testing.TB) string {
	t.Helper()
	Need(t, "node", "npm")
	lock, err := npmFiles.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir, err := npmFolder(cacheFolder(), "npm-"+hex.EncodeToString(sum[:6]))
	if err != nil {
		Lacking(t, err.Error())
	}
	return dir
}

// Bun returns the path of the program bun, which is one of NPM's packages.
func Bun(t testing.TB) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(NPM(t), "node_modules/@oven/bun-linux-*/bin/bun"))
	if err != nil || len(found) == 0 {
		Lacking(t, "npm has no bun for this machine")
	}
	// Of several (glibc and musl) the one that runs here.
	for _, bun := range found {
		if exec.Command(bun, "--version").Run() == nil {
			return bun
		}
	}
	Lacking(t, "bun does not run on this machine")
	return ""
}

func cacheFolder() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "ripd-tests")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("ripd-tests-%d", os.Getuid()))
}

// npmFolder installs into cache/name unless it is there. Test programs run side
// by side: one of them installs, the others wait.
func npmFolder(cache, name string) (string, error) {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "npm.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fresh, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := npmInstall(fresh); err != nil {
		return "", err
	}
	return dir, os.Rename(fresh, dir)
}

func npmInstall(dir string) error {
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := npmFiles.ReadFile("npm/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), npmMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}
