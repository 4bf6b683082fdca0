package config

import (
	"fmt"
	"strings"
)

// parseList reads a list of strings, each by parse. Outside a file, split takes
// the text apart.
func parseList[T any](r raw, split func(string) ([]string, error), want string, parse func(string) (T, error)) ([]T, *fault) {
	elements, f := elementsOf(r, split, want)
	if f != nil {
		return nil, f
	}
	if len(elements) > MaxListeners {
		return nil, faultf("has %d elements; %d is the most", len(elements), MaxListeners)
	}
	values := make([]T, 0, len(elements))
	for _, e := range elements {
		text, f := parseText(e, "a string")
		if f != nil {
			return nil, f.located(e.offset)
		}
		v, err := parse(text)
		if err != nil {
			f := faultf("%s: %v", quote(shorten(text)), err)
			f.hint = hintOf(err)
			return nil, f.located(e.offset)
		}
		values = append(values, v)
	}
	return values, nil
}

// Paths are files: absolute paths, in the order of the setting.
type Paths []string

// format writes one path as such, and several as a list.
func (p Paths) format() string {
	switch len(p) {
	case 0:
		return quote("")
	case 1:
		return quote(p[0])
	}
	return "[" + quoteAll(p) + "]"
}

// parsePaths reads one path, or a list of them. An empty one is none.
func parsePaths(r raw, base string) (Paths, *fault) {
	if r.form == formString {
		r = raw{form: formList, list: []raw{r}, offset: r.offset}
	}
	texts, f := parseList(r, commaList, "a path in quotes, or a list of paths", func(text string) (string, error) {
		path, f := parsePath(raw{form: formString, text: text}, base)
		if f != nil {
			return "", hinted(f.hint, f.problem)
		}
		return path, nil
	})
	if f != nil || len(texts) == 1 && texts[0] == "" {
		return nil, f
	}
	for _, text := range texts {
		if text == "" {
			return nil, faultf("one of the paths is empty")
		}
	}
	return texts, nil
}

// elementsOf gives the elements of a list, or of a text that stands for one.
func elementsOf(r raw, split func(string) ([]string, error), want string) ([]raw, *fault) {
	switch r.form {
	case formList:
		return r.list, nil
	case formWord:
		texts, err := split(r.text)
		if err != nil {
			return nil, faultf("%v", err)
		}
		elements := make([]raw, 0, len(texts))
		for _, t := range texts {
			elements = append(elements, raw{form: formWord, text: t, offset: -1})
		}
		return elements, nil
	}
	f := faultf("found %s, wanted %s", r.describe(), want)
	if r.form == formString || r.form == formInteger {
		f.hinted("write [%s]", quote(shorten(r.text)))
	}
	return nil, f
}

func commaList(text string) ([]string, error) {
	var texts []string
	for part := range strings.SplitSeq(text, ",") {
		texts = append(texts, strings.TrimSpace(part))
	}
	return texts, nil
}

// parseCommand reads a program and its arguments.
func parseCommand(r raw) ([]string, *fault) {
	elements, f := elementsOf(r, SplitCommand, "a list of strings: a program and its arguments")
	if f != nil {
		if texts, err := SplitCommand(r.text); r.form == formString && err == nil && len(texts) > 0 {
			f.hinted("write [%s]", quoteAll(texts))
		}
		return nil, f
	}
	if len(elements) > MaxArguments {
		return nil, faultf("has %d elements; %d is the most", len(elements), MaxArguments)
	}
	var command []string
	for _, e := range elements {
		text, f := parseText(e, "a string")
		if f != nil {
			return nil, f.located(e.offset)
		}
		command = append(command, text)
	}
	if len(command) > 0 && strings.TrimSpace(command[0]) == "" {
		return nil, faultf("the program's name is empty").located(elements[0].offset)
	}
	return command, nil
}

// SplitCommand takes a command line apart at spaces, as a shell does, but
// replaces nothing: '…' and "…" keep text together, and a backslash takes the
// next character as it is (inside "…" only before " and \).
func SplitCommand(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, quoted := false, byte(0) // open: a word has begun, be it empty
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted != 0 && c == quoted:
			quoted = 0
		case quoted == 0 && (c == '\'' || c == '"'):
			open, quoted = true, c
		case c == '\\' && i+1 < len(text) && (quoted == 0 || quoted == '"' && strings.IndexByte(`"\`, text[i+1]) >= 0):
			i++
			open = true
			word.WriteByte(text[i])
		case quoted == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
		default:
			open = true
			word.WriteByte(c)
		}
	}
	if quoted != 0 {
		return nil, fmt.Errorf("the quote %c is not closed", quoted)
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
