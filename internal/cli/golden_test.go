package cli

import (
	"fmt"
	"strings"
	"testing"
)

func TestStatusGolden(t *testing.T) {
	for _, width := range []int{0, 60, 80, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			m := newMachine(t)
			m.width = width
			m.runs(shop())
			m.runs(blog())
			golden(t, fmt.Sprintf("status-shop-%d", width), m.text(m.ripctl("status", "shop")))
			golden(t, fmt.Sprintf("status-blog-%d", width), m.text(m.ripctl("status", "blog")))
			golden(t, fmt.Sprintf("workers-shop-%d", width), m.text(m.ripctl("workers", "shop")))
			golden(t, fmt.Sprintf("list-%d", width), m.text(m.ripctl("list")))
			golden(t, fmt.Sprintf("config-show-%d", width), m.text(m.ripctl("config", "show", "shop", "--all")))
			for _, args := range [][]string{{"status", "blog"}, {"workers", "shop"}, {"list"}, {"config", "show", "shop"}} {
				r := m.ripctl(args...)
				for line := range strings.Lines(r.out) {
					if n := len([]rune(strings.TrimRight(line, "\n"))); width > 0 && n > width {
						t.Errorf("%v: a line has %d cells, the terminal %d: %s", args, n, width, line)
					}
				}
			}
		})
	}
}

func TestColour(t *testing.T) {
	m := newMachine(t)
	m.width = 80
	m.runs(shop())
	m.runs(blog())
	for _, c := range []struct {
		name    string
		environ []string
		colour  bool
	}{
		{"pipe", []string{"TERM=xterm-256color"}, false},
		{"asked for", []string{"TERM=xterm-256color", "CLICOLOR_FORCE=1"}, true},
		{"NO_COLOR wins", []string{"TERM=xterm-256color", "CLICOLOR_FORCE=1", "NO_COLOR=1"}, false},
		{"dumb", []string{"TERM=dumb", "COLORTERM=truecolor"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.environ = c.environ
			for _, args := range [][]string{{"status", "blog"}, {"workers", "shop"}, {"list"}, {"status", "nope"}} {
				r := m.ripctl(args...)
				if got := strings.Contains(r.out+r.stderr, "\x1b"); got != c.colour {
					t.Errorf("%v: escape sequences: %v, want %v\n%q", args, got, c.colour, r.out+r.stderr)
				}
			}
		})
	}
	m.environ = []string{"TERM=xterm", "CLICOLOR_FORCE=1"}
	golden(t, "status-blog-colour", m.text(m.ripctl("status", "blog")))
	golden(t, "workers-shop-colour", m.text(m.ripctl("workers", "shop")))
}

func TestJSONGolden(t *testing.T) {
	m := newMachine(t)
	m.runs(shop())
	m.runs(blog())
	for name, args := range map[string][]string{
		"status": {"status", "shop"}, "workers": {"workers", "shop"}, "list": {"list"}, "version": {"version"},
		"metrics": {"metrics", "shop"}, "config-show": {"config", "show", "shop"}, "restart": {"restart", "shop"},
		"scale": {"scale", "shop", "+1"}, "drain": {"drain", "shop", "2"}, "stop": {"stop", "shop"}, "unknown": {"status", "sohp"},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "json-"+name, m.text(m.ripctl(append(args, "--json")...)))
		})
	}
}

func TestHelpGolden(t *testing.T) {
	m := newMachine(t)
	for _, c := range []string{"", "list", "status", "workers", "restart", "reload", "stop", "scale", "drain", "resume", "events",
		"metrics", "config", "config check", "config show", "version", "completion", "doctor"} {
		r := m.ripctl(append(strings.Fields(c), "--help")...)
		check(t, r, ExitDone)
		golden(t, strings.ReplaceAll(strings.TrimRight("help-"+c, "-"), " ", "-"), r.out)
		for line := range strings.Lines(r.out) {
			if len([]rune(line)) > 81 {
				t.Errorf("help of %q: a line is longer than 80: %s", c, line)
			}
		}
	}
}
