package config

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// form is how a raw value was written.
type form uint8

const (
	formWord form = iota // outside a file: text without a type
	formString
	formInteger
	formFloat
	formBool
	formDate
	formList
	formTable
)

// raw is a value as it was written, before its setting is known.
type raw struct {
	form   form
	text   string // decoded for a string, else as written
	offset int    // where it is in the file
	list   []raw  // of a list
	names  []name // of a table: the names of the values in list
}

// name is a key of a table, and where it is in the file.
type name struct {
	text   string
	offset int
}

// describe says what was found, for a message.
func (r raw) describe() string {
	switch r.form {
	case formInteger, formFloat:
		return "the number " + shorten(r.text)
	case formBool:
		return r.text + " (a truth value)"
	case formDate:
		return "the date or time " + shorten(r.text)
	case formList:
		return "a list"
	case formTable:
		return "a table"
	case formString:
		return "the string " + quote(shorten(r.text))
	}
	return strconv.Quote(shorten(r.text))
}

// fault is what is wrong with a value. Without a hint, the place's example is the hint.
type fault struct {
	problem, hint string
	at            int // the offset of the list's element at fault; -1 for the whole value
}

func faultf(format string, args ...any) *fault {
	return &fault{problem: fmt.Sprintf(format, args...), at: -1}
}

