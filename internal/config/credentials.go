package config

import (
	"maps"
	"slices"
	"strings"
)

// MaxCredentialNameBytes is the length of a credential's name, which is that of a
// file (NAME_MAX).
const MaxCredentialNameBytes = 255

// EnvCredentials names the credential that a variable's value is taken from.
type EnvCredentials map[string]string

// CheckVariable tells what is wrong with a variable that is to be given to workers,
// nil if nothing is. The error does not repeat the value.
func CheckVariable(name, value string) error {
	if f := checkVariable(name, value); f != nil {
		return &Error{Problem: f.problem, Hint: f.hint}
	}
	return nil
}

// parseCredential takes the names that systemd takes, and that need no quotes
// anywhere.
func parseCredential(name string) (string, error) {
	switch {
	case name == "":
		return "", hinted("as in \"database-url\"", "the name is empty")
	case len(name) > MaxCredentialNameBytes:
		return "", hinted("choose a shorter one", "a credential's name has at most 255 bytes")
	case strings.HasPrefix(name, "."), strings.IndexFunc(name, func(r rune) bool { return r >= 0x80 || !validNameByte(byte(r)) }) >= 0:
		return "", hinted("it is the one in LoadCredential=, and not a path", "a credential's name has letters, digits, '-', '_' and '.', and no dot first")
	}
	return name, nil
}

func parseCredentials(r raw) ([]string, *fault) {
	names, f := parseList(r, commaList, "a list of credentials' names", parseCredential)
	if len(names) == 0 {
		return nil, f // as without the setting
	}
	return names, f
}

// parseEnvCredentials reads the table env_credentials.
func parseEnvCredentials(r raw) (EnvCredentials, *fault) {
	names, f := parseEnv(r)
	if f != nil {
		return nil, f
	}
	for i, n := range r.names {
		if _, err := parseCredential(r.list[i].text); err != nil {
			f := faultf("%s: %s: %v", n.text, quote(shorten(r.list[i].text)), err).located(r.list[i].offset)
			f.hint = hintOf(err)
			return nil, f
		}
	}
	return names, nil
}

// format writes the table as the file has it.
func (c EnvCredentials) format() string {
	if len(c) == 0 {
		return "{}"
	}
	pairs := slices.Sorted(maps.Keys(c))
	for i, name := range pairs {
		pairs[i] = name + " = " + quote(c[name])
	}
	return "{ " + strings.Join(pairs, ", ") + " }"
}

// finishCredentials refuses a variable that has two values.
func (l *loader) finishCredentials() {
	c := l.cfg
	for _, name := range slices.Sorted(maps.Keys(c.EnvCredentials)) {
		if _, twice := c.Env[name]; twice && !l.failed("env", "env_credentials") {
			l.failKey("env_credentials", faultf("%s is in env too", name).hinted("take one of the two out"))
		}
	}
}
