package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"ripd/internal/testkit"
)

// Links from page to page, to a heading of a page, and from a page to a file lead
// somewhere.
func TestLinksInTheDocsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings := map[string]map[string]bool{}
	for _, p := range testkit.Pages(t) {
		headings[p.Name] = anchors(p)
	}
	for _, p := range testkit.Pages(t) {
		for _, m := range link.FindAllStringSubmatch(p.Prose(), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			name := p.Name
			if target != "" {
				name = path.Join(path.Dir(p.Name), target)
			}
			if _, err := os.Stat(filepath.Join(testkit.Root(t), name)); err != nil {
				t.Errorf("%s links to %s, which is not there", p.Name, m[1])
				continue
			}
			if anchor != "" && !headings[name][anchor] {
				t.Errorf("%s links to %s, and %s has no such heading", p.Name, m[1], name)
			}
		}
	}
}

// anchors gives the names under which a page's headings are linked to: their words in
// small letters with hyphens between, and a number behind the second one of a name.
func anchors(p testkit.Page) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(p.Prose()) {
		level, title, ok := strings.Cut(line, " ")
		if !ok || strings.Trim(level, "#") != "" {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		for i, first := 1, name; found[name]; i++ {
			name = first + "-" + strconv.Itoa(i)
		}
		found[name] = true
	}
	return found
}

// What Markdown does not show as a code's end would hide the rest of a page.
func TestFencesInTheDocsEnd(t *testing.T) {
	for _, p := range testkit.Pages(t) {
		marks := 0
		for line := range strings.Lines(p.Text) {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				marks++
			}
		}
		if marks%2 != 0 {
			t.Errorf("%s has %d lines of backquotes", p.Name, marks)
		}
	}
}
