package main

import (
	"fmt"
	"strings"
	"time"
)

// page is a manual page that is being written, in the macros of man(7).
type page struct{ b strings.Builder }

// newPage begins a page: ripd, 8, and what the program is in one line.
func newPage(name, section, what string, date time.Time) *page {
	p := &page{}
	fmt.Fprintf(&p.b, ".TH %s %s %s ripd\n.SH NAME\n%s \\- %s\n",
		strings.ToUpper(escape(name)), section, date.Format(time.DateOnly), escape(name), escape(what))
	return p
}

func (p *page) section(title string) { p.b.WriteString(".SH " + escape(title) + "\n") }

func (p *page) subsection(title string) { p.b.WriteString(".SS \"" + escape(title) + "\"\n") }

// text writes paragraphs, which an empty line separates.
func (p *page) text(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.b.WriteString(".PP\n")
		}
		p.lines(paragraph)
	}
}

// lines writes text that is filled anew.
func (p *page) lines(text string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			p.b.WriteString(start(inline(line)) + "\n")
		}
	}
}

// item writes a term and what it means.
func (p *page) item(term, text string) {
	p.b.WriteString(".TP\n" + start("\\fB"+escape(term)+"\\fP") + "\n")
	if strings.TrimSpace(text) == "" {
		p.b.WriteString("\\&\n")
		return
	}
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.b.WriteString(".IP\n")
		}
		p.lines(paragraph)
	}
}

// verbatim writes lines as they are.
func (p *page) verbatim(text string) {
	if written := strings.TrimSuffix(p.b.String(), "\n"); !strings.HasPrefix(written[strings.LastIndexByte(written, '\n')+1:], ".SH") {
		p.b.WriteString(".PP\n")
	}
	p.b.WriteString(".in +4n\n.nf\n")
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		p.b.WriteString(start(escape(strings.TrimRight(line, "\n"))) + "\n")
	}
	p.b.WriteString(".fi\n.in\n")
}

// seeAlso ends a page.
func (p *page) seeAlso(names ...string) string {
	p.section("SEE ALSO")
	for i, name := range names {
		title, section, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		comma := " ,"
		if i == len(names)-1 {
			comma = ""
		}
		p.b.WriteString(".BR " + escape(title) + " (" + section + ")" + strings.TrimPrefix(comma, " ") + "\n")
	}
	return p.b.String()
}

// escape keeps a text from meaning anything to roff.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "→", "->", "·", ";", "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

// inline turns Markdown's code and bold marks into fonts, and links into their text.
func inline(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			b.WriteString(`\fB` + escape(part) + `\fP`)
			continue
		}
		for j, strong := range strings.Split(unlink(part), "**") {
			if j%2 == 1 {
				strong = `\fB` + escape(strong) + `\fP`
			} else {
				strong = escape(strong)
			}
			b.WriteString(strong)
		}
	}
	return b.String()
}

// unlink replaces [text](target) by text.
func unlink(text string) string {
	for {
		open := strings.Index(text, "](")
		if open < 0 {
			return text
		}
		from, to := strings.LastIndex(text[:open], "["), strings.Index(text[open:], ")")
		if from < 0 || to < 0 {
			return text
		}
		text = text[:from] + text[from+1:open] + text[open+to+1:]
	}
}

// start keeps a line from being a request of roff.
func start(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
