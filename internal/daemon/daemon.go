// Package daemon is the life of one ripd: it reads the settings, opens the sockets,
// starts and keeps the app's workers, rolls them, and stops without dropping a
// request.
//
//	daemon.go      the command line: run, new, check, version, help
//	app.go         the parts of a running ripd, in the order of their start
//	stopping.go    signals, and the end
//	supervisor.go  the goroutine that owns the workers, and its rules
//	seams.go       what the supervisor needs from outside
//	launch.go      the real things behind these seams
//	operator.go    the control socket's calls
//	handover.go    how one ripd hands a running app over to another
//
// The supervisor decides; everything else reports to it. A worker's life is told
// in start.go and leave.go, the ways to replace workers in replace.go (one), roll.go
// (all) and fresh.go (because a file has changed).
package daemon

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/scaffold"
)

// The exit codes of ripd.
const (
	exitOK     = 0
	exitFailed = 1 // it could not start, or could not go on
	exitUsage  = 2 // the settings are wrong
	// A second signal ends ripd with 128 and the signal's number, as shells count.
	exitSignal = 128
)

// Env is what the ripd command is started with.
type Env struct {
	// Args are the words and flags, without the program's name.
	Args []string
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Stdout takes the log and the lines for people, Stderr why ripd cannot start.
	Stdout, Stderr io.Writer
	// Version is ripd's own.
	Version string
}

// Main is the ripd command. It returns the exit code.
func Main(e Env) int {
	given, environ, err := takeHandover(e.Environ)
	if err != nil {
		complain(e.Stderr, err)
		return exitUsage
	}
	e.Environ = environ
	action := config.ParseAction(e.Args)
	switch action {
	case config.ActionHelp:
		fmt.Fprint(e.Stdout, config.Help())
		return exitOK
	case config.ActionVersion:
		fmt.Fprintln(e.Stdout, "ripd "+e.Version)
		return exitOK
	case config.ActionNew:
		return scaffold.Main(e.Args[1:], e.Stdout, e.Stderr)
	}
	input := config.Input{Args: e.Args, Environ: e.Environ}
	c, err := config.Load(input)
	if err != nil {
		complain(e.Stderr, err)
		return exitUsage
	}
	if action == config.ActionCheck {
		fmt.Fprint(e.Stdout, c.Summary())
		return exitOK
	}
	a := &app{config: c, input: input, args: e.Args, environ: e.Environ, out: e.Stdout, errOut: e.Stderr, version: e.Version}
	if a.heir, err = newHeir(given); err != nil {
		complain(e.Stderr, err)
		return exitFailed
	}
	if err := a.open(); err != nil {
		a.close()
		complain(e.Stderr, err)
		return exitFailed
	}
	return a.serve()
}

// complain writes each line of an error for people.
func complain(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(w, "ripd: "+strings.TrimRight(line, "\n"))
	}
	var e *api.Error
	if errors.As(err, &e) && e.Hint != "" {
		fmt.Fprintln(w, "ripd: "+e.Hint)
	}
}
