package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/config"
)

func TestReadCredentials(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain": "hunter2", "line": "hunter2\n", "lines": "hunter\n2\n\n", "dos": "hunter2\r\n", "binary": "hunter2\x00",
		"large": strings.Repeat("hunter2", 20<<10), "empty": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	c := &config.Config{Name: "shop"}
	c.Workers.Credentials = []string{"binary", "large"}
	c.EnvCredentials = config.EnvCredentials{"A": "plain", "B": "line", "C": "lines", "D": "dos", "E": "empty"}
	env, err := readCredentials(c, dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"A": "hunter2", "B": "hunter2", "C": "hunter\n2\n", "D": "hunter2", "E": ""} {
		if env[name] != want {
			t.Errorf("%s is %q", name, env[name])
		}
	}
	edit := "; run systemctl edit ripd@shop, write LoadCredential=missing:/etc/ripd/secrets/missing below [Service], and restart it"
	for _, tc := range []struct {
		dir, variable, file string // the credential of a variable, or one for the app itself
		foreground          bool
		want                string
	}{
		{dir, "missing", "", false, "env_credentials: the credential missing: it is not there" + edit},
		{dir, "", "missing", false, "workers.credentials: the credential missing: it is not there" + edit},
		{"", "missing", "", false, "env_credentials: the credential missing: CREDENTIALS_DIRECTORY is not set" + edit},
		{"", "missing", "", true, "env_credentials: the credential missing: CREDENTIALS_DIRECTORY is not set; in the foreground, set CREDENTIALS_DIRECTORY to a folder that has a file of this name"},
		{dir, "binary", "", false, "env_credentials: the credential binary: the value of X holds a NUL byte; take it out"},
		{dir, "large", "", false, "env_credentials: the credential large: the value of X has 143360 bytes; with its name, 128KB is the most; put it into a file that the app reads"},
	} {
		c := &config.Config{Name: "shop", Foreground: tc.foreground}
		if tc.variable != "" {
			c.EnvCredentials = config.EnvCredentials{"X": tc.variable}
		} else {
			c.Workers.Credentials = []string{tc.file}
		}
		if env, err := readCredentials(c, tc.dir); err == nil || env != nil || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
}
