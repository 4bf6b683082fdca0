package worker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Variables are what ripd itself tells a worker. The names beside them are
// those of the worker's environment.
type Variables struct {
	App        string // APP_NAME
	ID         int    // WORKER_ID
	Generation int    // RIP_GENERATION
	Variant    string // RIP_VARIANT
	Socket     string // SOCKET_PATH
	Control    string // RIP_CONTROL: the control socket that the worker may use
	Token      string // RIP_TOKEN
	Binary     string // RIP_BINARY: ripd's own program; left out when ""
	Dir        string // PWD
	// Credentials is CREDENTIALS_DIRECTORY; left out when "".
	Credentials string
}

// privateNames are the variables that systemd gives to ripd's process alone
// (systemd.exec(5), sd_notify(3), sd_listen_fds(3)). A worker that believed them would
// take ripd's sockets, answer ripd's watchdog, or read ripd's credentials.
// What speaks of the unit as a whole stays: INVOCATION_ID, under which the
// journal files the worker's lines too, and STATE_DIRECTORY and its like, which
// are the app's as well.
var privateNames = []string{
	"CREDENTIALS_DIRECTORY",
	"FDSTORE",
	"JOURNAL_STREAM", // tells whether stderr is the journal's; the worker's is ripd's
	"MAINPID", "MAINPIDFDID",
	"MANAGERPID", "MANAGERPIDFDID",
	"NOTIFY_SOCKET",
	"OLDPWD",
	"SYSTEMD_EXEC_PID",
	"_", // the shell's note of what it ran: ripd
}

// privatePrefixes are like privateNames, for families of names. The RIP_
// variables are ripd's settings.
var privatePrefixes = []string{"LISTEN_", "RIP_", "WATCHDOG_"}

// Environment makes the complete environment of a worker: base (ripd's own, as
// of os.Environ) without what is meant for ripd alone, then the settings' env
// file, then the settings' env, and last the variables of the protocol. The
// later wins. It is sorted by name.
func Environment(base []string, envFile, env map[string]string, v Variables) []string {
	all := make(map[string]string, len(base)+len(envFile)+len(env)+9)
	for _, entry := range base {
		name, value, ok := strings.Cut(entry, "=")
		if ok && name != "" && !private(name) {
			all[name] = value
		}
	}
	for _, layer := range []map[string]string{envFile, env, v.values()} {
		for name, value := range layer {
			all[name] = value
		}
	}
	list := make([]string, 0, len(all))
	for name, value := range all {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

func private(name string) bool {
	return slices.Contains(privateNames, name) ||
		slices.ContainsFunc(privatePrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

func (v Variables) values() map[string]string {
	values := map[string]string{
		"APP_NAME":       v.App,
		"WORKER_ID":      strconv.Itoa(v.ID),
		"SOCKET_PATH":    v.Socket,
		"RIP_CONTROL":    v.Control,
		"RIP_GENERATION": strconv.Itoa(v.Generation),
		"RIP_TOKEN":      v.Token,
		"RIP_VARIANT":    v.Variant,
		"PWD":            v.Dir,
	}
	if v.Binary != "" {
		values["RIP_BINARY"] = v.Binary
	}
	if v.Credentials != "" {
		values["CREDENTIALS_DIRECTORY"] = v.Credentials
	}
	return values
}

// lookup finds a variable in an environment; the last one of its name counts.
func lookup(env []string, name string) (string, bool) {
	for _, entry := range slices.Backward(env) {
		if len(entry) > len(name) && entry[len(name)] == '=' && entry[:len(name)] == name {
			return entry[len(name)+1:], true
		}
	}
	return "", false
}

// Expand replaces $NAME and ${NAME} in the command's words by the values that
// env has for them. "$$" is a dollar sign, and so is one that no name follows.
// A name that env lacks is an error that tells it. What a value holds is not
// looked at again: it is neither expanded nor split into words.
func Expand(command, env []string) ([]string, error) {
	words := make([]string, len(command))
	for i, word := range command {
		expanded, err := expandWord(word, env)
		if err != nil {
			return nil, fmt.Errorf("%w, in %q of the command", err, word)
		}
		words[i] = expanded
	}
	return words, nil
}

func expandWord(word string, env []string) (string, error) {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(word, "$")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		if strings.HasPrefix(after, "$") {
			out.WriteByte('$')
			word = after[1:]
			continue
		}
		name, rest, err := variableName(after)
		if err != nil {
			return "", err
		}
		word = rest
		if name == "" {
			out.WriteByte('$')
			continue
		}
		value, ok := lookup(env, name)
		if !ok {
			return "", fmt.Errorf("no variable %s in the worker's environment ($$ is a dollar sign)", name)
		}
		out.WriteString(value)
	}
}

// variableName takes the name off the text that follows a dollar sign. There is
// none ("") when something else follows.
func variableName(text string) (name, rest string, err error) {
	braced := strings.HasPrefix(text, "{")
	if braced {
		text = text[1:]
	}
	n := 0
	for n < len(text) && (text[n] == '_' || 'a' <= text[n]|0x20 && text[n]|0x20 <= 'z' || n > 0 && '0' <= text[n] && text[n] <= '9') {
		n++
	}
	name, rest = text[:n], text[n:]
	if !braced {
		return name, rest, nil
	}
	rest, closed := strings.CutPrefix(rest, "}")
	if name == "" || !closed {
		return "", "", fmt.Errorf("${ without a name and a closing brace")
	}
	return name, rest, nil
}
