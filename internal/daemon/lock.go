package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"ripd/internal/api"
)

// nameLock keeps a second ripd from serving the same app and variant: their sockets
// have the same names. It is a lock on a file in the runtime directory, which the
// kernel frees when ripd ends in whatever way.
type nameLock struct {
	file *os.File
	path string
	// lent: another ripd has the lock too, and owns the file; see upgrade.go.
	lent bool
}

// programsSuffix ends the name of the folder with the adapters' programs.
const programsSuffix = ".programs"

// lockTries bounds how often a lock file may vanish under our hands.
const lockTries = 10

// takeLock locks the names that begin with prefix. Its error names the process
// that has the lock.
func takeLock(dir, prefix, app string) (*nameLock, error) {
	path := filepath.Join(dir, prefix+".lock")
	for range lockTries {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("the lock file: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			defer f.Close()
			return nil, &api.Error{
				Code:    api.CodeBusy,
				Message: fmt.Sprintf("another ripd serves %s already%s", app, lockHolder(f)),
				Hint:    "end it with `ripctl stop " + app + "`, or give this one another --variant",
			}
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// Its last owner removes the file: then this lock is on a file that nobody
		// else would find.
		if !sameFile(f, path) {
			f.Close()
			continue
		}
		l := &nameLock{file: f, path: path}
		if err := l.sign(); err != nil {
			l.release()
			return nil, fmt.Errorf("write the lock file: %w", err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("lock %s: somebody keeps removing it", path)
}

// sign writes who has the lock.
func (l *nameLock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// release frees the names. It may be called on nil.
func (l *nameLock) release() {
	if l == nil {
		return
	}
	if !l.lent {
		os.Remove(l.path) // while the lock is held, so that it is ours
	}
	l.file.Close()
}

// lockHolder says who has signed the lock file: ": process 123".
func lockHolder(f *os.File) string {
	buf := make([]byte, 32)
	n, _ := f.ReadAt(buf, 0)
	pid := strings.TrimSpace(string(buf[:n]))
	if _, err := strconv.Atoi(pid); err != nil {
		return ""
	}
	return ": process " + pid
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

// removeStale removes the sockets that an earlier ripd of the same names has
// left behind. The name lock is held.
func removeStale(dir, prefix string) error {
	programs, err := filepath.Glob(filepath.Join(dir, prefix+".u*"+programsSuffix))
	if err != nil {
		return fmt.Errorf("look for old programs: %w", err)
	}
	for _, path := range programs {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove old programs: %w", err)
		}
	}
	return removeMatching(dir, "^"+regexp.QuoteMeta(prefix)+`\.(u\d+\.)?(\d+(-\d+)?\.(sock|ntfy)|work\.sock|ctl\.sock)$`)
}

// removeSockets removes what the workers of one ripd have left behind, when the
// names are another ripd's. prefix is that of its workers' sockets.
func removeSockets(dir, prefix string) error {
	return removeMatching(dir, "^"+regexp.QuoteMeta(prefix)+`\.(\d+(-\d+)?\.(sock|ntfy)|work\.sock)$`)
}

func removeMatching(dir, names string) error {
	ours := regexp.MustCompile(names)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for old sockets: %w", err)
	}
	for _, e := range entries {
		if e.Type() != os.ModeSocket || !ours.MatchString(e.Name()) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove an old socket: %w", err)
		}
	}
	return nil
}
