package config

import (
	"strings"
	"unicode/utf8"
)

// ReadEnvFile reads an environment file, as systemd.exec(5) describes
// EnvironmentFile=: a line is KEY=value; empty lines and lines that begin with #
// or ; are passed over. '…' keeps everything, "…" too but \ takes the next
// character as it is, and both may go over several lines. Without quotes, space
// around the value is cut and a backslash takes the next character, or joins
// the next line. Nothing is replaced. When a key is there twice the last one wins.
//
// The file has at most MaxEnvFileBytes bytes and MaxEnv variables. The error is
// an *Error with the line; a file that cannot be read has line 0.
func ReadEnvFile(path string) (map[string]string, error) {
	data, err := readBounded(path, MaxEnvFileBytes)
	if err != nil {
		return nil, &Error{File: path, Problem: reason(err)}
	}
	env, line, f := parseEnvFile(strings.TrimPrefix(string(data), "\ufeff"))
	if f != nil {
		return nil, &Error{File: path, Line: line, Problem: f.problem, Hint: f.hint}
	}
	return env, nil
}

// parseEnvFile gives the variables, or the fault and its line.
func parseEnvFile(text string) (map[string]string, int, *fault) {
	env := map[string]string{}
	if !utf8.ValidString(text) {
		return nil, invalidLine(text), faultf("is not UTF-8").hinted("save the file as UTF-8")
	}
	r := envReader{rest: text, line: 1}
	for r.skip() {
		line := r.line
		name, value, f := r.assignment()
		if f == nil {
			f = checkVariable(name, value)
		}
		if f == nil && len(env) == MaxEnv {
			f = faultf("has more than %d variables", MaxEnv).hinted("put them into a file that the app reads")
		}
		if f != nil {
			return nil, line, f
		}
		env[name] = value
	}
	return env, 0, nil
}

// invalidLine finds the first line that is not UTF-8.
func invalidLine(text string) int {
	line := 1
	for l := range strings.Lines(text) {
		if !utf8.ValidString(l) {
			return line
		}
		line++
	}
	return line
}

// envReader goes through an environment file.
type envReader struct {
	rest string
	line int
}

// skip goes to the next assignment; it is false at the end.
func (r *envReader) skip() bool {
	for {
		r.rest = strings.TrimLeft(r.rest, " \t\r")
		switch {
		case r.rest == "":
			return false
		case r.rest[0] == '\n':
			r.take(1)
		case r.rest[0] == '#' || r.rest[0] == ';':
			if i := strings.IndexByte(r.rest, '\n'); i >= 0 {
				r.take(i + 1)
			} else {
				return false
			}
		default:
			return true
		}
	}
}

// take goes n bytes on, counts lines, and gives what was passed.
func (r *envReader) take(n int) string {
	taken := r.rest[:n]
	r.line += strings.Count(taken, "\n")
	r.rest = r.rest[n:]
	return taken
}

// assignment reads KEY=value and the end of its line.
func (r *envReader) assignment() (key, value string, f *fault) {
	end := strings.IndexAny(r.rest, "=\n")
	if end < 0 || r.rest[end] == '\n' {
		line, _, _ := strings.Cut(r.rest, "\n")
		return "", "", faultf("%s is not KEY=value", quote(shorten(strings.TrimSpace(line)))).hinted("comments begin with #")
	}
	key = strings.TrimSpace(r.take(end))
	r.take(1)
	if rest, found := strings.CutPrefix(key, "export "); found {
		return "", "", faultf("export is for shells").hinted("write %s=…", strings.TrimSpace(rest))
	}
	value, f = r.value()
	return key, value, f
}

// value reads a value, whose parts may be quoted, and the end of its line.
func (r *envReader) value() (string, *fault) {
	var b strings.Builder
	kept := 0 // the length of b that is not cut as space at the end
	r.rest = strings.TrimLeft(r.rest, " \t")
	for r.rest != "" && r.rest[0] != '\n' {
		switch c := r.rest[0]; c {
		case '\'', '"':
			text, f := r.quoted(c)
			if f != nil {
				return "", f
			}
			b.WriteString(text)
			kept = b.Len()
		case '\\':
			text := r.escape()
			b.WriteString(text)
			if text != "" {
				kept = b.Len()
			}
		default:
			b.WriteByte(c)
			if c != ' ' && c != '\t' && c != '\r' {
				kept = b.Len()
			}
			r.take(1)
		}
	}
	return b.String()[:kept], nil
}

// quoted reads what is between two quotes.
func (r *envReader) quoted(quote byte) (string, *fault) {
	var b strings.Builder
	r.take(1)
	for r.rest != "" {
		switch c := r.rest[0]; {
		case c == quote:
			r.take(1)
			return b.String(), nil
		case c == '\\' && quote == '"':
			b.WriteString(r.escape())
		default:
			b.WriteString(r.take(1))
		}
	}
	return "", faultf("the quote %c is not closed", quote).hinted("close it, or put a backslash before it")
}

// escape reads a backslash and what follows: the character itself, or nothing
// for the end of a line.
func (r *envReader) escape() string {
	r.take(1)
	switch {
	case r.rest == "":
		return ""
	case r.rest[0] == '\n':
		r.take(1)
		return ""
	case strings.HasPrefix(r.rest, "\r\n"):
		r.take(2)
		return ""
	}
	_, size := utf8.DecodeRuneInString(r.rest)
	return r.take(size)
}
