package config

import (
	"strings"
	"testing"
)

// Credentials are written in one place or in several, as env is, and their names
// are shown.
func TestCredentials(t *testing.T) {
	for name, text := range map[string]string{
		"inline":  "env_credentials = { B = \"b.key\", A = \"a-1\" }\n",
		"dotted":  "env_credentials.A = \"a-1\"\nenv_credentials.B = \"b.key\"\n",
		"a table": "[env_credentials]\nA = \"a-1\"\nB = \"b.key\"\n",
	} {
		c := mustLoad(t, Input{Args: []string{fileFor(t, "command = [\"true\"]\n"+text)}})
		if len(c.EnvCredentials) != 2 || c.EnvCredentials["A"] != "a-1" || c.EnvCredentials["B"] != "b.key" {
			t.Errorf("%s: %v", name, c.EnvCredentials)
		}
		if text := c.Summary(); !strings.Contains(text, `{ A = "a-1", B = "b.key" }`) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	_, err := load(t, Input{Args: []string{fileFor(t, "command = [\"true\"]\nenv = { A = \"1\" }\nenv_credentials = { A = \"a\" }\n")}})
	if err == nil || !strings.Contains(err.Error(), "ripd.toml:3:1: env_credentials: A is in env too; take one of the two out") {
		t.Errorf("twice: %v", err)
	}
	c := mustLoad(t, Input{Args: []string{fileFor(t, `command = ["true"]`)}, Environ: []string{"RIP_WORKERS_CREDENTIALS=a,b"}})
	if got := strings.Join(c.Workers.Credentials, " "); got != "a b" {
		t.Errorf("%q", got)
	}
}

// Programs of ripd's own open their sockets themselves.
func TestActivationIsForCommands(t *testing.T) {
	for _, args := range [][]string{{"demo"}, {fileFor(t, "app = \"config.ru\"\n")}} {
		if args[0] != "demo" {
			write(t, args[0], "../config.ru", "run App\n")
		}
		_, err := load(t, Input{Args: args, Environ: []string{"RIP_WORKERS_ACTIVATION=true"}})
		if err == nil || len(Problems(err)) != 1 || !strings.Contains(err.Error(), "opens its socket itself; take it out") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestCheckVariable(t *testing.T) {
	if err := CheckVariable("A", "x\ny"); err != nil {
		t.Error(err)
	}
	for _, value := range []string{"secret\x00", "secret" + strings.Repeat("x", int(MaxStringBytes))} {
		if err := CheckVariable("A", value); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}
