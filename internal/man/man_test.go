package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ripd/internal/cli"
	"ripd/internal/config"
	"ripd/internal/testkit"
)

// made makes the pages from the programs as they are.
func made(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(testkit.Root(t) + "/docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	s := sources{
		ripd: config.Help(), configuration: string(text), date: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		ripctl: func(command string) (string, error) {
			var out bytes.Buffer
			code := cli.Main(context.Background(), cli.Env{Args: append(strings.Fields(command), "--help"), Stdout: &out, Stderr: &out})
			if code != cli.ExitDone {
				return "", fmt.Errorf("exit code %d: %s", code, &out)
			}
			return out.String(), nil
		},
	}
	pages, err := s.pages()
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// plain takes a page's roff away.
func plain(page string) string {
	return strings.NewReplacer(`\-`, "-", `\fB`, "", `\fP`, "", `\fI`, "", `\(aq`, "'", `\(ti`, "~").Replace(page)
}

var long = regexp.MustCompile(`--[a-z][a-z-]+`)

func TestPagesNameEverything(t *testing.T) {
	pages := made(t)
	ripd, ripctl, toml := plain(pages["ripd.8"]), plain(pages["ripctl.1"]), plain(pages["ripd.toml.5"])
	for _, flag := range long.FindAllString(config.Help(), -1) {
		if flag != "--flag" && !strings.Contains(ripd, flag) { // "--flag=value" is how flags are written
			t.Errorf("ripd(8) does not name %s", flag)
		}
	}
	c, err := config.Load(config.Input{Args: []string{"demo"}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, setting := range c.Explain() {
		if !strings.Contains(toml, "\n"+setting.Key+"\n") {
			t.Errorf("ripd.toml(5) does not name %s", setting.Key)
		}
	}
	for _, want := range []string{"ripctl restart [APP]", "ripctl config check FILE", "--wait", "--socket PATH", "--json"} {
		if !strings.Contains(ripctl, want) {
			t.Errorf("ripctl(1) does not name %s", want)
		}
	}
	// A page names no flag that is not there.
	known := config.Help()
	for _, flag := range long.FindAllString(ripd, -1) {
		if !strings.Contains(known, flag) && flag != "--now" {
			t.Errorf("ripd(8) names %s, which is not there", flag)
		}
	}
}

func TestPagesAreGoodRoff(t *testing.T) {
	testkit.Need(t, "mandoc")
	dir := t.TempDir()
	for name, text := range made(t) {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mandoc", "-Tlint", "-Wwarning", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
