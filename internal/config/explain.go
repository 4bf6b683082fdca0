package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Setting is one setting as it is in force.
type Setting struct {
	// Key is the setting's key, as queue.size.
	Key string
	// Value is written as in the TOML file; values in env are hidden. A number
	// that was decided by ripd follows its word: "auto" (2).
	Value string
	// Origin is who set it: default, /path/ripd.toml:12, RIP_QUEUE_SIZE or w:4.
	Origin string
}

// Explain gives each setting with its value and origin, in the order of the
// reference. Values in env are hidden.
func (c *Config) Explain() []Setting { return slices.Clone(c.settings) }

// explain fills in what Explain and Notes give.
func (l *loader) explain() {
	for i := range settings {
		s := &settings[i]
		e := Setting{Key: s.key, Value: s.format(s.current(l.cfg)), Origin: l.places[s.key].String()}
		if s.kind == kindCount && l.cfg.Workers.CountAuto {
			e.Value += fmt.Sprintf(" (%d)", l.cfg.Workers.Count)
		}
		l.cfg.settings = append(l.cfg.settings, e)
	}
	l.cfg.notes = l.notes
}

// maxValueColumns is where a long value stops to push the origins to the right.
const maxValueColumns = 44

// Summary says what the configuration means, for people: a head line, each
// setting with its origin, and the notes.
func (c *Config) Summary() string {
	var b strings.Builder
	what := c.App
	if c.Demo {
		what = "ripd's own demo"
	}
	fmt.Fprintf(&b, "%s: %s\n", c.Name, what)
	if c.File != "" {
		fmt.Fprintf(&b, "file: %s\n", c.File)
	}
	keys, values := 0, 0
	for _, s := range c.settings {
		keys = max(keys, utf8.RuneCountInString(s.Key))
		if n := utf8.RuneCountInString(s.Value); n <= maxValueColumns {
			values = max(values, n)
		}
	}
	b.WriteByte('\n')
	for _, s := range c.settings {
		fmt.Fprintf(&b, "%-*s = %-*s  # %s\n", keys, s.Key, values, s.Value, s.Origin)
	}
	if len(c.notes) > 0 {
		b.WriteByte('\n')
	}
	for _, n := range c.notes {
		b.WriteString("note: " + n + "\n")
	}
	return b.String()
}
