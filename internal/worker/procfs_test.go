package worker

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func TestParseStat(t *testing.T) {
	line := "4711 (a) S (b)) R 1 2 3 0 -1 4194304 97 0 0 0 10 20 30 40 20 0 5 0 123456 2678784 187 18446744073709551615 1 1\n"
	got, err := parseStat([]byte(line))
	want := procStat{pid: 4711, ppid: 1, pgrp: 2, session: 3, state: 'R', flags: 4194304, ticks: 100, threads: 5, start: 123456, resident: 187}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"", "1", "1 (x)", "1 (x) R 1 2", ") (", strings.Replace(line, "97", "97 x", 1), strings.Replace(line, "123456", "x", 1)} {
		if got, err := parseStat([]byte(text)); err == nil && got == want {
			t.Errorf("%q was taken", text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		_, _ = parseStat(rapid.SliceOf(rapid.Byte()).Draw(t, "text")) // must not panic
	})
}

func TestReadStat(t *testing.T) {
	got, err := readStat(os.Getpid())
	session, _ := unix.Getsid(0)
	if err != nil || got.pid != os.Getpid() || got.ppid != os.Getppid() || got.session != session || got.dead() || got.resident == 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := readStat(math.MaxInt32); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	all, err := allProcesses()
	if err != nil || !slices.ContainsFunc(all, func(p procStat) bool { return p.pid == os.Getpid() }) {
		t.Errorf("not among all: %v", err)
	}
}

func TestChildren(t *testing.T) {
	l := newLauncher(t)
	p, r := run(t, l, "sleep 1000 & echo child $!; wait")
	child, err := strconv.Atoi(r.waitLine(t, "child "))
	if err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(int) ([]int, error){"children": children, "childrenOfAll": childrenOfAll} {
		if got, err := read(p.PID()); err != nil || !slices.Equal(got, []int{child}) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if got, err := read(os.Getpid()); err != nil || !slices.Contains(got, p.PID()) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got := tree(p.PID()); len(got) != 2 || got[0].pid != p.PID() || got[1].pid != child {
		t.Errorf("tree: %+v", got)
	}
	if got := tree(p.PID(), child); len(got) != 2 {
		t.Errorf("counted twice: %+v", got)
	}
}

func BenchmarkReadUsage(b *testing.B) {
	for b.Loop() {
		if _, err := ReadUsage(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllProcesses(b *testing.B) {
	for b.Loop() {
		if _, err := allProcesses(); err != nil {
			b.Fatal(err)
		}
	}
}
