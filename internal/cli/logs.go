package cli

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ripd/internal/api"
	"ripd/internal/units"
)

func (s *session) logs() *cobra.Command {
	var follow bool
	var worker int
	var request string
	c := &cobra.Command{
		Use: "logs [APP] [-- ARGUMENTS]", Short: "What the journal has of an app", GroupID: groupLook,
		Long: `Logs shows what ripd and the workers of an app have written to systemd's journal. It prints the journalctl
command that it runs, and becomes it. What comes after "--" is passed on to journalctl.

With --worker it shows what that worker wrote, and what ripd says of it; with --request all lines that have the
request's id in them, which is the answer's X-Request-Id.`,
		Example:           "  ripctl logs shop -f\n  ripctl logs shop --worker 3\n  ripctl logs shop --request 01JQ3Z8M4T\n  ripctl logs shop -- --since today --priority warning",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: s.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			more := []string(nil)
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				args, more = args[:dash], args[dash:]
			}
			if err := optionalApp(cmd, args); err != nil {
				return err
			}
			if cmd.Flags().Changed("worker") && (worker < 1 || worker > 99999) {
				return usagef(`"--worker 3"`, "%d is not a worker's id: ids count from 1", worker)
			}
			name, err := s.kept(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			return s.become(append(journalctl(name, follow, worker, request, s.json), more...))
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	c.Flags().IntVar(&worker, "worker", 0, "of the worker `N` alone")
	c.Flags().StringVar(&request, "request", "", "of the request with this `ID` alone")
	return c
}

// journalctl is the command that shows an app's lines.
func journalctl(name string, follow bool, worker int, request string, json bool) []string {
	argv := []string{"journalctl", "--unit=" + units.Service(name)}
	if worker == 0 && request == "" {
		// They say when they cannot listen. Names, since journalctl looks once what a pattern
		// matches: who follows would miss a socket that has not said anything yet.
		for _, socket := range units.Sockets(name) {
			argv = append(argv, "--unit="+socket)
		}
	}
	if follow {
		argv = append(argv, "--follow")
	} else {
		argv = append(argv, "--pager-end")
	}
	if json {
		argv = append(argv, "--output=json")
	}
	if request != "" {
		// Not the field REQUEST_ID: lines of the app that name the request count too.
		argv = append(argv, "--grep="+regexp.QuoteMeta(request), "--case-sensitive=yes")
	}
	if worker > 0 {
		argv = append(argv, fmt.Sprintf("RIP_WORKER=%d", worker))
	}
	return argv
}

// become prints a command on standard error, and becomes it.
func (s *session) become(argv []string) error {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return &problem{exit: ExitFailed, code: api.CodeFailed, message: argv[0] + " is not on this machine",
			next: "an app of the foreground writes its log to its terminal"}
	}
	fmt.Fprintln(s.env.Stderr, s.errors().faint("$ "+shellWords(argv)))
	if err := s.env.Exec(path, argv, s.env.Environ); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	return nil
}

// shellWords writes a command as a shell reads it.
func shellWords(argv []string) string {
	words := slices.Clone(argv)
	for i, w := range words {
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !strings.ContainsRune("@%+=:,./-_", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// kept gives the name of an app that systemd keeps: the one that is meant, or,
// without a name, the only one.
func (s *session) kept(ctx context.Context, name string) (string, error) {
	names := s.files()
	v := s.look(ctx)
	for _, list := range [][]*app{v.running, v.closed, v.odd, v.dead} {
		for _, a := range list {
			if a.door.Name != "" {
				names = append(names, a.door.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case name != "" && slices.Contains(names, name), name == "" && len(names) == 1:
		if name == "" {
			name = names[0]
		}
		return name, nil
	case name == "" && len(names) > 1:
		return "", usagef("say which one", "systemd keeps %d apps: %s", len(names), strings.Join(names, ", "))
	}
	for _, a := range v.running {
		if name == "" || a.status.App == name {
			return "", &problem{exit: ExitFailed, code: api.CodeFailed, message: a.status.App + " runs in the foreground: systemd has nothing of it",
				next: "its log is where it was started"}
		}
	}
	if name == "" {
		return "", &problem{exit: ExitNotRunning, code: codeNotRunning, message: "systemd keeps no app: there is no file in " + s.env.ConfigDir}
	}
	if units.AppOf(units.Service(name)) != name {
		return "", usagef(`letters, digits, "-", "_" and "."`, "%q is no app's name", name)
	}
	return "", s.unknownInstance(name)
}

// completeInstance completes the name of an app that systemd keeps.
func (s *session) completeInstance(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.instancesNow(), cobra.ShellCompDirectiveNoFileComp
}
