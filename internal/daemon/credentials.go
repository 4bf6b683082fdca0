package daemon

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ripd/internal/config"
	"ripd/internal/systemd"
)

// credentialsOf gives the folder of ripd's credentials, "" when it has none.
func credentialsOf(environ []string) string {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, systemd.CredentialsVariable+"="); ok {
			return value
		}
	}
	return ""
}

// readCredentials sees that the credentials are there that workers read
// themselves, and gives the variables whose values are credentials.
func readCredentials(c *config.Config, dir string) (map[string]string, error) {
	for _, name := range c.Workers.Credentials {
		if _, err := systemd.ReadCredential(dir, name); err != nil {
			return nil, explainCredential(c, "workers.credentials", name, err)
		}
	}
	env := make(map[string]string, len(c.EnvCredentials))
	for _, variable := range slices.Sorted(maps.Keys(c.EnvCredentials)) {
		name := c.EnvCredentials[variable]
		content, err := systemd.ReadCredential(dir, name)
		if err != nil {
			return nil, explainCredential(c, "env_credentials", name, err)
		}
		value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r") // an editor's
		if err := config.CheckVariable(variable, value); err != nil {
			return nil, fmt.Errorf("env_credentials: the credential %s: %w", name, err)
		}
		env[variable] = value
	}
	return env, nil
}

// explainCredential adds what to do about a credential that is missing.
func explainCredential(c *config.Config, key, name string, err error) error {
	switch {
	case !errors.Is(err, systemd.ErrNoCredentials) && !errors.Is(err, systemd.ErrNoCredential):
		return fmt.Errorf("%s: %w", key, err)
	case c.Foreground:
		return fmt.Errorf("%s: %w; in the foreground, set %s to a folder that has a file of this name", key, err, systemd.CredentialsVariable)
	}
	return fmt.Errorf("%s: %w; run systemctl edit ripd@%s, write LoadCredential=%s:/etc/ripd/secrets/%s below [Service], and restart it", key, err, c.Name, name, name)
}
