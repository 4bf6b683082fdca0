package main

import (
	"fmt"
	"strings"
)

// settings writes the reference of the keys, which docs/configuration.md has
// between two marks.
func (p *page) settings(configuration string) error {
	_, rest, ok := strings.Cut(configuration, "<!-- settings: begin -->")
	reference, _, ok2 := strings.Cut(rest, "<!-- settings: end -->")
	if !ok || !ok2 {
		return fmt.Errorf("configuration.md has no reference of the keys")
	}
	var key, facts string
	var text []string
	flush := func() {
		if key != "" {
			p.item(key, facts+"\n\n"+strings.Join(text, "\n\n"))
		}
		key, facts, text = "", "", nil
	}
	for _, block := range strings.Split(strings.TrimSpace(reference), "\n\n") {
		switch {
		case strings.HasPrefix(block, "#### "):
			flush()
			key = strings.Trim(block, "# `")
		case strings.HasPrefix(block, "### "):
			flush()
			p.subsection(strings.TrimPrefix(block, "### "))
		case facts == "":
			facts = strings.ReplaceAll(block, " · ", "; ")
		default:
			text = append(text, block)
		}
	}
	flush()
	return nil
}

// values writes the table of how values are written.
func (p *page) values(configuration string) error {
	_, rest, ok := strings.Cut(configuration, "## How values are written\n")
	if !ok {
		return fmt.Errorf("configuration.md does not say how values are written")
	}
	table, _, _ := strings.Cut(strings.TrimSpace(rest), "\n\n")
	for i, row := range strings.Split(table, "\n") {
		if cells := strings.Split(strings.Trim(row, "| "), " | "); i > 1 && len(cells) == 2 {
			p.item(cells[0], cells[1])
		}
	}
	return nil
}
