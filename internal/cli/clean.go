package cli

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// clean makes a text from elsewhere (an app's output, a path that a client
// sent, an error) fit for a terminal: escape sequences go, other control
// characters become a visible sign, so that the text can neither move the
// cursor nor forge a line.
func clean(text string) string {
	if !strings.ContainsFunc(text, unfit) {
		return text
	}
	text = ansi.Strip(strings.ToValidUTF8(text, "·"))
	text = strings.ReplaceAll(text, "\t", "    ")
	return strings.Map(func(r rune) rune {
		if unfit(r) {
			return '·'
		}
		return r
	}, text)
}

// unfit says whether a terminal might obey the character: controls, the marks
// that turn the direction of writing, and bytes that are not UTF-8.
func unfit(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar ||
		r == '\u2028' || r == '\u2029'
}
