package journal

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Look is what the output is, as far as the form of lines depends on it.
type Look struct {
	// Terminal: a person watches.
	Terminal bool
	// Journal: systemd's journal takes the lines.
	Journal bool
	// Color: the terminal shows colours, and nobody asked for none.
	Color bool
	// Stamp is the time that a line for people starts with.
	Stamp Stamp
	// Width is the terminal's, in columns; 0 when it is not known.
	Width int
}

// LookAt finds out what f is. Colours need a terminal, a TERM that is
// neither empty nor "dumb", and an empty or absent NO_COLOR (https://no-color.org). Where
// JOURNAL_STREAM (systemd.exec(5)) names f, systemd's journal adds the time.
func LookAt(f *os.File, getenv func(name string) string) Look {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		if isJournal(fd, getenv("JOURNAL_STREAM")) {
			return Look{Journal: true, Stamp: None}
		}
		return Look{Stamp: Date}
	}
	look := Look{Terminal: true, Stamp: Clock}
	termName := getenv("TERM")
	look.Color = getenv("NO_COLOR") == "" && termName != "" && termName != "dumb"
	if width, _, err := term.GetSize(fd); err == nil {
		look.Width = width
	}
	return look
}

// isJournal reports whether stream, "device:inode", is the open file fd.
func isJournal(fd int, stream string) bool {
	device, inode, ok := strings.Cut(stream, ":")
	if !ok {
		return false
	}
	dev, err := strconv.ParseUint(device, 10, 64)
	if err != nil {
		return false
	}
	ino, err := strconv.ParseUint(inode, 10, 64)
	if err != nil {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && uint64(st.Dev) == dev && uint64(st.Ino) == ino
}
