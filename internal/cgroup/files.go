package cgroup

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Files is what this package does with files and groups. The paths are
// absolute. Tests pass a tree of their own that behaves as the kernel's does.
type Files interface {
	// Read reads a file whole. One that does not exist, or whose group is gone, is
	// fs.ErrNotExist.
	Read(path string) (string, error)
	// Write writes text to a file that exists, in one step.
	Write(path, text string) error
	// Mkdir makes a group; one that exists is fs.ErrExist.
	Mkdir(path string) error
	// Rmdir removes a group; one in use is syscall.EBUSY.
	Rmdir(path string) error
	// Groups are the names of the groups in a group.
	Groups(path string) ([]string, error)
	// Delegated tells whether a group was given to the user of this process.
	Delegated(path string) bool
	// Kill sends SIGKILL to a process if still says, when the number can mean no
	// other process any more, that it is the one that is meant.
	Kill(pid int, still func() bool)
}

// System gives the files of the system.
func System() Files { return system{} }

type system struct{}

// readMost bounds what is read of one file: cgroup.procs of a worker with
// thousands of processes, or the mounts of a machine.
const readMost = 1 << 20

func (system) Read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, readMost))
	return string(text), gone(err)
}

func (system) Write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return gone(err)
}

// gone names the error of a group that was removed while its file was open.
func gone(err error) error {
	if errors.Is(err, syscall.ENODEV) {
		return fs.ErrNotExist
	}
	return err
}

func (system) Mkdir(path string) error { return os.Mkdir(path, 0o755) }

func (system) Rmdir(path string) error {
	if err := unix.Rmdir(path); err != nil {
		return &fs.PathError{Op: "rmdir", Path: path, Err: err}
	}
	return nil
}

func (system) Groups(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Delegated looks for the mark that systemd puts on delegated groups
// (systemd.io/CGROUP_DELEGATION, since systemd 250 for unprivileged readers). Older
// ones say it by the owner alone: the group belongs to this user, and the one
// above does not. root owns all groups, so that its ownership says nothing.
func (system) Delegated(path string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Getxattr(path, name, value[:]); err == nil {
			return string(value[:n]) == "1"
		}
	}
	own := os.Geteuid()
	return own != 0 && owner(path) == own && owner(path+"/..") != own
}

func (system) Kill(pid int, still func() bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd)
	if still() {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // likewise
	}
}

// owner gives the user of a file, -1 when it cannot be looked at.
func owner(path string) int {
	var stat unix.Stat_t
	if unix.Stat(path, &stat) != nil {
		return -1
	}
	return int(stat.Uid)
}
