// Command man writes the manual pages: ripd(8), ripctl(1), ripd.toml(5) and
// ripd-generator(8). Words, flags and commands are taken from what the programs
// say themselves, keys from docs/configuration.md, whose reference is made from
// the code: a page cannot name what is not there. `make deb` runs it.
//
//	man.go      the command
//	roff.go     text as man(7) writes it
//	help.go     what the programs' help texts say
//	pages.go    the pages
//	settings.go the keys of ripd.toml(5)
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// sources are the texts that the pages are made from.
type sources struct {
	// ripd is the help text of ripd.
	ripd string
	// ripctl gives the help text of a command: "" for ripctl itself, "config check"
	// for a command of a command.
	ripctl func(command string) (string, error)
	// configuration is docs/configuration.md.
	configuration string
	// date is that of the pages.
	date time.Time
}

func main() {
	ripd := flag.String("ripd", "bin/ripd", "the program `ripd`, which is asked for its help text")
	ripctl := flag.String("ripctl", "bin/ripctl", "the program `ripctl`, likewise")
	docs := flag.String("docs", "docs", "the `folder` of the documentation")
	date := flag.Int64("date", 0, "the date of the pages, in `seconds` since 1970")
	out := flag.String("out", ".", "the `folder` to write to")
	flag.Parse()
	if err := run(*ripd, *ripctl, *docs, *out, time.Unix(*date, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

func run(ripd, ripctl, docs, out string, date time.Time) error {
	help := func(program string, args ...string) (string, error) {
		text, err := exec.Command(program, args...).Output()
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
		}
		return string(text), nil
	}
	configuration, err := os.ReadFile(filepath.Join(docs, "configuration.md"))
	if err != nil {
		return err
	}
	s := sources{configuration: string(configuration), date: date}
	if s.ripd, err = help(ripd, "--help"); err != nil {
		return err
	}
	s.ripctl = func(command string) (string, error) {
		return help(ripctl, append(strings.Fields(command), "--help")...)
	}
	pages, err := s.pages()
	if err != nil {
		return err
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
