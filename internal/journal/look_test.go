package journal

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func environment(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestLookAtFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		stream string
		want   Stamp
	}{
		{"", Date}, {"1:2", Date}, {"x:y", Date}, {"1", Date},
		{fmt.Sprintf("%d:%d", st.Dev, st.Ino), None},
	} {
		got := LookAt(f, environment(map[string]string{"JOURNAL_STREAM": test.stream, "TERM": "xterm"}))
		if got != (Look{Stamp: test.want, Journal: test.want == None}) {
			t.Errorf("JOURNAL_STREAM=%s: %+v", test.stream, got)
		}
	}
}

func TestLookAtTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo-terminals: %v", err)
	}
	defer func() { _ = master.Close() }()
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine's pseudo-terminals cannot be opened: %v", err)
	}
	defer func() { _ = tty.Close() }()
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 132}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		want bool
	}{
		{"colours", map[string]string{"TERM": "xterm"}, true},
		{"an empty NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true},
		{"NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		{"a dumb terminal", map[string]string{"TERM": "dumb"}, false},
		{"no TERM", nil, false},
	} {
		if got := LookAt(tty, environment(test.env)); got != (Look{Terminal: true, Color: test.want, Width: 132}) {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}
