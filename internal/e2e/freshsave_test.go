package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// source is an app of several files, each with a version of its own. Its answer
// at / is the versions of all of them, in their order, with spaces between, and
// after them the version of what the carrier imports besides. At /slow it is the
// same, 30 ms later.
type source struct {
	dir   string
	files []string // names; each but the first is loaded by another, the last the deepest
	// carrier is the file that may import one more: a module that is new.
	carrier int
	// extra names the file of such a module.
	extra func(number int64) string
	// text is what a file says. more is the number of the module that the carrier
	// imports; 0: it says its own version instead.
	text func(file string, version, more int64) string

	version, more int64 // the last of each
	desk          string
	saves         int
}

// wayOfSaving is how an editor or a tool saves.
type wayOfSaving struct {
	name string
	save func(s *source, on saved, random *rand.Rand) error
}

var waysOfSaving = []wayOfSaving{
	{"a write in place", func(s *source, on saved, random *rand.Rand) error { return s.one(on, random, writeInPlace) }},
	{"a plain write", func(s *source, on saved, random *rand.Rand) error { return s.one(on, random, writePlain) }},
	{"a rename", func(s *source, on saved, random *rand.Rand) error { return s.one(on, random, writeByRename) }},
	{"a write that puts the time back", func(s *source, on saved, random *rand.Rand) error { return s.one(on, random, writeAndPutBack) }},
	{"a file that is deleted and written", func(s *source, on saved, random *rand.Rand) error { return s.one(on, random, writeAfterDeleting) }},
	{"several files", func(s *source, on saved, random *rand.Rand) error {
		return s.put(on, writeByRename, 0, 1+random.IntN(len(s.files)-1), len(s.files)-1)
	}},
	{"all files", func(s *source, on saved, _ *rand.Rand) error { return s.put(on, writeByRename, s.all()...) }},
	{"a deep file", func(s *source, on saved, _ *rand.Rand) error { return s.put(on, writeInPlace, len(s.files)-1) }},
	{"two saves at once", func(s *source, on saved, random *rand.Rand) error {
		i := random.IntN(len(s.files))
		if err := s.put(on, writeInPlace, i); err != nil {
			return err
		}
		return s.put(on, writeInPlace, i)
	}},
	{"a touch", func(s *source, _ saved, random *rand.Rand) error {
		s.saves++
		now := time.Now()
		return os.Chtimes(s.path(s.files[random.IntN(len(s.files))]), now, now)
	}},
	{"a new import", (*source).importMore},
	{"an import and a file less", (*source).importLess},
	{"git checkout", (*source).checkOut},
}

func (s *source) path(file string) string { return filepath.Join(s.dir, file) }

func (s *source) all() []int {
	all := make([]int, len(s.files))
	for i := range all {
		all[i] = i
	}
	return all
}

// one saves one file, the imported module included.
func (s *source) one(on saved, random *rand.Rand, write writer) error {
	i := random.IntN(len(s.files) + 1)
	if i < len(s.files) {
		return s.put(on, write, i)
	}
	if s.more == 0 {
		return s.put(on, write, s.carrier)
	}
	s.version++
	s.saves++
	name := s.extra(s.more)
	if err := write(s.path(name), s.text(name, s.version, 0)); err != nil {
		return err
	}
	on[len(s.files)].Store(s.version)
	return nil
}

// put saves some of the files, in one version.
func (s *source) put(on saved, write writer, files ...int) error {
	s.version++
	s.saves++
	for _, i := range files {
		if err := write(s.path(s.files[i]), s.text(s.files[i], s.version, s.more)); err != nil {
			return err
		}
		s.stored(on, i)
	}
	return nil
}

// stored notes that a file is saved.
func (s *source) stored(on saved, i int) {
	on[i].Store(s.version)
	if i == s.carrier && s.more == 0 {
		on[len(s.files)].Store(s.version)
	}
}

// importMore adds a file that was not there, and imports it.
func (s *source) importMore(on saved, _ *rand.Rand) error {
	old := s.more
	s.more = s.version + 1
	name := s.extra(s.more)
	if err := writePlain(s.path(name), s.text(name, s.more, 0)); err != nil {
		return err
	}
	if err := s.put(on, writeByRename, s.carrier); err != nil {
		return err
	}
	on[len(s.files)].Store(s.more)
	return s.remove(old)
}

// importLess takes the import away, and then the file.
func (s *source) importLess(on saved, _ *rand.Rand) error {
	old := s.more
	s.more = 0
	if err := s.put(on, writeByRename, s.carrier); err != nil {
		return err
	}
	return s.remove(old)
}

func (s *source) remove(more int64) error {
	if more == 0 {
		return nil
	}
	return os.Remove(s.path(s.extra(more)))
}

// checkOut brings another branch, which was made elsewhere.
func (s *source) checkOut(on saved, _ *rand.Rand) error {
	s.version++
	s.saves++
	old := s.more
	s.more = 0
	for _, file := range s.files {
		if err := writePlain(filepath.Join(s.desk, file), s.text(file, s.version, 0)); err != nil {
			return err
		}
	}
	branch := fmt.Sprint("branch-", s.version)
	for _, command := range [][]string{
		{"-C", s.desk, "commit", "--quiet", "--all", "--message", branch},
		{"-C", s.desk, "push", "--quiet", s.dir, "HEAD:refs/heads/" + branch},
		{"-C", s.dir, "checkout", "--quiet", "--force", branch},
	} {
		if err := git(command...); err != nil {
			return err
		}
	}
	for i := range s.files {
		s.stored(on, i)
	}
	return s.remove(old)
}

func git(args ...string) error {
	cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.org"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w: %s", args, err, out)
	}
	return nil
}

// write makes the app's folder, with version 0 of each file, and the other one
// in which branches are made.
func (s *source) write(t *testing.T) {
	t.Helper()
	testkit.Need(t, "git")
	s.desk = filepath.Join(t.TempDir(), "desk")
	for _, dir := range []string{s.dir, s.desk} {
		for _, file := range s.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(s.text(file, 0, 0)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, command := range [][]string{{"init", "--quiet", dir}, append([]string{"-C", dir, "add"}, s.files...)} {
			if err := git(command...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// writer saves a text in a file.
type writer func(path, text string) error

// writeInPlace writes a file as short as these in one call, over the old text.
func writeInPlace(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// writePlain empties the file first.
func writePlain(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

func writeByRename(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func writeAfterDeleting(path, text string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// writeAndPutBack leaves the time of the last change as it was, as rsync -t and
// cp -p may.
func writeAndPutBack(path, text string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := writeInPlace(path, text); err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}
