package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// console knows how the results are to be printed.
type console struct {
	out   io.Writer
	width int // cells of a line; 0: no limit, as in a pipe
	style style
}

// style colours words, or leaves them as they are.
type style struct {
	on    bool
	width int
}

// newConsole looks at the standard output: a terminal has a width and colours, a
// pipe has neither. NO_COLOR and TERM=dumb are obeyed.
func newConsole(env Env) console {
	c := console{out: env.Stdout, width: env.Width}
	if c.width == 0 {
		c.width = widthOf(env.Stdout, env.Environ)
	}
	c.style = styleOf(env.Stdout, env.Environ, c.width)
	return c
}

// errors gives the style of the standard error.
func (s *session) errors() style {
	width := s.env.Width
	if width == 0 {
		width = widthOf(s.env.Stderr, s.env.Environ)
	}
	return styleOf(s.env.Stderr, s.env.Environ, width)
}

func styleOf(w io.Writer, environ []string, width int) style {
	on := colorprofile.Detect(w, environ) > colorprofile.ASCII
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, "NO_COLOR="); ok && v != "" {
			on = false // https://no-color.org; it wins over CLICOLOR_FORCE
		}
	}
	return style{on: on, width: width}
}

// widthOf gives the width of a terminal. COLUMNS helps where the terminal does not
// say; what is not a terminal has no width.
func widthOf(w io.Writer, environ []string) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		return width
	}
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, "COLUMNS="); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				return n
			}
		}
	}
	return 80
}

func (s style) paint(l lipgloss.Style, text string) string {
	if !s.on || text == "" {
		return text
	}
	return l.Render(text)
}

// The colours are the terminal's own sixteen, so that they fit its theme.
func (s style) bold(t string) string { return s.paint(lipgloss.NewStyle().Bold(true), t) }

func (s style) faint(t string) string { return s.paint(lipgloss.NewStyle().Faint(true), t) }

func (s style) red(t string) string {
	return s.paint(lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true), t)
}

func (s style) green(t string) string {
	return s.paint(lipgloss.NewStyle().Foreground(lipgloss.Green), t)
}

func (s style) yellow(t string) string {
	return s.paint(lipgloss.NewStyle().Foreground(lipgloss.Yellow), t)
}

func (s style) cyan(t string) string {
	return s.paint(lipgloss.NewStyle().Foreground(lipgloss.Cyan), t)
}

// words prints what an app wrote, each line behind a bar. Long lines are
// broken, because their end may be the reason.
func (s style) words(w io.Writer, indent string, lines []string) {
	for _, l := range lines {
		parts := []string{clean(strings.TrimRight(l, "\r\n"))}
		if room := s.width - len(indent) - 2; s.width > 0 && room >= 20 {
			parts = fill(parts[0], room)
		}
		for _, part := range parts {
			fmt.Fprintf(w, "%s%s %s\n", indent, s.faint("│"), part)
		}
	}
}

// line prints one line that is cut, not broken, at the terminal's width.
func (c *console) line(text string) {
	if c.width > 0 {
		text = ansi.Truncate(text, c.width, "…")
	}
	fmt.Fprintln(c.out, strings.TrimRight(text, " "))
}

// fill breaks a clean text into lines of at most width cells, between words
// where that leaves lines of some length.
func fill(text string, width int) []string {
	var lines []string
	for ansi.StringWidth(text) > width {
		head := ansi.Truncate(text, width, "")
		if head == "" {
			break // not even one character fits
		}
		rest := text[len(head):]
		if space := strings.LastIndexByte(head, ' '); rest[0] != ' ' && space > len(head)/2 {
			head, rest = text[:space], text[space:]
		}
		lines = append(lines, head)
		text = strings.TrimLeft(rest, " ")
	}
	return append(lines, text)
}

// printJSON prints one value as one line of JSON.
func (c *console) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = fmt.Fprintf(c.out, "%s\n", b)
	return err
}
