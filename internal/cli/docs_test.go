package cli

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ripd/internal/testkit"
)

// documentedAs finds what is a place for something in a usage line: APP, FILE, N.
var documentedAs = regexp.MustCompile(`^[A-Z]+$`)

// accept reads a command line as ripctl would, and stops before it is carried out.
func accept(args []string) error {
	s := &session{env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
	root := s.root()
	cmd, rest, err := root.Find(protectNegatives(args))
	if err != nil {
		return err
	}
	if cmd == root {
		return root.Args(root, rest)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	left := cmd.Flags().Args()
	if len(args) == 1 {
		return nil // running text names a command
	}
	switch cmd.Name() { // these look at their arguments when they run
	case "scale":
		_, _, err = scaleArgs(left)
	case "drain", "resume":
		all, _ := cmd.Flags().GetBool("all")
		_, _, err = drainArgs(cmd.Name(), left, all)
	default:
		err = cmd.ValidateArgs(left)
	}
	return err
}

// Each command line of ripctl that a page or a help text shows is one that ripctl takes.
func TestCommandsOfTheDocsAreTaken(t *testing.T) {
	seen := 0
	check := func(at string, args []string) {
		for i, word := range args {
			switch {
			case documentedAs.MatchString(word) && word != "APP":
				args[i] = "1"
			case word == "[APP]":
				args = append(args[:i:i], args[i+1:]...)
			}
		}
		seen++
		if err := accept(args); err != nil {
			t.Errorf("%s: ripctl %s: %v", at, strings.Join(args, " "), err)
		}
	}
	for _, p := range testkit.Pages(t) {
		for _, c := range p.Commands("ripctl") {
			check(c.At, c.Args)
		}
	}
	if seen < 50 {
		t.Errorf("the pages have %d commands: does this test still find them?", seen)
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		help := testkit.Page{Name: "the help of " + cmd.CommandPath(), Text: "```sh\n" + cmd.Example + "\n```\n"}
		for _, c := range help.Commands("ripctl") {
			check(c.At, c.Args)
		}
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	s := &session{env: Env{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}}
	walk(s.root())
}

// A word from elsewhere leads to a command that there is.
func TestMeantCommandsAreThere(t *testing.T) {
	for word, command := range meant {
		arguments := []string{"shop"}
		if command == "list" {
			arguments = nil
		}
		if command == "drain" || command == "resume" {
			arguments = append(arguments, "--all")
		}
		if err := accept(append(strings.Fields(command), arguments...)); err != nil {
			t.Errorf("%s: ripctl %s: %v", word, command, err)
		}
		m := newMachine(t)
		r := m.ripctl(word)
		if r.code != ExitUsage || !strings.Contains(r.stderr, `"ripctl `+command+`" is the command for that`) {
			t.Errorf("ripctl %s: exit code %d\n%s", word, r.code, r.stderr)
		}
	}
}

func TestUnknownCommandsOfTheDocsAreFound(t *testing.T) {
	for _, line := range []string{"certificates", "status --quick", "scale shop", "drain shop", "config chek x", "top a b"} {
		if err := accept(strings.Fields(line)); err == nil {
			t.Errorf("ripctl %s was taken", line)
		}
	}
}
