// Package scaffold is `ripd new`: it writes the smallest good app for an adapter
// into a new folder, with its ripd.toml and a short README.md.
//
// The apps are in the folder templates, one for each adapter, as they are written;
// only the name in README.md is put in. None of them needs a package beyond its
// language, but Rack.
package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ripd/internal/config"
)

//go:embed templates
var templates embed.FS

// Adapters are those for which there is an app, in the order of the documentation.
var Adapters = []string{
	config.AdapterRack, config.AdapterNode, config.AdapterBun, config.AdapterWSGI, config.AdapterASGI, config.AdapterExec,
}

// synonyms are names that people try, which are like that of no adapter.
var synonyms = map[string]string{
	"ruby": config.AdapterRack, "sinatra": config.AdapterRack, "rails": config.AdapterRack, "roda": config.AdapterRack,
	"javascript": config.AdapterNode, "js": config.AdapterNode, "nodejs": config.AdapterNode, "hono": config.AdapterNode, "express": config.AdapterNode,
	"typescript": config.AdapterBun, "ts": config.AdapterBun,
	"python": config.AdapterWSGI, "flask": config.AdapterWSGI, "django": config.AdapterWSGI,
	"fastapi": config.AdapterASGI, "starlette": config.AdapterASGI,
	"command": config.AdapterExec, "program": config.AdapterExec, "shell": config.AdapterExec, "go": config.AdapterExec,
}

// placeholder stands for the folder's name in the templates' README.md.
const placeholder = "NAME"

// unknownAdapter is the error of a name that no app is written for.
func unknownAdapter(name string) error {
	near := synonyms[strings.ToLower(name)]
	if near == "" {
		near = config.Nearest(name, Adapters)
	}
	if near == "" {
		return fmt.Errorf("there is no adapter %q: it is one of %s", name, strings.Join(Adapters, ", "))
	}
	return fmt.Errorf("there is no adapter %q: did you mean %s?", name, near)
}

// Write makes the app for the adapter in the folder, which is new or empty, and
// returns the names of its files in the order in which they were written. The folder's parent has to be there. On
// an error nothing is left of it.
func Write(folder, adapter string) ([]string, error) {
	from, err := fs.Sub(templates, "templates/"+adapter)
	if err != nil {
		return nil, unknownAdapter(adapter)
	}
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return nil, unknownAdapter(adapter)
	}
	made, err := openFolder(folder)
	if err != nil {
		return nil, err
	}
	name, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		text, err := fs.ReadFile(from, entry.Name())
		if err == nil {
			err = writeFile(filepath.Join(folder, entry.Name()), adapt(entry.Name(), string(text), filepath.Base(name)))
		}
		if err != nil {
			return nil, errors.Join(err, takeBack(folder, names, made))
		}
		names = append(names, entry.Name())
	}
	return names, nil
}

// adapt puts the app's name into its README.md.
func adapt(file, text, name string) string {
	if file != "README.md" {
		return text
	}
	return strings.Replace(text, placeholder, name, 1)
}

// openFolder makes the folder, or sees that it is an empty one. made tells which.
func openFolder(folder string) (made bool, err error) {
	switch err := os.Mkdir(folder, 0o755); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("%s: the folder %s is not there: make it first", folder, filepath.Dir(folder))
	case !errors.Is(err, fs.ErrExist):
		return false, err
	}
	entries, err := os.ReadDir(folder)
	switch {
	case err != nil:
		if info, statErr := os.Stat(folder); statErr == nil && !info.IsDir() {
			return false, fmt.Errorf("%s is there, and is no folder: name another", folder)
		}
		return false, err
	case len(entries) > 0:
		return false, fmt.Errorf("%s is not empty, it has %s: name a new folder", folder, entries[0].Name())
	}
	return false, nil
}

// writeFile writes a file that is not there yet. A file with #! can be executed.
func writeFile(path, text string) error {
	mode := fs.FileMode(0o644)
	if strings.HasPrefix(text, "#!") {
		mode = 0o755
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// takeBack removes what was written, and the folder if it is new.
func takeBack(folder string, names []string, made bool) error {
	var errs []error
	for _, name := range names {
		errs = append(errs, os.Remove(filepath.Join(folder, name)))
	}
	if made {
		errs = append(errs, os.Remove(folder))
	}
	return errors.Join(errs...)
}
