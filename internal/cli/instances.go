package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"ripd/internal/api"
	"ripd/internal/units"
)

// busTimeout bounds what systemd may take to say how the apps are.
const busTimeout = 2 * time.Second

// Instance is an app that systemd keeps, as "list --json" prints it.
type Instance struct {
	App     string      `json:"app"`
	Unit    string      `json:"unit"`            // its service
	State   units.State `json:"state"`           // running, starting, stopping, waiting, stopped or failed
	Since   time.Time   `json:"since,omitzero"`  // of the state
	Result  string      `json:"result"`          // success, or how it has failed
	Enabled bool        `json:"enabled"`         // it starts with the machine
	File    string      `json:"file,omitempty"`  // its settings; absent: there is no such file
	Listen  []string    `json:"listen"`          // addresses of the clients' sockets
	PID     int         `json:"pid,omitempty"`   // of ripd
	Memory  uint64      `json:"memoryBytes"`     // of ripd and all workers; 0: not known
	Words   string      `json:"words,omitempty"` // what ripd last said of itself to systemd
}

// files gives the apps that have a file in the folder of settings, by name.
func (s *session) files() []string {
	paths, _ := filepath.Glob(filepath.Join(s.env.ConfigDir, "*.toml")) // the pattern is good
	var names []string
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".toml")
		if units.AppOf(units.Service(name)) == name && len(names) < units.MaxApps {
			names = append(names, name)
		}
	}
	return names
}

// file is the path of an app's settings, whether it is there or not.
func (s *session) file(name string) string { return filepath.Join(s.env.ConfigDir, name+".toml") }

// instances asks systemd about all apps that it keeps, running or not. Without a
// system bus it knows of those that have a file, and nothing more: then the error
// is units.ErrNoBus.
func (s *session) instances(ctx context.Context) ([]units.App, error) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	names := s.files()
	bus, err := units.Connect(ctx, s.env.Environ)
	if err != nil {
		return nil, err
	}
	defer bus.Close()
	loaded, err := bus.Names(ctx)
	if err != nil {
		return nil, err
	}
	names = append(names, loaded...)
	sort.Strings(names)
	apps, err := bus.Apps(ctx, slices.Compact(names))
	if err != nil {
		return nil, err
	}
	// A unit that systemd remembers, of an app that is gone, says nothing.
	return slices.DeleteFunc(apps, func(a units.App) bool {
		_, err := os.Stat(s.file(a.Name))
		return a.State == units.Stopped && errors.Is(err, os.ErrNotExist)
	}), nil
}

func (s *session) instance(a *units.App) Instance {
	in := Instance{
		App: a.Name, Unit: a.Service.Name, State: a.State, Since: a.Since, Result: a.Service.Result,
		Enabled: a.Service.Enabled == "enabled" || a.Service.Enabled == "enabled-runtime",
		Listen:  []string{}, PID: a.Service.PID, Memory: a.Service.Memory, Words: a.Service.Status,
	}
	if _, err := os.Stat(s.file(a.Name)); err == nil {
		in.File = s.file(a.Name)
	}
	for _, socket := range a.Sockets {
		if socket.Control() {
			continue
		}
		if socket.Active == "failed" && in.Result == "success" {
			in.Result = socket.Result
		}
		in.Listen = append(in.Listen, socket.Listen...)
	}
	return in
}

// ripd's status line for systemd: "4 workers ready, 1 busy, queue 0/512, 1,240 req/s".
var (
	readyWords = regexp.MustCompile(`\b([0-9]+) workers? ready\b`)
	rateWords  = regexp.MustCompile(`(?:^|[ ,])([0-9.,]+) req/s`)
)

// spoken finds the workers and the requests a second in what ripd says of itself to
// systemd, which everybody may read; "" where it does not say.
func spoken(words string) (workers, rate string) {
	if m := readyWords.FindStringSubmatch(words); m != nil {
		workers = m[1]
	}
	if m := rateWords.FindStringSubmatch(words); m != nil {
		rate = strings.Trim(m[1], ",")
	}
	return workers, rate
}

// machineView is all apps of the machine, those of the foreground and systemd's.
type machineView struct {
	*view
	instances []units.App
	busErr    error
}

// lookAround asks systemd, and then the control sockets of those apps that run.
func (s *session) lookAround(ctx context.Context) *machineView {
	m := &machineView{}
	if s.socket == "" {
		m.instances, m.busErr = s.instances(ctx)
	}
	m.view = s.ask(ctx, s.find(), withoutProcess(m.instances))
	return m
}

// instancesNow gives the apps that systemd keeps, with a word about each.
func (s *session) instancesNow() []string {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	apps, err := s.instances(ctx)
	if err != nil {
		return s.files()
	}
	var names []string
	for _, a := range apps {
		names = append(names, a.Name+"\t"+string(a.State))
	}
	return names
}

// stateOf is a state for people.
func stateOf(in *Instance) string {
	if in.State == units.Failed && in.Result != "" && in.Result != "success" {
		return "failed (" + in.Result + ")"
	}
	return string(in.State)
}

// unknownInstance is the problem of a name that has no file.
func (s *session) unknownInstance(name string) *problem {
	known := s.files()
	p := &problem{exit: ExitNoApp, code: codeNoApp, message: fmt.Sprintf("systemd keeps no app %q: there is no file %s", name, s.file(name))}
	switch near := api.Nearest(name, known); {
	case near != "":
		p.next = fmt.Sprintf("did you mean %q?", near)
	case len(known) > 0:
		p.next = "there are " + strings.Join(known, ", ")
	default:
		p.next = "write the file; an example is in /usr/share/doc/ripd/examples"
	}
	return p
}

// memoryCell is a size, or nothing when it is not known.
func memoryCell(n uint64) string {
	if n == 0 {
		return ""
	}
	return size(n)
}
