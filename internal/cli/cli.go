// Package cli is ripctl: its commands, what they print, and how they exit.
//
// A command finds the app that is meant (target.go), calls its control
// socket, and prints the answer for people or, with --json, for programs.
// Results go to standard output, all else to standard error. What the app or
// its clients wrote is never sent to a terminal as it is (clean.go).
package cli

import (
	"context"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/doctor"
)

// The exit codes of ripctl.
const (
	ExitDone       = 0 // done
	ExitFailed     = 1 // it was tried and failed, or ripctl may not
	ExitUsage      = 2 // the command line is wrong, or does not say which app
	ExitNotRunning = 3 // no app runs, or the one that is meant does not
	ExitNoApp      = 4 // apps run, but none has that name
	ExitRolledBack = 5 // the new code did not start; the old workers serve
)

// Env is what a run of ripctl depends on.
type Env struct {
	Args    []string // without the program's name
	Environ []string // as os.Environ gives it
	Stdout  io.Writer
	Stderr  io.Writer
	Version string // of ripctl

	Now        func() time.Time // nil: time.Now
	Width      int              // of the terminal, in cells; 0: as Stdout says
	RuntimeDir string           // where apps of the foreground have their sockets; "": api.RuntimeDir
	SystemDir  string           // where systemd has its sockets; "": api.SystemDir
	ConfigDir  string           // where the files of systemd's apps are; "": config.SystemDir
	// Host is the machine that "doctor" looks at; nil: this one.
	Host *doctor.Host
	// Exec replaces ripctl by another program, as execve(2) does; nil: that.
	Exec func(path string, argv, environ []string) error
}

// session is one run of ripctl.
type session struct {
	console
	env    Env
	json   bool
	socket string // --socket
}

// Main runs ripctl and gives its exit code. When ctx ends, as with Ctrl-C,
// ripctl stops to watch; what it began at ripd goes on.
func Main(ctx context.Context, env Env) int {
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.RuntimeDir == "" {
		env.RuntimeDir = api.RuntimeDir(env.Environ)
	}
	if env.SystemDir == "" {
		env.SystemDir = api.SystemDir
	}
	if env.ConfigDir == "" {
		env.ConfigDir = config.SystemDir
	}
	if env.Host == nil {
		machine := doctor.Machine()
		env.Host = &machine
	}
	if env.Exec == nil {
		env.Exec = syscall.Exec
	}
	s := &session{env: env, console: newConsole(env)}
	root := s.root()
	root.SetArgs(protectNegatives(env.Args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	p := explain(err)
	s.printProblem(p)
	return p.exit
}

// root makes the tree of commands.
func (s *session) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ripctl COMMAND",
		Short: "The remote control of ripd",
		Long: `ripctl looks at and steers the apps that ripd serves on this machine.

With one app running, its name may be left out. ripctl finds the apps that you
started in a terminal, and those that systemd started and you may steer (as root, or as
a member of the group ripctl).`,
		Example: `  ripctl list             the apps that run
  ripctl status shop      how shop is
  ripctl restart shop     replace its workers, and wait for the verdict
  ripctl scale shop +1    one worker more`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              s.unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(s.env.Stdout)
	root.SetErr(s.env.Stderr)
	root.PersistentFlags().BoolVar(&s.json, "json", false, "print JSON, for programs")
	root.PersistentFlags().StringVar(&s.socket, "socket", "", "call the control socket at `PATH`; do not look for apps")
	root.PersistentFlags().BoolP("help", "h", false, "say how the command is used")
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{Hidden: true, Use: "help [COMMAND]", RunE: s.help})
	root.AddGroup(&cobra.Group{ID: groupLook, Title: "Look:"}, &cobra.Group{ID: groupSteer, Title: "Steer:"},
		&cobra.Group{ID: groupMore, Title: "More:"})
	root.SetUsageTemplate(usageTemplate)
	for _, c := range []*cobra.Command{
		s.list(), s.status(), s.workers(), s.top(), s.events(), s.logs(), s.metrics(), s.doctor(),
		s.roll("restart"), s.roll("reload"), s.scale(), s.drain(), s.resume(), s.upgrade(), s.stop(),
		s.start(), s.enable(), s.disable(),
		s.config(), s.version(), s.completion(),
	} {
		root.AddCommand(c)
	}
	reflow(root)
	return root
}

// helpWidth is the width of the help texts.
const helpWidth = 78

// reflow breaks the long help texts of a command, and of those below it, into lines.
func reflow(cmd *cobra.Command) {
	paragraphs := strings.Split(cmd.Long, "\n\n")
	for i, p := range paragraphs {
		paragraphs[i] = strings.Join(fill(strings.Join(strings.Fields(p), " "), helpWidth), "\n")
	}
	cmd.Long = strings.Join(paragraphs, "\n\n")
	cmd.DisableFlagsInUseLine = true
	for _, c := range cmd.Commands() {
		reflow(c)
	}
}

// The groups of the help text.
const (
	groupLook  = "look"
	groupSteer = "steer"
	groupMore  = "more"
)

// usageTemplate is what follows the first paragraph of a help text.
const usageTemplate = `Usage: {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasAvailableSubCommands}}{{$cmds := .Commands}}{{$root := .}}
{{- if .Groups}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- else}}

Commands:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}

Flags:
{{$local := .LocalFlags}}{{.Flags.FlagUsages | trimTrailingWhitespaces}}
{{if .HasAvailableSubCommands}}
"ripctl help COMMAND" says more.
{{else}}
Exits with 0 done, 1 failed, 2 usage, 3 not running, 4 no such app,
5 rolled back.
{{end}}`

// help prints the help text of a command.
func (s *session) help(cmd *cobra.Command, args []string) error {
	c, rest, err := cmd.Root().Find(args)
	if err != nil || c == nil || (len(rest) > 0 && c == cmd.Root()) {
		return s.unknownCommand(cmd.Root(), args)
	}
	return c.Help()
}
