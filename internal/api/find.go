package api

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// MaxSockets is how many control sockets of one folder Find gives.
const MaxSockets = 256

// Door is a control socket that was found. Whether somebody listens there, only a call
// can tell.
type Door struct {
	Path string // of the socket
	Name string // the app's name as the file's name has it; empty for sockets of the foreground, whose name is in their status
}

// Found is what Find saw.
type Found struct {
	Doors  []Door   // by path
	Looked []string // the folders that were looked at, whether they exist or not
	Errors []error  // folders that could not be read or are not safe to use
}

// Sockets finds the control sockets that the user with this environment may
// want: those of apps that this user runs in the foreground, and the operators'
// sockets of systemd's units.
func Sockets(environ []string) Found { return Find(RuntimeDir(environ), SystemDir) }

// Find finds the control sockets in a runtime directory (*.ctl.sock) and in
// systemd's folder (*.control.sock). A runtime directory that others can write
// to is not looked at: a socket in it could be anybody's.
func Find(runtimeDir, systemDir string) Found {
	var f Found
	f.look(runtimeDir, controlSuffix, CheckDir)
	f.look(systemDir, systemControlSuffix, func(dir string) error { return nil })
	sort.Slice(f.Doors, func(i, j int) bool { return f.Doors[i].Path < f.Doors[j].Path })
	return f
}

// look adds the sockets in dir whose names end in suffix.
func (f *Found) look(dir, suffix string, check func(string) error) {
	if dir == "" {
		return
	}
	f.Looked = append(f.Looked, dir)
	err := check(dir)
	var entries []fs.DirEntry
	if err == nil {
		entries, err = os.ReadDir(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		f.Errors = append(f.Errors, fmt.Errorf("look for apps in %s: %w", dir, err))
		return
	}
	n := 0
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || name == "" || e.Type() != fs.ModeSocket {
			continue
		}
		if n++; n > MaxSockets {
			f.Errors = append(f.Errors, fmt.Errorf("%s has more than %d control sockets; the rest was not looked at", dir, MaxSockets))
			return
		}
		d := Door{Path: filepath.Join(dir, e.Name())}
		if suffix == systemControlSuffix {
			d.Name = name
		}
		f.Doors = append(f.Doors, d)
	}
}
