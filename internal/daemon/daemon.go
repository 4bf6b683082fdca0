// Package daemon is the life of one ripd: it reads the settings, opens the sockets,
// starts and keeps the app's workers, rolls them, and stops without dropping a
// request.
//
//	daemon.go      the command line: run, check, version, help
//	app.go         the parts of a running ripd, in the order of their start
//	stopping.go    signals, and the end
//	supervisor.go  the goroutine that owns the workers, and its rules
//	seams.go       what the supervisor needs from outside
//	launch.go      the real things behind these seams
//	operator.go    the control socket's calls
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
)

// The exit codes of ripd.
const (
	exitOK     = 0
	exitFailed = 1 // it could not start, or could not go on
	exitUsage  = 2 // the settings are wrong
	// A second signal ends ripd with 128 and the signal's number, as shells count.
	exitSignal = 128
)

// Version is set by the linker; empty means that of the build.
var Version string

// Main is the ripd command. args are the words and flags without the program's
// name, environ is as os.Environ gives it. It returns the exit code.
func Main(args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch config.ParseAction(args) {
	case config.ActionHelp:
		fmt.Fprint(stdout, config.Help())
		return exitOK
	case config.ActionVersion:
		fmt.Fprintln(stdout, "ripd "+api.BuildVersion(Version))
		return exitOK
	}
	input := config.Input{Args: args, Environ: environ}
	c, err := config.Load(input)
	if err != nil {
		complain(stderr, err)
		return exitUsage
	}
	if config.ParseAction(args) == config.ActionCheck {
		fmt.Fprint(stdout, c.Summary())
		return exitOK
	}
	a := &app{config: c, input: input, environ: environ, out: stdout, version: api.BuildVersion(Version)}
	if err := a.open(); err != nil {
		a.close()
		complain(stderr, err)
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
