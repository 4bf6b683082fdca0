package daemon

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"ripd/internal/adapter"
	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/proxy"
)

// fixedKeys are the settings that a new start of ripd alone can change: sockets
// and logs are open, and names are in use. A key that ends in a dot stands for
// all that begin so.
var fixedKeys = []string{
	"app", "adapter", "user", "listen.", "log.", "reload.", "variant", "socket_prefix",
}

func fixedKey(key string) bool {
	for _, k := range fixedKeys {
		if key == k || strings.HasSuffix(k, ".") && strings.HasPrefix(key, k) {
			return true
		}
	}
	return false
}

// newRelease resolves the symbolic links and reads the environment file and the
// credentials (in the folder credentials) as they are now.
func newRelease(c *config.Config, programs adapter.Programs, credentials string) (*release, error) {
	r := &release{config: c, app: c.App, dir: c.Workdir}
	var err error
	if c.App != "" {
		if r.app, err = filepath.EvalSymlinks(c.App); err != nil {
			return nil, fmt.Errorf("the app: %w", err)
		}
	}
	if r.dir == "" {
		r.dir, err = os.Getwd()
	} else {
		r.dir, err = filepath.EvalSymlinks(c.Workdir)
	}
	if err != nil {
		return nil, fmt.Errorf("the workers' folder: %w", err)
	}
	if !c.Demo && len(c.Command) == 0 {
		plan, err := programs.Plan(c, r.app)
		if err != nil {
			return nil, err
		}
		r.plan = &plan
	}
	r.env = map[string]string{}
	if c.EnvFile != "" {
		file, err := config.ReadEnvFile(c.EnvFile)
		if err != nil {
			return nil, err
		}
		maps.Copy(r.env, file)
	}
	secrets, err := readCredentials(c, credentials)
	if err != nil {
		return nil, err
	}
	maps.Copy(r.env, secrets)
	maps.Copy(r.env, c.Env)
	if r.plan != nil {
		maps.Copy(r.env, r.plan.Env)
	}
	if c.Demo {
		maps.Copy(r.env, adapter.DemoEnv(c))
	}
	return r, nil
}

// command is the adapter's, or the settings' program and its arguments, with paths inside the app's folder
// as the roll resolved them: a worker that is started again after somebody has
// moved the link still runs the release that it belongs to.
func (r *release) command() []string {
	if r.plan != nil {
		return r.plan.Command
	}
	words := make([]string, len(r.config.Command))
	for i, word := range r.config.Command {
		words[i] = rebase(rebase(word, r.config.Workdir, r.dir), r.config.App, r.app)
	}
	return words
}

// rebase moves a path from one folder to another, if it is in it.
func rebase(path, from, to string) string {
	if from == "" || from == to {
		return path
	}
	if rest, inside := strings.CutPrefix(path, from+"/"); inside {
		return filepath.Join(to, rest)
	}
	if path == from {
		return to
	}
	return path
}

// preparer makes the releases of rolls.
type preparer struct {
	input        config.Input
	programs     adapter.Programs
	groups       groups
	batchProblem error                                 // why workers cannot run by SCHED_BATCH, nil when they can
	papers       func(*config.Config) (*papers, error) // nil, nil without https
}

// prepare makes the release of a roll. A reload reads the settings again; what
// only a new start can change stays as it is, and the notes name it.
func (p preparer) prepare(kind string, old *release) (*release, []string, error) {
	c := old.config
	var notes []string
	var certificates *papers
	var files *proxy.Files
	if kind == api.KindReload {
		next, err := config.Load(p.input)
		if err != nil {
			return nil, nil, fmt.Errorf("the settings stay as they were: %w", err)
		}
		c, notes = merge(c, next)
		if certificates, err = p.papers(c); err != nil {
			return nil, nil, fmt.Errorf("the settings stay as they were: %w", err)
		}
		if files, err = proxy.OpenFiles(c); err != nil {
			return nil, nil, fmt.Errorf("the settings stay as they were: %w", err)
		}
		notes = append(append(notes, p.groups.notes(c)...), batchNotes(c, p.batchProblem)...)
	}
	r, err := newRelease(c, p.programs, credentialsOf(p.input.Environ))
	if err != nil {
		return nil, notes, err
	}
	r.papers, r.files = certificates, files
	return r, notes, nil
}

// merge takes over what can change while ripd runs.
func merge(old, next *config.Config) (*config.Config, []string) {
	var notes []string
	before := map[string]string{}
	for _, s := range old.Explain() {
		before[s.Key] = s.Value
	}
	for _, s := range next.Explain() {
		if v, known := before[s.Key]; known && v != s.Value && fixedKey(s.Key) {
			notes = append(notes, fmt.Sprintf("%s needs a new start of ripd: it stays %s", s.Key, v))
		}
	}
	c := *next
	c.Name, c.Variant, c.SocketPrefix = old.Name, old.Variant, old.SocketPrefix
	c.Foreground, c.Demo, c.App, c.Adapter, c.User = old.Foreground, old.Demo, old.App, old.Adapter, old.User
	c.Listen, c.Log, c.Reload = old.Listen, old.Log, old.Reload
	c.Object = old.Object
	if c.Reload.Mode == config.ModeModule && c.Workers.Preload {
		c.Workers.Preload = false
		notes = append(notes, "workers.preload needs a new start of ripd: it stays false in the reload mode module")
	}
	if old.Detected != "" && c.Detected != "" {
		c.Detected = old.Detected
	}
	return &c, notes
}
