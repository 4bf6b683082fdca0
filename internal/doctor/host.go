package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Host is the machine as a doctor sees it.
type Host struct {
	// Root is put before every path: "" is the machine's own.
	Root string
	// UID is who looks.
	UID int
	// Output runs a program and gives what it writes on standard output.
	Output func(ctx context.Context, argv ...string) ([]byte, error)
	// Account gives a user's numbers; the groups begin with the own one.
	Account func(name string) (uid int, groups []int, err error)
	// NoExec tells whether programs on a path's file system cannot be executed.
	NoExec func(path string) bool
	// Free gives the bytes that are free on a path's file system.
	Free func(path string) (uint64, error)
}

// Machine is the one that this program runs on.
func Machine() Host {
	return Host{
		UID: os.Geteuid(),
		Output: func(ctx context.Context, argv ...string) ([]byte, error) {
			return exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
		},
		Account: accountOf, NoExec: noExec, Free: freeOf,
	}
}

func accountOf(name string) (uid int, groups []int, err error) {
	u, err := user.Lookup(name)
	if _, numeric := strconv.Atoi(name); err != nil && numeric == nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		return 0, nil, err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return 0, nil, err
	}
	for _, id := range append([]string{u.Gid}, ids...) {
		gid, err := strconv.Atoi(id)
		if err != nil {
			return 0, nil, err
		}
		groups = append(groups, gid)
	}
	uid, err = strconv.Atoi(u.Uid)
	return uid, groups, err
}

func noExec(path string) bool {
	var s unix.Statfs_t
	return unix.Statfs(path, &s) == nil && s.Flags&unix.ST_NOEXEC != 0
}

func freeOf(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

func (h *Host) path(p string) string { return h.Root + p }

func (h *Host) read(path string) (string, error) {
	data, err := os.ReadFile(h.path(path))
	return string(data), err
}

// number reads a file of /proc that holds one; 0 when it cannot.
func (h *Host) number(path string) int {
	text, err := h.read(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(text))
	return n
}

func (h *Host) lstat(path string) (fs.FileInfo, error) { return os.Lstat(h.path(path)) }

func (h *Host) stat(path string) (fs.FileInfo, error) { return os.Stat(h.path(path)) }

// owner gives who a file belongs to.
func owner(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

// lists tells whether a file has a list of who may do what beside its mode.
func (h *Host) lists(path string) bool {
	n, err := unix.Lgetxattr(h.path(path), "system.posix_acl_access", nil)
	return err == nil && n > 0
}

// processes gives the ids of all processes.
func (h *Host) processes() (pids []int) {
	entries, err := os.ReadDir(h.path("/proc"))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// program names a process: its name, and its systemd unit where it has one.
func (h *Host) program(pid int) (name, unit string) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, _ := h.read(dir + "/comm")
	name = strings.TrimSpace(text)
	groups, _ := h.read(dir + "/cgroup")
	for line := range strings.Lines(groups) {
		path := strings.TrimSpace(line[strings.LastIndex(line, ":")+1:])
		for _, part := range strings.Split(path, "/") {
			if strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope") {
				unit = part
			}
		}
	}
	return name, unit
}

// why is an error without the path that is said already.
func why(err error) string {
	var p *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "you may not look there"
	case errors.As(err, &p):
		return p.Err.Error()
	}
	return err.Error()
}

func base(path string) string { return filepath.Base(path) }
