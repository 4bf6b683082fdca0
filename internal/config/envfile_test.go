package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var envFileCases = []struct {
	name, text string
	want       map[string]string
	fault      string // line: problem; hint
}{
	{name: "empty", text: "", want: map[string]string{}},
	{name: "plain", text: "A=1\nB=two words  \n", want: map[string]string{"A": "1", "B": "two words"}},
	{name: "no newline at the end", text: "A=1", want: map[string]string{"A": "1"}},
	{name: "windows", text: "A=1\r\nB='x' \r\n", want: map[string]string{"A": "1", "B": "x"}},
	{name: "comments", text: "# one\n  ; two\n\nA=1 # three\n#", want: map[string]string{"A": "1 # three"}},
	{name: "space around the name", text: "  A = 1\n", want: map[string]string{"A": "1"}},
	{name: "empty value", text: "A=\nB=\"\"\n", want: map[string]string{"A": "", "B": ""}},
	{name: "single quotes", text: `A='$HOME \n "x"'`, want: map[string]string{"A": `$HOME \n "x"`}},
	{name: "double quotes", text: `A="$HOME \"x\" \\ 'y' "`, want: map[string]string{"A": `$HOME "x" \ 'y' `}},
	{name: "several lines in quotes", text: "A=\"1\n2\"\nB='3\n4'", want: map[string]string{"A": "1\n2", "B": "3\n4"}},
	{name: "joined lines", text: "A=1 \\\n  2\nB=\"3\\\n4\"\nC=5\\", want: map[string]string{"A": "1   2", "B": "34", "C": "5"}},
	{name: "escapes", text: `A=a\ \ ` + "\nB=\\ä\\\"", want: map[string]string{"A": "a  ", "B": `ä"`}},
	{name: "parts", text: `A=a"b c"'d'e`, want: map[string]string{"A": "ab cde"}},
	{name: "equals", text: "A=b=c\n", want: map[string]string{"A": "b=c"}},
	{name: "twice", text: "A=1\nA=2\n", want: map[string]string{"A": "2"}},
	{name: "no equals", text: "A=1\n\nthe rest\n", fault: `3: "the rest" is not KEY=value; comments begin with #`},
	{name: "export", text: "export A=1", fault: "1: export is for shells; write A=…"},
	{name: "bad name", text: "A=1\n2B=1", fault: `2: "2B" is not a variable's name; letters, digits and _ are possible, and no digit first`},
	{name: "no name", text: "=1", fault: `1: "" is not a variable's name; letters, digits and _ are possible, and no digit first`},
	{name: "owned", text: "SOCKET_PATH=/x", fault: "1: SOCKET_PATH belongs to ripd, which sets it for each worker or keeps it from them; choose another name"},
	{name: "open quote", text: "A=1\nB='2\nC=3\n", fault: "2: the quote ' is not closed; close it, or put a backslash before it"},
	{name: "NUL", text: "A=\x00", fault: "1: the value of A holds a NUL byte; take it out"},
	{name: "not UTF-8", text: "A=1\nB=\xff\n", fault: "2: is not UTF-8; save the file as UTF-8"},
	{name: "fault after several lines", text: "A='1\n2\n3'\nx\n", fault: `4: "x" is not KEY=value; comments begin with #`},
}

func TestEnvFile(t *testing.T) {
	for _, test := range envFileCases {
		t.Run(test.name, func(t *testing.T) {
			got, line, f := parseEnvFile(test.text)
			if test.fault != "" {
				if f == nil || fmt.Sprintf("%d: %s; %s", line, f.problem, f.hint) != test.fault {
					t.Errorf("got %v, line %d, %+v, want %s", got, line, f, test.fault)
				}
				return
			}
			if f != nil || !maps.Equal(got, test.want) {
				t.Errorf("got %q, %+v, want %q", got, f, test.want)
			}
		})
	}
}

func TestReadEnvFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "env")
	read := func(text string) (map[string]string, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadEnvFile(path)
	}
	if env, err := read("\ufeffA=1\n"); err != nil || env["A"] != "1" {
		t.Errorf("got %v, %v", env, err)
	}
	var e *Error
	if _, err := read("A=1\noops"); !errors.As(err, &e) || e.File != path || e.Line != 2 {
		t.Errorf("got %v", err)
	}
	if _, err := read(strings.Repeat("#\n", int(MaxEnvFileBytes))); err == nil || err.Error() != path+": more than 1MB" {
		t.Errorf("got %v", err)
	}
	var many strings.Builder
	for i := range MaxEnv + 1 {
		fmt.Fprintf(&many, "A%d=1\n", i)
	}
	if _, err := read(many.String()); !errors.As(err, &e) || e.Line != MaxEnv+1 {
		t.Errorf("got %v", err)
	}
	if _, err := read("A=" + strings.Repeat("x", int(MaxStringBytes))); !errors.As(err, &e) || !strings.Contains(e.Problem, "128KB is the most") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadEnvFile(filepath.Join(dir, "none")); err == nil || !strings.HasSuffix(err.Error(), "none: there is no such file") {
		t.Errorf("got %v", err)
	}
}
