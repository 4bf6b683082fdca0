package adapter

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"ripd/internal/config"
)

//go:embed programs
var embedded embed.FS

// Programs are the adapters' programs as files, for the interpreters to read.
type Programs struct{ dir string }

// Plan is how an app in a language becomes a worker.
type Plan struct {
	// Command is the interpreter and the adapter's program.
	Command []string
	// Env is what the program is told besides the variables of every worker.
	Env map[string]string
	// Files count as the app's besides what workers report: lock files, and files
	// that would be the app's entry if they were there. What is not there counts
	// when it appears.
	Files []string
}

// Write puts the programs into the new folder dir, which only the user may enter.
// Remove takes them away again.
func Write(dir string) (Programs, error) {
	if err := os.RemoveAll(dir); err != nil {
		return Programs{}, fmt.Errorf("the adapters' programs: %w", err)
	}
	err := fs.WalkDir(embedded, "programs", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("programs", name)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(dir, rel), 0o700)
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), text, 0o400)
	})
	if err != nil {
		return Programs{}, fmt.Errorf("the adapters' programs: %w", err)
	}
	return Programs{dir}, nil
}

// Remove takes the programs away.
func (p Programs) Remove() error {
	if p.dir == "" {
		return nil
	}
	return os.RemoveAll(p.dir)
}

// languages says how each adapter's program is run.
var languages = map[string]struct {
	program string // below the programs' folder
	command func(root string) []string
	locks   []string // names of files that fix the versions of libraries
}{
	config.AdapterRack: {"ruby/rack.rb", words("ruby"), []string{"Gemfile", "Gemfile.lock"}},
	config.AdapterWSGI: {"python/wsgi.py", python, pythonLocks},
	config.AdapterASGI: {"python/asgi.py", python, pythonLocks},
	config.AdapterNode: {"javascript/node.mjs", words("node"), nodeLocks},
	config.AdapterBun:  {"javascript/bun.mjs", words("bun", "run"), append([]string{"bun.lock", "bun.lockb", "bunfig.toml", ".env", ".env.local", ".env.development", ".env.production"}, nodeLocks...)},
}

var (
	pythonLocks = []string{"requirements.txt", "Pipfile.lock", "poetry.lock", "uv.lock"}
	nodeLocks   = []string{"package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "tsconfig.json"}
)

func words(command ...string) func(string) []string {
	return func(string) []string { return command }
}

// python is the app's own interpreter when it has a virtual environment, else the
// python3 of the worker's PATH.
func python(root string) []string {
	for _, name := range []string{".venv/bin/python", "venv/bin/python"} {
		path := filepath.Join(root, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return []string{path}
		}
	}
	return []string{"python3"}
}

// ErrNoEntry says that the app's file is not there any more.
var ErrNoEntry = errors.New("there is nothing that the adapter could load")

// Plan finds out how the app is run. app is its path with symbolic links resolved;
// it is looked into anew for each generation.
func (p Programs) Plan(c *config.Config, app string) (Plan, error) {
	in := c.AdapterInUse()
	language, known := languages[in]
	if !known {
		return Plan{}, fmt.Errorf("no program of ripd's loads %s", in)
	}
	entry, ok := config.FindEntry(in, app)
	if !ok {
		return Plan{}, fmt.Errorf("the adapter %s in %s: %w", in, app, ErrNoEntry)
	}
	root := app
	if entry.Path == app {
		root = filepath.Dir(app)
	}
	plan := Plan{
		Command: append(language.command(root), filepath.Join(p.dir, language.program)),
		Env: map[string]string{
			"RIP_ENTRY":       entry.Path,
			"RIP_OBJECT":      c.Object,
			"RIP_ROOT":        root,
			"RIP_CONCURRENCY": strconv.Itoa(c.Workers.Concurrency),
			"RIP_STREAMS":     strconv.Itoa(c.MostStreams()),
			"RIP_RELOAD":      string(c.Reload.Mode),
		},
	}
	if c.Foreground {
		plan.Env["RIP_DEVELOPMENT"] = "1"
	}
	if c.Workers.Serial {
		plan.Env[serialVariable] = "1"
	}
	if in == config.AdapterASGI { // the adapter puts the messages of WebSockets together
		plan.Env["RIP_MESSAGE_BYTES"] = strconv.FormatInt(c.Limits.Body, 10)
	}
	plan.Files = append(plan.Files, entry.Absent...)
	for _, name := range language.locks {
		plan.Files = append(plan.Files, filepath.Join(root, name))
	}
	return plan, nil
}
