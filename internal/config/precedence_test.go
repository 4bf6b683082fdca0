package config

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// source is one place a value can come from.
type source int

const (
	fromFile source = iota
	fromEnvironment
	fromWords
	sources
)

// ranked is a setting that all sources can give, and how each writes a value.
type ranked struct {
	key     string
	values  []string // as in the file
	word    func(plain string) string
	def     string
	toValue func(c *Config) string
}

var rankedSettings = []ranked{
	{"workers.count", []string{"1", "2", "77", "1024"}, func(v string) string { return "w:" + v }, "auto", func(c *Config) string {
		if c.Workers.CountAuto {
			return "auto"
		}
		return strconv.Itoa(c.Workers.Count)
	}},
	{"workers.concurrency", []string{"1", "2", "9"}, func(v string) string { return "c:" + v }, "1", func(c *Config) string { return strconv.Itoa(c.Workers.Concurrency) }},
	{"workers.max_requests", []string{"0", "2", "9"}, func(v string) string { return "r:" + v }, "10000", func(c *Config) string { return strconv.Itoa(c.Workers.MaxRequests) }},
	{"queue.size", []string{"0", "2", "9"}, func(v string) string { return "--max-queue=" + v }, "512", func(c *Config) string { return strconv.Itoa(c.Queue.Size) }},
	{"queue.timeout", []string{`"1ms"`, `"50ms"`, `"70ms"`}, func(v string) string { return "--queue-timeout-ms=" + strings.TrimSuffix(v, "ms") }, "5000ms", func(c *Config) string {
		return fmt.Sprint(c.Queue.Timeout.Milliseconds()) + "ms"
	}},
	{"variant", []string{`"a"`, `"b"`, `"c"`}, func(v string) string { return "--variant=" + v }, "main", func(c *Config) string { return c.Variant }},
	{"listen.http", []string{`["8080"]`, `["127.0.0.1:1", "127.0.0.1:2"]`}, func(v string) string { return "http:" + strings.ReplaceAll(v, ",", " http:") }, "3080", func(c *Config) string {
		var all []string
		for _, a := range c.Listen.HTTP {
			all = append(all, strings.TrimPrefix(a.String(), "[::]:"))
		}
		return strings.Join(all, ",")
	}},
	{"reload.mode", []string{`"none"`, `"process"`}, func(v string) string { return "--hot-reload=" + v }, "process", func(c *Config) string { return string(c.Reload.Mode) }},
}

// Whatever sources give a setting, the last of default, file, environment and
// words wins, and is named as the origin.
func TestLaterSourceWins(t *testing.T) {
	file := fileFor(t, "")
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		text.WriteString("command = [\"x\"]\n")
		var environ, args []string
		want, origins := map[string]string{}, map[string]string{}
		for _, s := range rankedSettings {
			want[s.key], origins[s.key] = s.def, "default"
			for from := range sources {
				if !rapid.Bool().Draw(t, fmt.Sprint(s.key, from)) {
					continue
				}
				value := rapid.SampledFrom(s.values).Draw(t, "value")
				want[s.key] = plain(value)
				switch row := settingOf(s.key); from {
				case fromFile:
					text.WriteString(s.key + " = " + value + "\n")
					origins[s.key] = file + ":" + strconv.Itoa(strings.Count(text.String(), "\n"))
				case fromEnvironment:
					environ = append(environ, row.variable()+"="+plain(value))
					origins[s.key] = row.variable()
				case fromWords:
					origins[s.key] = s.word(plain(value))
					args = append(args, strings.Fields(s.word(plain(value)))...)
				}
			}
		}
		rewrite(t, file, text.String())
		c, err := Load(Input{Args: append(args, file), Environ: environ, CPUs: func() (int, string) { return 3, "3" }})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range rankedSettings {
			if got := s.toValue(c); got != want[s.key] {
				t.Errorf("%s: got %s, want %s\nfile:\n%s\nenvironment %s\nwords %s", s.key, got, want[s.key], text.String(), environ, args)
			}
		}
		for _, e := range c.Explain() {
			if o, ok := origins[e.Key]; ok && o != e.Origin {
				t.Errorf("%s: the origin is %s, want %s", e.Key, e.Origin, o)
			}
		}
	})
}

// Sizes and durations that are written are read as the same.
func TestFormatsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<62).Draw(t, "bytes")
		if got, err := ParseSize(FormatSize(n)); err != nil || got != n {
			t.Errorf("%d is written %s and read as %d, %v", n, FormatSize(n), got, err)
		}
		d := time.Duration(rapid.Int64Range(0, int64(MaxAge)).Draw(t, "duration"))
		if rapid.Bool().Draw(t, "whole") {
			d = d.Truncate(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour}).Draw(t, "unit"))
		}
		if got, err := parseDuration(FormatDuration(d)); err != nil || got != d {
			t.Errorf("%d is written %s and read as %d, %v", d, FormatDuration(d), got, err)
		}
	})
}

// Addresses that are written are read as the same.
func TestAddressesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{1,5}`), rapid.StringMatching(`(127\.0\.0\.1|0\.0\.0\.0|localhost|\*|\[::1\]|\[::\]|\[fe80::1%eth0\])?:[0-9]{1,5}`),
			rapid.StringMatching(`/[a-z./]{0,110}`), rapid.String(),
		).Draw(t, "text")
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q is %+v, written %s, and read as %+v, %v", text, a, a, again, err)
		}
		if a.Port < 0 || a.Port > maxPort || len(a.Path) > MaxSocketPathBytes || (a.Network == "unix") == (a.Path == "") {
			t.Errorf("%q became %+v", text, a)
		}
	})
}

// A name that is made can be given.
func TestMadeNamesAreValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + rapid.String().Draw(t, "path")
		if f := checkName(nameOf(path), MaxNameBytes); f != nil {
			t.Errorf("%q: %s", path, f.problem)
		}
	})
}

// What is quoted for a command line is taken apart as it was.
func TestCommandsAreTakenApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-z '"\\$\t]{0,8}`)).Draw(t, "words")
		var line strings.Builder
		for _, w := range words {
			switch rapid.IntRange(0, 2).Draw(t, "quotes") {
			case 0:
				line.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`)
			case 1:
				line.WriteString(`'` + strings.ReplaceAll(w, `'`, `'\''`) + `'`)
			default:
				line.WriteString(`""` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `'`, `\'`, ` `, `\ `, "\t", "\\\t").Replace(w))
			}
			line.WriteString("  ")
		}
		got, err := SplitCommand(line.String())
		if err != nil || len(got) != len(words) || strings.Join(got, "|") != strings.Join(words, "|") {
			t.Errorf("%s: got %q, want %q, %v", line.String(), got, words, err)
		}
	})
}
