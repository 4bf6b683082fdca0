package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ripd/internal/api"
)

// The codes that ripctl's JSON errors have beside those of package api.
const (
	codeNotRunning = api.Code("not_running")
	codeNoApp      = api.Code("no_such_app")
	codeLeft       = api.Code("stopped_watching")
)

// problem is an error with all that a person or a program needs to go on.
type problem struct {
	exit    int
	code    api.Code
	message string   // one line
	next    string   // what to do next, one line; "": nothing to say
	output  []string // the app's last lines
	shown   bool     // standard output has said it; with --json, nothing more is printed
}

func (p *problem) Error() string { return p.message }

func usagef(next, format string, args ...any) *problem {
	return &problem{exit: ExitUsage, code: api.CodeUsage, message: fmt.Sprintf(format, args...), next: next}
}

// printProblem tells a problem on standard error: "ripctl: …", then "next: …".
func (s *session) printProblem(p *problem) {
	if s.json {
		if p.shown {
			return
		}
		b, err := json.Marshal(api.ErrorAnswer{Error: &api.Error{Code: p.code, Message: p.message, Hint: p.next}})
		if err == nil {
			fmt.Fprintf(s.env.Stderr, "%s\n", b)
		}
		return
	}
	e := s.errors()
	fmt.Fprintf(s.env.Stderr, "%s %s\n", e.red("ripctl:"), clean(p.message))
	e.words(s.env.Stderr, "  ", p.output)
	if p.next != "" {
		fmt.Fprintf(s.env.Stderr, "%s %s\n", e.faint("next:"), clean(p.next))
	}
}

// explain turns any error into a problem.
func explain(err error) *problem {
	var p *problem
	var fromRipd *api.Error
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &fromRipd):
		return explainAnswer(fromRipd)
	case errors.Is(err, api.ErrDenied):
		return denied(pathIn(err, api.ErrDenied), "")
	case errors.Is(err, api.ErrNotRunning):
		return &problem{exit: ExitNotRunning, code: codeNotRunning, message: err.Error(),
			next: `"ripctl list" shows what runs`}
	case errors.Is(err, api.ErrNotRipd):
		return &problem{exit: ExitFailed, code: api.CodeVersion, message: err.Error(),
			next: "look who listens there: ss -xlp"}
	case errors.Is(err, context.Canceled):
		return &problem{exit: ExitFailed, code: codeLeft, message: "interrupted"}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{exit: ExitFailed, code: api.CodeFailed, message: err.Error(),
			next: `ripd hangs, or is not up yet; "ripctl doctor" says what is wrong`}
	case errors.Is(err, api.ErrCutOff), errors.Is(err, api.ErrNoAnswer):
		return &problem{exit: ExitFailed, code: api.CodeFailed, message: err.Error(),
			next: `"ripctl list" shows whether it still runs; its log says why it left`}
	}
	return &problem{exit: ExitFailed, code: api.CodeFailed, message: err.Error()}
}

// explainAnswer gives the exit code for an error of ripd's own.
func explainAnswer(e *api.Error) *problem {
	p := &problem{exit: ExitFailed, code: e.Code, message: e.Message, next: e.Hint}
	switch e.Code {
	case api.CodeUsage:
		p.exit = ExitUsage
	case api.CodeRolledBack:
		p.exit = ExitRolledBack
	}
	return p
}

// denied is the problem of a socket that may not be opened.
func denied(path, app string) *problem {
	what := "the control socket " + path
	if app != "" {
		what = app + ": " + path + " is closed to you"
		return &problem{exit: ExitFailed, code: api.CodeForbidden, message: "no permission to steer " + what, next: permissionStep()}
	}
	return &problem{exit: ExitFailed, code: api.CodeForbidden, message: "no permission to open " + what, next: permissionStep()}
}

func permissionStep() string {
	return "call ripctl as root (sudo) or as the user who started the app; members of the group ripctl may steer systemd's apps"
}

// pathIn gives the path that an error of the client ends with.
func pathIn(err, sentinel error) string {
	_, path, _ := strings.Cut(err.Error(), sentinel.Error()+": ")
	return path
}

// otherVersion is the problem of a ripd that this ripctl does not understand.
func otherVersion(app, ripd, ripctl string) *problem {
	return &problem{exit: ExitFailed, code: api.CodeVersion,
		message: fmt.Sprintf("the ripd of %s is version %s, and this ripctl is version %s", app, ripd, ripctl),
		next:    fmt.Sprintf("use the ripctl of version %s, or restart the ripd of %s, so that it runs the version that is installed now", ripd, app)}
}

// unknownCommand guesses which command was meant.
func (s *session) unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	next := fmt.Sprintf("%q lists the commands", cmd.CommandPath()+" --help")
	if other := meant[args[0]]; other != "" && !cmd.HasParent() {
		next = fmt.Sprintf("%q is the command for that", cmd.CommandPath()+" "+other)
	} else if near := api.Nearest(args[0], known); near != "" {
		next = fmt.Sprintf("did you mean %q?", cmd.CommandPath()+" "+near)
	}
	return usagef(next, "there is no command %q", args[0])
}

// flagError guesses which flag was meant.
func flagError(cmd *cobra.Command, err error) error {
	next := fmt.Sprintf("%q lists the flags", cmd.CommandPath()+" --help")
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef(next, "%v", err)
	}
	var known []string
	add := func(f *pflag.Flag) { known = append(known, f.Name) }
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	name := unknown.GetSpecifiedName()
	if near := api.Nearest(name, known); near != "" {
		next = fmt.Sprintf("did you mean --%s?", near)
	}
	dashes := "--"
	if unknown.GetSpecifiedShortnames() != "" {
		dashes = "-"
	}
	return usagef(next, "there is no flag %s%s", dashes, name)
}
