package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxShown bounds what a message repeats of a value, in bytes.
const maxShown = 60

// shorten keeps a message short when a value is long.
func shorten(text string) string {
	if len(text) <= maxShown {
		return text
	}
	cut := maxShown
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// quote writes a string as TOML does.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f || 0x80 <= r && r < 0xa0:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteAll writes strings as the inside of a TOML list.
func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quote(t)
	}
	return strings.Join(quoted, ", ")
}

// plain turns a value as it is written in a file into one for a variable or a word.
func plain(toml string) string {
	switch {
	case strings.HasPrefix(toml, `"`):
		return strings.Trim(toml, `"`)
	case strings.HasPrefix(toml, "["):
		separator := ","
		if strings.Contains(toml, "SOCKET_PATH") {
			return "'" + strings.NewReplacer(`["`, "", `"]`, "", `", "`, " ").Replace(toml) + "'"
		}
		return strings.NewReplacer(`["`, "", `"]`, "", `", "`, separator, "[]", "").Replace(toml)
	}
	return toml
}

// alternatives joins names as in: none, process or module.
func alternatives(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// hintError is an error that knows what would be right.
type hintError struct{ problem, hint string }

func (e *hintError) Error() string { return e.problem }

func hinted(hint, problem string) error { return &hintError{problem: problem, hint: hint} }

func hintOf(err error) string {
	var h *hintError
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }
