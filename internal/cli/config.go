package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"ripd/internal/api"
	"ripd/internal/config"
)

// Checked is what "config check --json" prints.
type Checked struct {
	OK       bool          `json:"ok"`
	File     string        `json:"file"`               // absolute path
	App      string        `json:"app,omitempty"`      // the app's name, when the file is good
	Settings []api.Setting `json:"settings,omitempty"` // what it means, when it is good
	Notes    []string      `json:"notes,omitempty"`    // decisions that depended on this machine
	Problems []Fault       `json:"problems,omitempty"` // what is wrong with it
}

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`   // from 1
	Column  int    `json:"column,omitempty"` // from 1
	Key     string `json:"key,omitempty"`
	Problem string `json:"problem"`
	Hint    string `json:"hint,omitempty"`
}

func (s *session) config() *cobra.Command {
	c := &cobra.Command{
		Use: "config", Short: "Check a file, or show the settings in force", GroupID: groupMore,
		Args: s.unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var all bool
	check := &cobra.Command{
		Use: "check FILE", Short: "Say what a configuration file means, or what is wrong with it",
		Long: `Check reads a configuration as ripd would and changes nothing. It prints the settings that
the file sets or, with --all, every setting and where it comes from. The exit code is 1 when
something is wrong.`,
		Example: "  ripctl config check /etc/ripd/shop.toml\n  ripctl config check shop.toml --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(`"ripctl config check /etc/ripd/shop.toml"`, "say one file")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return s.check(args[0], all) },
	}
	check.Flags().BoolVar(&all, "all", false, "show the defaults too")
	show := &cobra.Command{
		Use: "show [APP]", Short: "Show the settings in force and where each comes from",
		Long:    "Show asks a running app for its settings. Values that may be secrets are hidden.",
		Example: "  ripctl config show shop\n  ripctl config show shop --all",
		Args:    optionalApp, ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			cfg, err := c.Config(cmd.Context())
			if err != nil {
				return err
			}
			if s.json {
				return s.printJSON(cfg)
			}
			s.settingsTable(cfg.Settings, all)
			s.notes(cfg.Notes)
			return nil
		},
	}
	show.Flags().BoolVar(&all, "all", false, "show the defaults too")
	c.AddCommand(check, show)
	return c
}

// check reads a file and says what it means.
func (s *session) check(path string, all bool) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("the current folder: %w", err)
	}
	cfg, err := config.LoadFile(path)
	if err != nil {
		return s.faulty(abs, err)
	}
	var settings []api.Setting
	for _, x := range cfg.Explain() {
		settings = append(settings, api.Setting{Key: x.Key, Value: x.Value, Origin: x.Origin})
	}
	if s.json {
		return s.printJSON(Checked{OK: true, File: abs, App: cfg.Name, Settings: settings, Notes: cfg.Notes()})
	}
	s.line(fmt.Sprintf("%s is good; it is the app %s", clean(path), s.style.bold(clean(cfg.Name))))
	s.settingsTable(settings, all)
	s.notes(cfg.Notes())
	return nil
}

// faulty tells what is wrong with a file, each fault on a line.
func (s *session) faulty(path string, err error) error {
	faults := []Fault{}
	for _, e := range config.Problems(err) {
		faults = append(faults, Fault{File: e.File, Line: e.Line, Column: e.Column, Key: e.Key, Problem: e.Problem, Hint: e.Hint})
	}
	if len(faults) == 0 {
		faults = append(faults, Fault{File: path, Problem: err.Error()})
	}
	p := &problem{exit: ExitFailed, code: api.CodeFailed, shown: true,
		message: fmt.Sprintf("%s has %s", path, counted(len(faults), "fault"))}
	if s.json {
		if err := s.printJSON(Checked{File: path, Problems: faults}); err != nil {
			return err
		}
		return p
	}
	e := s.errors()
	for _, f := range config.Problems(err) {
		fmt.Fprintf(s.env.Stderr, "%s %s\n", e.red("ripctl:"), clean(f.Error()))
	}
	if len(config.Problems(err)) == 0 {
		p.message = err.Error()
	}
	p.next = "mend the file, then check it again"
	return p
}

// settingsTable prints the settings that somebody set, or all of them.
func (s *session) settingsTable(settings []api.Setting, all bool) {
	t := table{columns: []column{{title: "SETTING"}, {title: "VALUE", least: 12}, {title: "FROM", rank: 1, least: 12}}}
	hidden := 0
	for _, x := range settings {
		if x.Origin == "default" && !all {
			hidden++
			continue
		}
		t.rows = append(t.rows, []string{clean(x.Key), clean(x.Value), clean(x.Origin)})
	}
	t.paint = func(_, col int, text string) string {
		if col == 2 {
			return s.style.faint(text)
		}
		return text
	}
	if len(t.rows) > 0 {
		t.print(&s.console)
	}
	if hidden > 0 {
		s.line(s.style.faint(fmt.Sprintf("%s as by default; --all shows them", counted(hidden, "setting"))))
	}
}

// notes prints what was decided for this machine.
func (s *session) notes(notes []string) {
	for _, n := range notes {
		s.note(n)
	}
}
