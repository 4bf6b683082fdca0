package api

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// SystemDir is where systemd keeps the operators' sockets of its ripd units.
const SystemDir = "/run/ripd"

// The ends of the sockets' names.
const (
	controlSuffix       = ".ctl.sock"     // one socket for operators and workers, or for workers alone
	systemControlSuffix = ".control.sock" // the operators' socket that systemd made
)

// maxSocketPath is the longest path of a unix socket: sun_path has 108 bytes, the
// last of which is a NUL; unix(7).
const maxSocketPath = 107

// ControlSocket gives the path of the control socket of the app whose sockets'
// names begin with prefix.
func ControlSocket(dir, prefix string) string {
	return filepath.Join(dir, prefix+controlSuffix)
}

// WorkerSocket gives the path of the socket of the worker with that id.
func WorkerSocket(dir, prefix string, id int) string {
	return filepath.Join(dir, prefix+"."+strconv.Itoa(id)+".sock")
}

// CheckSocketPath is an error when the path is too long for a unix socket.
func CheckSocketPath(path string) error {
	if len(path) <= maxSocketPath {
		return nil
	}
	return &Error{
		Code:    CodeUsage,
		Message: fmt.Sprintf("the socket's path has %d bytes, and the kernel takes %d: %s", len(path), maxSocketPath, path),
		Hint:    "choose a shorter --socket-prefix, or set RUNTIME_DIRECTORY to a shorter folder",
	}
}

// RuntimeDir names the folder of the sockets of the user who has this
// environment (in the form of os.Environ): $RUNTIME_DIRECTORY (the first, when it
// lists several), else $XDG_RUNTIME_DIR/ripd, else ripd-UID in $TMPDIR or /tmp.
// It touches no file; see EnsureRuntimeDir and CheckDir.
func RuntimeDir(environ []string) string {
	if dir, ok := givenDir(environ); ok {
		return dir
	}
	if dir := getenv(environ, "XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ripd")
	}
	tmp := getenv(environ, "TMPDIR")
	if !filepath.IsAbs(tmp) {
		tmp = "/tmp"
	}
	return filepath.Join(tmp, "ripd-"+strconv.Itoa(os.Getuid()))
}

// givenDir gives the folder that the service manager chose.
func givenDir(environ []string) (string, bool) {
	dir, _, _ := strings.Cut(getenv(environ, "RUNTIME_DIRECTORY"), ":")
	return filepath.Clean(dir), filepath.IsAbs(dir)
}

// EnsureRuntimeDir gives the folder that RuntimeDir names, ready for sockets: it
// makes the folder, for its owner alone, unless it exists, and checks it as
// CheckDir does. A folder that ripd chose must have the mode 0700; of one that
// $RUNTIME_DIRECTORY names, the mode is the service manager's choice.
func EnsureRuntimeDir(environ []string) (string, error) {
	dir := RuntimeDir(environ)
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(dir), 0o700); err == nil {
			err = os.Mkdir(dir, 0o700)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return "", Errorf(CodeFailed, "cannot make the folder for the sockets: %v", err).
			WithHint("set RUNTIME_DIRECTORY to a folder that only you can write to")
	}
	forbidden := fs.FileMode(0o077)
	if given, _ := givenDir(environ); given == dir {
		forbidden = 0o022
	}
	return dir, inspect(dir, forbidden)
}

// CheckDir makes sure that only this process's user and root can have put sockets
// into the folder: it is a folder and not a link to one, belongs to
// this user or to root, and is writable by nobody else. Errors of type *Error
// say what to do; a folder that is not there gives fs.ErrNotExist.
func CheckDir(path string) error { return inspect(path, 0o022) }

func inspect(path string, forbidden fs.FileMode) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("look at the folder for the sockets: %w", err)
	}
	return judge(path, info, forbidden, os.Getuid())
}

// judge decides by what lstat said of the folder. Forbidden are the permission
// bits that it must not have.
func judge(path string, info fs.FileInfo, forbidden fs.FileMode, uid int) error {
	const elsewhere = ", or set RUNTIME_DIRECTORY to a folder that only you can write to"
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s is unknown", path)
	}
	owner, mode := int(st.Uid), info.Mode()
	switch {
	case mode&fs.ModeSymlink != 0:
		return Errorf(CodeForbidden, "%s is a symbolic link, which somebody else may point elsewhere", path).
			WithHint("remove the link%s", elsewhere)
	case !mode.IsDir():
		return Errorf(CodeForbidden, "%s is not a folder", path).WithHint("remove it%s", elsewhere)
	case owner != uid && owner != 0:
		return Errorf(CodeForbidden, "%s belongs to user id %d, and you are user id %d", path, owner, uid).
			WithHint("have its owner or root remove it%s", elsewhere)
	case mode.Perm()&forbidden != 0:
		return Errorf(CodeForbidden, "%s is open to other users: its mode is %04o", path, mode.Perm()).
			WithHint("chmod 0700 %s%s", path, elsewhere)
	}
	return nil
}

// getenv gives the last value of a name in an environment, as the kernel's
// programs see it; "" when it is not set.
func getenv(environ []string, name string) string {
	value := ""
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}