func (f *fault) hinted(format string, args ...any) *fault {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

func (f *fault) located(offset int) *fault {
	f.at = offset
	return f
}

// count is the field of workers.count.
type count struct {
	n    *int
	auto *bool
}

// counted is the value of workers.count; n is 0 for auto.
type counted struct {
	n    int
	auto bool
}

// parse reads the value that the setting asks for. Relative paths start at base.
func (s *setting) parse(r raw, base string) (any, *fault) {
	switch s.kind {
	case kindBool:
		return parseBool(r)
	case kindInt:
		return s.parseInt(r)
	case kindCount:
		return s.parseCount(r)
	case kindSize:
		return s.parseSize(r)
	case kindDuration:
		return s.parseDuration(r)
	case kindRate:
		return parseRate(r)
	case kindChoice:
		return s.parseChoice(r)
	case kindAddresses:
		return parseList(r, commaList, "a list of addresses", ParseAddress)
	case kindPeers:
		return parsePeers(r)
	case kindCommand:
		return parseCommand(r)
	case kindEnv:
		return parseEnv(r)
	case kindCredentials:
		return parseCredentials(r)
	case kindEnvCredentials:
		return parseEnvCredentials(r)
	case kindCodings:
		return parseCodings(r)
	case kindTypes:
		return parseTypes(r)
	case kindHosts:
		return parseHosts(r)
	case kindPath:
		return parsePath(r, base)
	case kindPaths:
		return parsePaths(r, base)
	case kindTexts:
		return parseTexts(r)
	case kindAccel:
		return parseAccel(r)
	}
	return parseText(r, "a string")
}

// parseText reads a string.
func parseText(r raw, want string) (string, *fault) {
	if r.form != formString && r.form != formWord {
		return "", faultf("found %s, wanted %s", r.describe(), want)
	}
	if strings.IndexByte(r.text, 0) >= 0 {
		return "", faultf("holds a NUL byte")
	}
	if int64(len(r.text)) > MaxStringBytes {
		return "", faultf("has %d bytes; %s is the most", len(r.text), FormatSize(MaxStringBytes))
	}
	return r.text, nil
}

func parsePath(r raw, base string) (string, *fault) {
	text, f := parseText(r, "a path in quotes")
	if f != nil || text == "" {
		return "", f
	}
	if text == "~" || strings.HasPrefix(text, "~/") {
		return "", faultf("%s: ~ is not replaced", quote(text)).hinted("write the whole path")
	}
	if filepath.IsAbs(text) {
		return filepath.Clean(text), nil
	}
	return filepath.Join(base, text), nil
}

func parseBool(r raw) (bool, *fault) {
	if r.form == formBool || r.form == formWord {
		switch r.text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	f := faultf("found %s, wanted true or false", r.describe())
	if r.form == formString && (r.text == "true" || r.text == "false") {
		return false, f.hinted("write %s without quotes", r.text)
	}
	return false, f
}

func (s *setting) parseInt(r raw) (int, *fault) {
	base := 10
	switch r.form {
	case formInteger:
		base = 0 // TOML writes 0x10, 0o7, 0b1 and 1_000 as Go does
	case formWord:
	default:
		f := faultf("found %s, wanted a whole number", r.describe())
		if _, err := strconv.Atoi(r.text); r.form == formString && err == nil {
			f.hinted("write %s without quotes", r.text)
		}
		return 0, f
	}
	n, err := strconv.ParseInt(r.text, base, 64)
	if err != nil && !isRange(err) {
		return 0, faultf("found %s, wanted a whole number", r.describe())
	}
	if f := s.bound(n, r.text); f != nil {
		return 0, f
	}
	return int(n), nil
}

func (s *setting) parseCount(r raw) (counted, *fault) {
	if (r.form == formString || r.form == formWord) && r.text == "auto" {
		return counted{auto: true}, nil
	}
	n, f := s.parseInt(r)
	if f != nil && strings.HasSuffix(f.problem, "wanted a whole number") {
		f.problem += ` or "auto"`
	}
	return counted{n: n}, f
}

func (s *setting) parseSize(r raw) (int64, *fault) {
	if r.form != formString && r.form != formWord && r.form != formInteger {
		return 0, faultf("found %s, wanted a size", r.describe())
	}
	text := r.text
	if r.form == formInteger {
		text = strings.ReplaceAll(text, "_", "")
	}
	if strings.HasPrefix(text, "-") {
		return 0, faultf("%s is below nothing", shorten(text))
	}
	n, err := ParseSize(text)
	switch err {
	case nil:
		return n, s.bound(n, text)
	case errSizeHuge:
		return 0, faultf("%s is too much: %s", shorten(text), s.bounds())
	}
	return 0, faultf("found %s, wanted a size: a whole number with B, KB, MB, GB or TB", r.describe())
}

func (s *setting) parseDuration(r raw) (time.Duration, *fault) {
	switch r.form {
	case formString, formWord:
		if _, err := strconv.Atoi(r.text); err == nil && r.text != "0" {
			return 0, s.unitless(r)
		}
		d, err := parseDuration(r.text)
		if err != nil {
			return 0, faultf("found %s, wanted a duration: numbers with ms, s, m or h", r.describe())
		}
		return d, s.bound(int64(d), r.text)
	case formInteger, formFloat:
		if r.text == "0" {
			return 0, s.bound(0, r.text)
		}
		return 0, s.unitless(r)
	}
	return 0, faultf("found %s, wanted a duration", r.describe())
}

// unitless is the fault of a number where a duration is wanted.
func (s *setting) unitless(r raw) *fault {
	f := faultf("found %s without a unit, wanted a duration", r.describe())
	seconds, millis := shorten(r.text)+"s", shorten(r.text)+"ms"
	if r.form != formWord {
		seconds, millis = quote(seconds), quote(millis)
	}
	return f.hinted("write %s for seconds, or %s for milliseconds", seconds, millis)
}

func (s *setting) parseChoice(r raw) (string, *fault) {
	text, f := parseText(r, "a string")
	if f != nil {
		return "", f
	}
	if slices.Contains(s.options, text) {
		return text, nil
	}
	f = faultf("%s is not one of %s", quote(shorten(text)), alternatives(s.options))
	if near := nearest(text, s.options); near != "" {
		f.hinted("did you mean %s?", quote(near))
	}
	return "", f
}

// bound checks a number against the setting's bounds.
func (s *setting) bound(n int64, written string) *fault {
	switch {
	case n == 0 && s.zero != "":
		return nil
	case n < s.min:
		return faultf("%s is too little: %s", shorten(written), s.bounds())
	case n > s.max:
		return faultf("%s is too much: %s", shorten(written), s.bounds())
	}
	return nil
}

// bounds says which values are possible, "" when the kind has no bounds.
func (s *setting) bounds() string {
	var least, most string
	switch s.kind {
	case kindInt, kindCount:
		least, most = strconv.FormatInt(s.min, 10), strconv.FormatInt(s.max, 10)
	case kindSize:
		least, most = FormatSize(s.min), FormatSize(s.max)
	case kindDuration:
		least, most = FormatDuration(time.Duration(s.min)), FormatDuration(time.Duration(s.max))
	default:
		return ""
	}
	text := least + " to " + most
	if s.zero != "" {
		text += ", or 0 for " + s.zero
	}
	return text
}

// assign puts a parsed value where the setting's field says.
func assign(field, value any) {
	switch p := field.(type) {
	case *string:
		*p = value.(string)
	case *bool:
		*p = value.(bool)
	case *int:
		*p = value.(int)
	case *int64:
		*p = value.(int64)
	case *time.Duration:
		*p = value.(time.Duration)
	case *[]string:
		*p = value.([]string)
	case *Paths:
		*p = value.(Paths)
	case *[]Address:
		*p = value.([]Address)
	case *Rate:
		*p = value.(Rate)
	case *Peers:
		*p = value.(Peers)
	case *map[string]string:
		*p = value.(map[string]string)
	case *Accel:
		*p = value.(Accel)
	case *EnvCredentials:
		*p = value.(EnvCredentials)
	case *count:
		*p.n, *p.auto = value.(counted).n, value.(counted).auto
	case *Ready:
		*p = Ready(value.(string))
	case *Mode:
		*p = Mode(value.(string))
	case *Access:
		*p = Access(value.(string))
	case *AccessTo:
		*p = AccessTo(value.(string))
	case *slog.Level:
		*p = levels[value.(string)]
	}
}

// levels are the options of log.level.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}
