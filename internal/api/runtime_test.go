package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/testkit"
)

func TestRuntimeDir(t *testing.T) {
	own := fmt.Sprintf("ripd-%d", os.Getuid())
	for _, c := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"systemd's", []string{"RUNTIME_DIRECTORY=/run/ripd/shop", "XDG_RUNTIME_DIR=/run/user/7"}, "/run/ripd/shop"},
		{"the first of systemd's", []string{"RUNTIME_DIRECTORY=/run/a:/run/b"}, "/run/a"},
		{"a relative one is none", []string{"RUNTIME_DIRECTORY=run", "XDG_RUNTIME_DIR=/run/user/7"}, "/run/user/7/ripd"},
		{"the session's", []string{"XDG_RUNTIME_DIR=/run/user/7", "TMPDIR=/var/tmp"}, "/run/user/7/ripd"},
		{"TMPDIR", []string{"TMPDIR=/var/tmp"}, "/var/tmp/" + own},
		{"nothing set", nil, "/tmp/" + own},
		{"the last one counts", []string{"TMPDIR=/a", "TMPDIR=/b"}, "/b/" + own},
	} {
		if got := RuntimeDir(c.environ); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSocketNames(t *testing.T) {
	if got := ControlSocket("/run/ripd", "rip_main_shop"); got != "/run/ripd/rip_main_shop.ctl.sock" {
		t.Error(got)
	}
	if got := WorkerSocket("/run/ripd", "rip_main_shop", 12); got != "/run/ripd/rip_main_shop.12.sock" {
		t.Error(got)
	}
	// The bound is the kernel's own.
	dir := testkit.TempSocketDir(t)
	for extra := range 2 {
		path := filepath.Join(dir, strings.Repeat("x", maxSocketPath-len(dir)-1+extra))
		l, err := net.Listen("unix", path)
		if (err == nil) != (CheckSocketPath(path) == nil) {
			t.Errorf("%d bytes: the kernel says %v, CheckSocketPath %v", len(path), err, CheckSocketPath(path))
		}
		if err == nil {
			l.Close()
		}
	}
}

func TestEnsureRuntimeDir(t *testing.T) {
	base := testkit.TempSocketDir(t)
	environ := []string{"XDG_RUNTIME_DIR=" + filepath.Join(base, "user")}
	want := filepath.Join(base, "user", "ripd")
	for range 2 { // it makes the folder, then it finds it
		dir, err := EnsureRuntimeDir(environ)
		if err != nil || dir != want {
			t.Fatalf("%s, %v", dir, err)
		}
		info, err := os.Lstat(dir)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Fatalf("%v, %v", info.Mode(), err)
		}
	}
	for _, mode := range []fs.FileMode{0o750, 0o705, 0o777} {
		os.Chmod(want, mode)
		_, err := EnsureRuntimeDir(environ)
		wantHint(t, err, fmt.Sprintf("its mode is %04o", mode), "chmod 0700 "+want)
	}
	// Of systemd's folder the mode is systemd's choice, as long as nobody else can write.
	os.Chmod(want, 0o750)
	if _, err := EnsureRuntimeDir([]string{"RUNTIME_DIRECTORY=" + want}); err != nil {
		t.Error(err)
	}
	os.Chmod(want, 0o770)
	_, err := EnsureRuntimeDir([]string{"RUNTIME_DIRECTORY=" + want})
	wantHint(t, err, "open to other users", "chmod 0700")
}

func TestUnsafeDirs(t *testing.T) {
	base := testkit.TempSocketDir(t)
	dir, link, file := filepath.Join(base, "dir"), filepath.Join(base, "link"), filepath.Join(base, "file")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Symlink(dir, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := CheckDir(dir); err != nil {
		t.Error(err)
	}
	wantHint(t, CheckDir(link), "is a symbolic link", "remove the link")
	wantHint(t, CheckDir(file), "is not a folder", "remove it")
	if err := CheckDir(filepath.Join(base, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("not there: %v", err)
	}
	_, err := EnsureRuntimeDir([]string{"RUNTIME_DIRECTORY=" + link})
	wantHint(t, err, "is a symbolic link", "RUNTIME_DIRECTORY")
	_, err = EnsureRuntimeDir([]string{"RUNTIME_DIRECTORY=" + file + "/below"})
	wantHint(t, err, "cannot make the folder", "RUNTIME_DIRECTORY")

	// Another's folder: what lstat says is given to another user id.
	info, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	err = judge(dir, info, 0o077, owner+1)
	if owner == 0 {
		if err != nil {
			t.Errorf("root's folder: %v", err)
		}
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		err = CheckDir(dir)
	}
	wantHint(t, err, "belongs to user id", "remove it")
}

// wantHint checks an error that says what is wrong and what to do.
func wantHint(t *testing.T, err error, message, hint string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, message) || !strings.Contains(e.Hint, hint) {
		t.Errorf("error %#v, want %q and %q", err, message, hint)
	}
}

func TestFind(t *testing.T) {
	runtime, system := testkit.TempSocketDir(t), testkit.TempSocketDir(t)
	listen := func(path string) {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	shop, blog := ControlSocket(runtime, "rip_main_shop"), filepath.Join(system, "blog.control.sock")
	listen(shop)
	listen(blog)
	listen(WorkerSocket(runtime, "rip_main_shop", 1))
	listen(filepath.Join(system, "blog.http.sock"))
	os.WriteFile(ControlSocket(runtime, "a_file"), nil, 0o600)
	os.Symlink(shop, ControlSocket(runtime, "a_link"))

	f := Find(runtime, system)
	if len(f.Errors) > 0 || len(f.Doors) != 2 || len(f.Looked) != 2 {
		t.Fatalf("%+v", f)
	}
	names := map[string]string{}
	for _, d := range f.Doors {
		names[d.Path] = d.Name
	}
	if name, ok := names[shop]; !ok || name != "" {
		t.Errorf("%+v", f.Doors)
	}
	if names[blog] != "blog" {
		t.Errorf("%+v", f.Doors)
	}

	os.Chmod(runtime, 0o777)
	if f := Find(runtime, system); len(f.Doors) != 1 || len(f.Errors) != 1 {
		t.Errorf("a folder that anybody can write to: %+v", f)
	}
	if f := Find(filepath.Join(runtime, "none"), ""); len(f.Doors) != 0 || len(f.Errors) != 0 || len(f.Looked) != 1 {
		t.Errorf("a folder that is not there: %+v", f)
	}
}

func TestFindIsBounded(t *testing.T) {
	dir := testkit.TempSocketDir(t)
	for i := range MaxSockets + 1 {
		l, err := net.Listen("unix", ControlSocket(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if f := Find(dir, ""); len(f.Doors) != MaxSockets || len(f.Errors) != 1 || !strings.Contains(f.Errors[0].Error(), "more than 256") {
		t.Errorf("%+v", f)
	}
}
