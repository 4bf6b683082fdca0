package config

import (
	"fmt"
	"strings"
)

// Error is one thing that is wrong with the settings. Load joins all that it
// finds; Problems takes them apart again.
type Error struct {
	// File is the path of the file at fault, "" for a variable or a word.
	File string
	// Line and Column count from 1 (columns in characters); 0 is unknown.
	Line, Column int
	// Origin is the variable (RIP_QUEUE_SIZE) or the word (w:x) at fault, "" for a file.
	Origin string
	// Key is the setting's key, as queue.size; "" when there is none.
	Key string
	// Problem says what is wrong.
	Problem string
	// Hint says what would be right; "" when nothing useful is known.
	Hint string
}

// Error gives one line: where, which setting, what is wrong, what would be right.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		if e.Line > 0 && e.Column > 0 {
			fmt.Fprintf(&b, ":%d", e.Column)
		}
		b.WriteString(": ")
	}
	if e.Origin != "" {
		b.WriteString(e.Origin + ": ")
	}
	if e.Key != "" && e.Key != e.Origin {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Problems takes apart what Load and LoadFile return, in the order found. It
// gives nil for an error of another kind.
func Problems(err error) []*Error {
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, one := range e.Unwrap() {
			all = append(all, Problems(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Problems(e.Unwrap())
	}
	return nil
}
