package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// writePage puts tables and charts into the page. The charts are files beside it
// that are named after it.
func writePage(page string, chapters []chapter, o options) error {
	base := strings.TrimSuffix(page, filepath.Ext(page))
	var text strings.Builder
	for _, c := range chapters {
		rows := bars(c)
		if len(rows) == 0 {
			continue
		}
		file := fmt.Sprintf("%s-%s.svg", base, c.name)
		cost := "CPU µs a request"
		if c.apps() {
			cost += ", with the workers"
		}
		if err := os.WriteFile(file, []byte(chart(c.title, cost, rows)), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&text, "![%s: requests a second and CPU time a request](%s)\n\n", c.title, filepath.Base(file))
	}
	return replace(page, "bench", text.String()+report(chapters, o))
}

// replace puts text between the page's markers <!-- NAME:begin --> and
// <!-- NAME:end -->.
func replace(page, name, text string) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	begin, end := fmt.Sprintf("<!-- %s:begin -->", name), fmt.Sprintf("<!-- %s:end -->", name)
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %s and %s", page, begin, end)
	}
	return os.WriteFile(page, []byte(before+begin+"\n\n"+strings.TrimSpace(text)+"\n\n"+end+after), 0o644)
}
