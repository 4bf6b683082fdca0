package generator

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of what is reported. The kernel takes lines of about 1000 bytes, and by
// default ten of them in five seconds (printk_devkmsg in the kernel's documentation).
const (
	maxLine    = 800
	maxReports = 8
)

// The kernel's levels, as in <4>.
const (
	levelError   = 3
	levelWarning = 4
)

// openKernelLog opens the kernel's log, where generators write because the
// journal does not run yet. It never waits: in a container it may be a FIFO.
func openKernelLog() (*os.File, error) {
	return os.OpenFile("/dev/kmsg", os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// reporter writes lines of the kernel's log. What cannot be written is lost:
// there is nowhere else.
type reporter struct {
	log   io.Writer
	pid   int
	count int
}

func newReporter(log io.Writer, pid int) *reporter { return &reporter{log: log, pid: pid} }

// warn reports one thing, up to the bound.
func (r *reporter) warn(text string) {
	if r.count++; r.count <= maxReports {
		r.write(levelWarning, text)
	}
}

// end says how much was not said.
func (r *reporter) end() {
	if more := r.count - maxReports; more > 0 {
		r.write(levelWarning, fmt.Sprintf("and %d more", more))
	}
}

func (r *reporter) fail(text string) { r.write(levelError, text) }

func (r *reporter) write(level int, text string) {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	fmt.Fprintf(r.log, "<%d>%s[%d]: %s\n", level, Name, r.pid, text)
}
