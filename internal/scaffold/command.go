package scaffold

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"

	"ripd/internal/config"
)

// Exit codes of `ripd new`, the same as ripd's own.
const (
	exitOK     = 0
	exitFailed = 1 // it could not be written
	exitUsage  = 2 // the command line is wrong
)

const adapterFlag = "--adapter"

// usage is how the command is called.
var usage = "ripd new FOLDER " + adapterFlag + " " + strings.Join(Adapters, "|")

// Main is `ripd new`, with the words and flags that follow it. It tells on out what
// was written and what to type next, and on errOut what is wrong, and gives the exit
// code.
func Main(args []string, out, errOut io.Writer) int {
	folder, adapter, err := parse(args)
	if err != nil {
		fmt.Fprintf(errOut, "ripd new: %v\nripd new: %s\n", err, usage)
		return exitUsage
	}
	names, err := Write(folder, adapter)
	if err != nil {
		fmt.Fprintf(errOut, "ripd new: %v\n", err)
		return exitFailed
	}
	fmt.Fprintf(out, "%s has %s.\nNext: ripd %s, and then, in another terminal, curl http://localhost:%d/\n",
		folder, list(names), word(folder), config.DefaultPort)
	return exitOK
}

// parse reads the command line.
func parse(args []string) (folder, adapter string, err error) {
	for i := 0; i < len(args); i++ {
		name, value, hasSign := strings.Cut(args[i], "=")
		switch {
		case name == adapterFlag && hasSign:
			adapter = value
		case name == adapterFlag && i+1 < len(args):
			i++
			adapter = args[i]
		case name == adapterFlag:
			return "", "", fmt.Errorf("%s: the value is missing", adapterFlag)
		case strings.HasPrefix(name, "-"):
			return "", "", unknownFlag(args[i])
		case folder != "":
			return "", "", fmt.Errorf("%s: one folder is made, and %s was given too", args[i], folder)
		case args[i] == "":
			return "", "", errors.New("the folder's name is empty")
		default:
			folder = args[i]
		}
	}
	switch {
	case folder == "":
		return "", "", errors.New("name the folder to make (a folder that is called new is served by `ripd ./new`)")
	case adapter == "":
		return "", "", fmt.Errorf("name the adapter, as in %s=%s", adapterFlag, Adapters[0])
	}
	if !known(adapter) {
		return "", "", unknownAdapter(adapter)
	}
	return folder, adapter, nil
}

func known(adapter string) bool {
	for _, one := range Adapters {
		if one == adapter {
			return true
		}
	}
	return false
}

func unknownFlag(text string) error {
	name, _, _ := strings.Cut(text, "=")
	if config.Nearest(name, []string{adapterFlag}) != "" {
		return fmt.Errorf("%s: there is no such flag: did you mean %s?", text, adapterFlag)
	}
	return fmt.Errorf("%s: there is no such flag: settings go into the app's %s", text, config.FileName)
}

// list joins names for people.
func list(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./+-]+$`)

// word is the folder as a word of ripd's command line, in a shell.
func word(folder string) string {
	if !strings.ContainsAny(folder, "/.") {
		folder = "." + string(filepath.Separator) + folder // demo, new and w:4 are words of ripd's own
	}
	if plainWord.MatchString(folder) {
		return folder
	}
	return "'" + strings.ReplaceAll(folder, "'", `'\''`) + "'"
}
