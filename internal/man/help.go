package main

import (
	"fmt"
	"strings"
)

// entry is one line of a help text: a form and what it means.
type entry struct{ form, text string }

// part gives the lines below a title ("Flags:") up to the next empty line.
func part(help, title string) string {
	var lines []string
	inside := false
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, title) && strings.HasSuffix(line, ":"):
			inside = true
		case inside && line == "":
			return strings.Join(lines, "\n")
		case inside:
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// entries gives the entries below a title. Two spaces part form and text.
func entries(help, title string) []entry {
	var all []entry
	for line := range strings.Lines(part(help, title)) {
		form, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
		all = append(all, entry{strings.TrimSpace(form), strings.TrimSpace(text)})
	}
	return all
}

// intro is what a help text says before "Usage:".
func intro(help string) string {
	before, _, _ := strings.Cut(help, "\nUsage:")
	return strings.TrimSpace(before)
}

// usage is the line that says how a command is called.
func usage(help string) string {
	_, after, _ := strings.Cut(help, "Usage: ")
	line, _, _ := strings.Cut(after, "\n")
	return line
}

// commands lists the commands of ripctl, those of commands included, in the
// order of the help text.
func (s *sources) commands(help, prefix string) ([]string, error) {
	var all []string
	for _, title := range []string{"Look", "Steer", "More", "Commands"} {
		for _, e := range entries(help, title) {
			name := strings.TrimSpace(prefix + " " + e.form)
			text, err := s.ripctl(name)
			if err != nil {
				return nil, err
			}
			below, err := s.commands(text, name)
			if err != nil {
				return nil, err
			}
			if len(below) == 0 {
				below = []string{name}
			}
			all = append(all, below...)
		}
	}
	if prefix == "" && len(all) == 0 {
		return nil, fmt.Errorf("no command in the help text of ripctl")
	}
	return all, nil
}
