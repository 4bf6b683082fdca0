package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ripd/internal/testkit"
)

// Each change is made right after the stamp was taken, within one tick of the
// clock that stamps files: only the content tells some of them.
func TestChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(t *testing.T, path string)
		want   bool
	}{
		{"nothing", func(t *testing.T, path string) {}, false},
		{"another content", func(t *testing.T, path string) { write(t, path, "longer") }, true},
		{"another content of the same size", func(t *testing.T, path string) { write(t, path, "1") }, true},
		{"the same size, with the old mtime put back", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			must(t, err)
			write(t, path, "1")
			must(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
		}, true},
		{"replaced by rename", func(t *testing.T, path string) { replace(t, path, "1") }, true},
		{"truncated", func(t *testing.T, path string) { write(t, path, "") }, true},
		{"deleted", func(t *testing.T, path string) { must(t, os.Remove(path)) }, true},
		{"its folder renamed", func(t *testing.T, path string) {
			must(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+".old"))
		}, true},
		{"a folder in its place", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Mkdir(path, 0o700))
		}, true},
		{"a FIFO in its place", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, unix.Mkfifo(path, 0o600))
		}, true},
		{"a dangling link in its place", func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.Symlink("nowhere", path))
		}, true},
		{"touched", func(t *testing.T, path string) { must(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Hour))) }, false},
		{"written with the same content", func(t *testing.T, path string) { write(t, path, "0") }, false},
		{"replaced by the same content", func(t *testing.T, path string) { replace(t, path, "0") }, false},
		{"changed and changed back", func(t *testing.T, path string) { write(t, path, "1"); write(t, path, "0") }, false},
		{"another mode", func(t *testing.T, path string) { must(t, os.Chmod(path, 0o644)) }, false},
		{"another name", func(t *testing.T, path string) { must(t, os.Link(path, path+".link")) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			names := files(t, 3)
			var s Stamps
			must(t, s.Set(names))
			expect(t, &s, "")
			test.change(t, names[1])
			want := ""
			if test.want {
				want = names[1]
				if strings.Contains(test.name, "folder renamed") {
					want = names[0]
				}
			}
			for range 3 {
				expect(t, &s, want)
			}
			s.Refresh()
			expect(t, &s, "")
		})
	}
}

func TestZeroValue(t *testing.T) {
	var s Stamps
	expect(t, &s, "")
	s.Refresh()
	expect(t, &s, "")
	if s.Len() != 0 || s.Restless() != nil {
		t.Error("not empty")
	}
}

func TestSymbolicLinks(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	for release, content := range map[string]string{"1": "old", "2": "old", "3": "new"} {
		must(t, os.Mkdir(filepath.Join(dir, release), 0o700))
		write(t, filepath.Join(dir, release, "app.rb"), content)
	}
	point := func(release string) {
		must(t, os.Symlink(release, link+".new"))
		must(t, os.Rename(link+".new", link))
	}
	point("1")
	file := filepath.Join(link, "app.rb")
	var s Stamps
	must(t, s.Set([]string{file}))
	expect(t, &s, "")
	point("2") // the same content
	expect(t, &s, "")
	point("3")
	expect(t, &s, file)
	point("1")
	expect(t, &s, "")
	write(t, filepath.Join(dir, "1", "app.rb"), "OLD")
	expect(t, &s, file)
}

// A folder counts with its entries, not with what they hold.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	views := filepath.Join(dir, "views")
	must(t, os.Mkdir(views, 0o700))
	write(t, filepath.Join(views, "a"), "0")
	var s Stamps
	must(t, s.Set([]string{views}))
	tick(t)
	s.Refresh()
	write(t, filepath.Join(views, "a"), "1")
	expect(t, &s, "")
	tick(t)
	write(t, filepath.Join(views, "b"), "0")
	expect(t, &s, views)
}

// tick waits until what was written so far is older than the clock that stamps
// files. Kernels since 6.13 may stamp ahead of it, by a tick of 10 ms at most.
func tick(t *testing.T) {
	t.Helper()
	var d disk
	start := d.now()
	testkit.Eventually(t, testkit.Timeout, func() bool { return d.now() > start+int64(50*time.Millisecond) })
}

func TestMissingFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "later")
	var s Stamps
	must(t, s.Set([]string{path}))
	expect(t, &s, "") // it was gone before anybody asked
	write(t, path, "0")
	expect(t, &s, path)
	s.Refresh()
	expect(t, &s, "")
	must(t, os.Remove(path))
	expect(t, &s, path)
	s.Refresh()
	expect(t, &s, "")
}

func TestNamesThatAreNoPaths(t *testing.T) {
	names := files(t, 1)
	var s Stamps
	must(t, s.Set([]string{"", "app.rb", "node:fs", "<internal:kernel>", "/a\x00b", "/" + strings.Repeat("x", maxPath), names[0], names[0], filepath.Dir(names[0]) + "/../folder/" + filepath.Base(names[0])}))
	if s.Len() != 1 {
		t.Errorf("%d files", s.Len())
	}
	write(t, names[0], "1")
	expect(t, &s, names[0])
}

func TestTooManyFiles(t *testing.T) {
	names := files(t, 1)
	for i := range MaxFiles + 9 {
		names = append(names, "/nowhere/"+itoa(i))
	}
	var s Stamps
	err := s.Set(names)
	var many *TooManyError
	if !errors.As(err, &many) || many.Files != MaxFiles+10 {
		t.Errorf("%v", err)
	}
	if s.Len() != MaxFiles {
		t.Errorf("%d files are in force", s.Len())
	}
	write(t, names[0], "1")
	expect(t, &s, names[0])
}

