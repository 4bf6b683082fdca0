package config

import (
	"slices"
	"strings"

	"ripd/internal/spelling"
)

// variablePrefix begins the names of all variables that ripd reads or sets.
const variablePrefix = "RIP_"

// workerVariables are the RIP_* variables that ripd sets for its workers. They
// are no settings: a ripd that is started by a worker finds them, and passes
// over them. (RIP_VARIANT is both.)
var workerVariables = []string{"RIP_CONTROL", "RIP_GENERATION", "RIP_TOKEN", "RIP_BINARY"}

// ownedVariables are the other variables that ripd sets for its workers, or
// takes out of their environment; ownedPrefixes begin the names of more.
var (
	ownedVariables = []string{"WORKER_ID", "APP_NAME", "SOCKET_PATH", "NOTIFY_SOCKET", "MAINPID", "FDSTORE"}
	ownedPrefixes  = []string{variablePrefix, "LISTEN_FD", "LISTEN_PID", "WATCHDOG_"}
)

// OwnedVariable tells whether a variable belongs to ripd: it sets the variable
// for its workers, or keeps it from them, so that nobody else may set it.
func OwnedVariable(name string) bool {
	if slices.Contains(ownedVariables, name) {
		return true
	}
	return slices.ContainsFunc(ownedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// checkVariable tells what is wrong with a variable for the workers, nil if nothing is.
func checkVariable(name, value string) *fault {
	switch {
	case !validVariable(name):
		return faultf("%s is not a variable's name", quote(shorten(name))).
			hinted("letters, digits and _ are possible, and no digit first")
	case OwnedVariable(name):
		return faultf("%s belongs to ripd, which sets it for each worker or keeps it from them", name).
			hinted("choose another name")
	case strings.IndexByte(value, 0) >= 0:
		return faultf("the value of %s holds a NUL byte", name).hinted("take it out")
	case int64(len(name)+len(value))+2 > MaxStringBytes: // with "=" and NUL, execve(2)
		return faultf("the value of %s has %d bytes; with its name, %s is the most", name, len(value), FormatSize(MaxStringBytes)).
			hinted("put it into a file that the app reads")
	}
	return nil
}

func validVariable(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// parseEnv reads the table env.
func parseEnv(r raw) (map[string]string, *fault) {
	if r.form != formTable {
		return nil, faultf("found %s, wanted a table of strings", r.describe())
	}
	if len(r.names) > MaxEnv {
		return nil, faultf("has %d variables; %d is the most", len(r.names), MaxEnv)
	}
	env := make(map[string]string, len(r.names))
	for i, n := range r.names {
		v := r.list[i]
		if v.form != formString {
			f := faultf("%s: found %s, wanted a string", n.text, v.describe()).located(v.offset)
			if v.text != "" {
				f.hinted("write %s = %s", n.text, quote(shorten(v.text)))
			}
			return nil, f
		}
		if f := checkVariable(n.text, v.text); f != nil {
			return nil, f.located(n.offset)
		}
		env[n.text] = v.text
	}
	if len(env) == 0 {
		return nil, nil
	}
	return env, nil
}

// readEnviron applies the RIP_* variables. One that is empty counts as not set.
func (l *loader) readEnviron() {
	values := map[string]string{}
	var names []string
	for _, e := range l.in.Environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, variablePrefix) || value == "" || slices.Contains(workerVariables, name) {
			continue
		}
		if _, again := values[name]; !again {
			names = append(names, name)
		}
		values[name] = value
	}
	var known []string
	for i := range settings {
		s := &settings[i]
		v := s.variable()
		if v == "" {
			continue
		}
		known = append(known, v)
		if value, ok := values[v]; ok && s.key != "app" { // the target was found already
			l.set(s, raw{form: formWord, text: value, offset: -1}, place{origin: v, sample: sampleVariable(s)}, l.dir)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		if !slices.Contains(known, n) {
			l.fail(place{origin: n}, "", unknownVariable(n, known))
		}
	}
}

func unknownVariable(name string, known []string) *fault {
	f := faultf("there is no such setting").hinted("names that begin with RIP_ are ripd's; take it out")
	if strings.HasPrefix(name, "RIP_ENV") && spelling.Distance(name, "RIP_ENV_FILE") > 1 {
		return f.hinted("set the app's variable itself: workers inherit ripd's environment")
	}
	if near := nearest(name, known); near != "" {
		return f.hinted("did you mean %s?", near)
	}
	for _, k := range known {
		if i := strings.LastIndexByte(k, '_'); name == variablePrefix+k[i+1:] {
			return f.hinted("did you mean %s?", k)
		}
	}
	return f
}

// sampleVariable shows how a setting is written as a variable.
func sampleVariable(s *setting) string { return s.variable() + "=" + plain(s.good()) }
