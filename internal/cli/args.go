package cli

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"
)

// The rule for arguments: the app's name comes first and may be left out, and
// what else a command needs comes after it. So in "scale 3" the only argument is
// the number of workers. "drain 2" and "drain shop" are told apart by their
// form: a number alone is a worker. With --all there is no worker to name, and the only
// argument is the app, whatever its form.

var (
	negative   = regexp.MustCompile(`^-[0-9]+$`)
	workerForm = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
	scaleForm  = regexp.MustCompile(`^([+-]?[0-9]{1,4}|auto)$`)
)

// protectNegatives moves the "-1" of "scale shop -1" behind a "--", where it is
// not taken for a flag.
func protectNegatives(args []string) []string {
	if !slices.Contains(args, "scale") || slices.Contains(args, "--") {
		return args
	}
	var kept, moved []string
	for _, a := range args {
		if negative.MatchString(a) {
			moved = append(moved, a)
		} else {
			kept = append(kept, a)
		}
	}
	if moved == nil {
		return args
	}
	return append(append(kept, "--"), moved...)
}

// optionalApp takes an app's name, or nothing.
func optionalApp(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(fmt.Sprintf("%q says more", cmd.CommandPath()+" --help"), "%q is one argument too many", args[1])
	}
	return nil
}

// appOf gives the name of "[APP]".
func appOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// scaleArgs gives the app and the number of "[APP] N".
func scaleArgs(args []string) (name, workers string, err error) {
	const next = `"ripctl scale shop 4", "+1", "-1" or "auto"`
	switch len(args) {
	case 1:
		workers = args[0]
	case 2:
		name, workers = args[0], args[1]
	case 0:
		return "", "", usagef(next, "scale to how many workers?")
	default:
		return "", "", usagef(next, "%q is one argument too many", args[2])
	}
	if !scaleForm.MatchString(workers) {
		if len(args) == 1 {
			return "", "", usagef(fmt.Sprintf("say the number too: %q", "ripctl scale "+workers+" 4"), "%q is not a number of workers", workers)
		}
		return "", "", usagef(next, "%q is not a number of workers", workers)
	}
	return name, workers, nil
}

// drainArgs gives the app and the worker of "[APP] [WORKER]"; the worker is 0
// with --all.
func drainArgs(verb string, args []string, all bool) (name string, worker int, err error) {
	next := fmt.Sprintf("%q for one worker, %q for all of them", "ripctl "+verb+" shop 2", "ripctl "+verb+" shop --all")
	number := ""
	switch {
	case len(args) > 2 || all && len(args) > 1:
		return "", 0, usagef(next, "%q is one argument too many", args[len(args)-1])
	case all:
		return appOf(args), 0, nil
	case len(args) == 2:
		name, number = args[0], args[1]
	case len(args) == 1 && workerForm.MatchString(args[0]):
		number = args[0]
	case len(args) == 1:
		return "", 0, usagef(next, "which worker of %s?", args[0])
	default:
		return "", 0, usagef(next, "which worker?")
	}
	if !workerForm.MatchString(number) {
		return "", 0, usagef(next, "%q is not a worker's id: ids count from 1", number)
	}
	_, err = fmt.Sscan(number, &worker)
	return name, worker, err
}