// What a file held when a process loaded it is known only when it is older
// than the process.
func TestFileWrittenDuringAStart(t *testing.T) {
	names := files(t, 2)
	var s Stamps
	tick(t)
	s.Refresh()
	write(t, names[1], "loaded or not?")
	must(t, s.Set(names))
	expect(t, &s, names[1])
	s.Refresh()
	must(t, s.Set(names))
	expect(t, &s, "")
	write(t, names[0], "1")
	must(t, s.Set(names)) // another worker of the same start: the stamp stays
	expect(t, &s, names[0])
}

// An app that writes what it loads is not started for ever.
func TestAppThatWritesItsOwnFiles(t *testing.T) {
	names := files(t, 2)
	var s Stamps
	for start := 1; start <= 6; start++ {
		tick(t)
		s.Refresh()
		write(t, names[1], fmt.Sprint("built by start ", start))
		must(t, s.Set(names))
		must(t, s.Set(names)) // the second worker
		restless := strings.Join(s.Restless(), " ")
		if start <= maxSelfWrites {
			expect(t, &s, names[1])
			if restless != "" {
				t.Errorf("start %d: %s", start, restless)
			}
			continue
		}
		expect(t, &s, "")
		if restless != names[1] {
			t.Errorf("start %d: restless %q", start, restless)
		}
		write(t, names[1], "saved by somebody")
		expect(t, &s, names[1])
	}
	s.Refresh()
	must(t, s.Set(names)) // a start that leaves it alone
	if s.Restless() != nil {
		t.Error("it is still taken for restless")
	}
	s.Refresh()
	write(t, names[1], "x")
	must(t, s.Set(names))
	expect(t, &s, names[1])
	s.Refresh()
	must(t, s.Set(names[:1]))
	expect(t, &s, "")
}

func TestLargeFilesGoByTheirStamps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(maxDigested+1))
	must(t, f.Close())
	var s Stamps
	must(t, s.Set([]string{path}))
	expect(t, &s, "")
	tick(t)
	must(t, os.Chtimes(path, time.Now(), time.Now()))
	expect(t, &s, path)
}

// A model of the set: what each file held at its stamp, and what it holds now.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "reload")
		must(t, err)
		defer func() { _ = os.RemoveAll(dir) }()
		const missing = "(missing)"
		names := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")}
		now, known := map[string]string{}, map[string]string{}
		for _, name := range names {
			write(t, name, "0")
			now[name], known[name] = "0", "0"
		}
		var s Stamps
		must(t, s.Set(names))
		content := rapid.SampledFrom([]string{"0", "1", "2", "longer"})
		file := rapid.SampledFrom(names)
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) {
				name := file.Draw(t, "file")
				now[name] = content.Draw(t, "content")
				write(t, name, now[name])
			},
			"replace": func(t *rapid.T) {
				name := file.Draw(t, "file")
				now[name] = content.Draw(t, "content")
				replace(t, name, now[name])
			},
			"remove": func(t *rapid.T) {
				name := file.Draw(t, "file")
				now[name] = missing
				_ = os.Remove(name)
			},
			"touch": func(t *rapid.T) {
				name := file.Draw(t, "file")
				at := time.Unix(rapid.Int64Range(0, 2e9).Draw(t, "at"), 0)
				if now[name] != missing {
					must(t, os.Chtimes(name, at, at))
				}
			},
			"refresh": func(t *rapid.T) {
				s.Refresh()
				for name := range now {
					known[name] = now[name]
				}
			},
			"": func(t *rapid.T) {
				path, changed := s.Changed()
				want := ""
				for _, name := range names {
					if now[name] != known[name] {
						want = name
						break
					}
				}
				if path != want || changed != (want != "") {
					t.Fatalf("%q, %v; want %q (known %v, now %v)", path, changed, want, known, now)
				}
			},
		})
	})
}

// A generation that was started while a file was away does not tell of it.
func TestReturnOfAFileThatNobodyLoaded(t *testing.T) {
	names := files(t, 3)
	var s Stamps
	must(t, s.Set(names))
	must(t, os.Remove(names[1]))
	expect(t, &s, names[1])
	s.Refresh()
	must(t, s.Set([]string{names[0], names[2]}))
	expect(t, &s, "")
	must(t, s.Set([]string{names[0], names[2]}))
	write(t, names[1], "back")
	expect(t, &s, names[1])
	s.Refresh()
	must(t, s.Set([]string{names[0], names[2]}))
	if expect(t, &s, ""); s.Len() != 2 {
		t.Errorf("%d files; nobody has loaded the third though it was there", s.Len())
	}

	// It may come back before the generation has told what it has loaded.
	must(t, s.Set(names))
	must(t, os.Remove(names[1]))
	s.Refresh()
	write(t, names[1], "back again")
	must(t, s.Set([]string{names[0], names[2]}))
	expect(t, &s, names[1])

	// What is away for ever is not looked at for ever.
	many := files(t, maxGone+10)
	must(t, s.Set(append(many, names...)))
	for _, name := range many {
		must(t, os.Remove(name))
	}
	s.Refresh()
	must(t, s.Set(names))
	if s.Len() != 3+maxGone {
		t.Errorf("%d files", s.Len())
	}
}

func TestUnfinished(t *testing.T) {
	names := files(t, 2)
	var s Stamps
	must(t, s.Set(append(names, names[0]+".never")))
	want := func(want bool, what string) {
		t.Helper()
		if s.Unfinished() != want {
			t.Errorf("%s: not %v", what, want)
		}
	}
	want(false, "as it was")
	write(t, names[1], "")
	want(true, "emptied")
	write(t, names[1], "whole")
	want(false, "written")
	must(t, os.Remove(names[1]))
	want(true, "away")
	s.Refresh()
	want(false, "away for longer")
}
