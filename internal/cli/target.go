package cli

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"ripd/internal/api"
	"ripd/internal/units"
)

// lookTimeout is how long one app may take to say how it is, when ripctl looks
// for apps.
const lookTimeout = 2 * time.Second

// app is one control socket and what came of asking it.
type app struct {
	door   api.Door
	status api.Status
	err    error // nil: status is its answer
}

// view is all that ripctl can see of this machine.
type view struct {
	running []*app // they answered; by name
	closed  []*app // no permission
	dead    []*app // a socket is there, and nobody listens
	odd     []*app // they answered wrongly, or not in time
	asleep  []*app // systemd listens for them; a call would start them
	looked  []string
	errs    []error // folders that could not be looked at
}

// look asks all control sockets at once, except those at which systemd listens in
// an app's stead: to look at an app must not start it. --socket does ask.
func (s *session) look(ctx context.Context) *view {
	found := s.find()
	return s.ask(ctx, found, s.asleep(ctx, found.Doors))
}

// find gives the control sockets to ask.
func (s *session) find() api.Found {
	if s.socket != "" {
		return api.Found{Doors: []api.Door{{Path: s.socket}}}
	}
	return api.Find(s.env.RuntimeDir, s.env.SystemDir)
}

// ask asks the control sockets that were found, except those of the apps that are
// asleep.
func (s *session) ask(ctx context.Context, found api.Found, asleep map[string]bool) *view {
	v := &view{looked: found.Looked, errs: found.Errors}
	apps := make([]*app, len(found.Doors))
	var wg sync.WaitGroup
	for i, d := range found.Doors {
		apps[i] = &app{door: d}
		if !asleep[d.Name] {
			wg.Go(func() { apps[i].ask(ctx, s.env.Version) })
		}
	}
	wg.Wait()
	for _, a := range apps {
		switch {
		case asleep[a.door.Name]:
			v.asleep = append(v.asleep, a)
		case a.err == nil:
			v.running = append(v.running, a)
		case errors.Is(a.err, api.ErrDenied) || isForbidden(a.err):
			v.closed = append(v.closed, a)
		case errors.Is(a.err, api.ErrNotRunning):
			v.dead = append(v.dead, a)
		default:
			v.odd = append(v.odd, a)
		}
	}
	sort.SliceStable(v.running, func(i, j int) bool { return v.running[i].status.App < v.running[j].status.App })
	return v
}

// asleep tells which of systemd's apps have no process. Without a system bus none
// is known to have none.
func (s *session) asleep(ctx context.Context, doors []api.Door) map[string]bool {
	var names []string
	for _, d := range doors {
		if d.Name != "" && len(names) < units.MaxApps {
			names = append(names, d.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	bus, err := units.Connect(ctx, s.env.Environ)
	if err != nil {
		return nil
	}
	defer bus.Close()
	apps, err := bus.Apps(ctx, names)
	if err != nil {
		return nil
	}
	return withoutProcess(apps)
}

// withoutProcess gives the names of those that have none.
func withoutProcess(apps []units.App) map[string]bool {
	asleep := map[string]bool{}
	for _, a := range apps {
		if a.Service.Active == "inactive" || a.Service.Active == "failed" {
			asleep[a.Name] = true
		}
	}
	return asleep
}

func (a *app) ask(ctx context.Context, version string) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	c := api.NewClient(a.door.Path, version)
	defer c.Close()
	a.status, a.err = c.Status(ctx)
	a.status.Control = a.door.Path // it was reached here, whatever it says
}

func isForbidden(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Code == api.CodeForbidden
}

// pick finds the app that is meant. Without a name it is the one that runs.
func (s *session) pick(ctx context.Context, name string) (*app, error) {
	v := s.look(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var a *app
	var err error
	switch {
	case s.socket != "":
		a, err = v.only(name)
	case name == "":
		a, err = v.single()
	default:
		a, err = v.named(name)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// client picks an app to do something with it: then the versions must fit.
func (s *session) client(ctx context.Context, name string) (*app, *api.Client, error) {
	a, err := s.pick(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	if !api.Compatible(s.env.Version, a.status.Version) {
		return nil, nil, otherVersion(a.status.App, a.status.Version, s.env.Version)
	}
	return a, api.NewClient(a.door.Path, s.env.Version), nil
}

// only gives the app behind --socket.
func (v *view) only(name string) (*app, error) {
	for _, list := range [][]*app{v.closed, v.dead, v.odd} {
		for _, a := range list {
			return nil, a.err
		}
	}
	a := v.running[0]
	if name != "" && a.status.App != name {
		return nil, &problem{exit: ExitNoApp, code: codeNoApp,
			message: fmt.Sprintf("%s is the socket of %s, not of %s", a.door.Path, a.status.App, name),
			next:    "leave the name out, or leave --socket out"}
	}
	return a, nil
}

// single gives the one app that runs.
func (v *view) single() (*app, error) {
	switch {
	case len(v.running) == 1:
		return v.running[0], nil
	case len(v.running) > 1:
		return nil, usagef("say which one", "%d apps run: %s", len(v.running), strings.Join(v.names(), ", "))
	case len(v.closed) > 0:
		return nil, denied(v.closed[0].door.Path, v.closed[0].door.Name)
	case len(v.odd) > 0:
		return nil, v.odd[0].err
	}
	return nil, v.nothing("no app is running")
}

// named gives the app with that name.
func (v *view) named(name string) (*app, error) {
	var hits []*app
	for _, a := range v.running {
		if a.status.App == name {
			hits = append(hits, a)
		}
	}
	if len(hits) == 1 {
		return hits[0], nil
	}
	if len(hits) > 1 {
		return nil, usagef("choose with --socket "+hits[0].door.Path, "%d apps that run are called %s", len(hits), name)
	}
	for _, a := range v.closed {
		if a.calls(name) {
			return nil, denied(a.door.Path, name)
		}
	}
	for _, a := range v.odd {
		if a.calls(name) {
			return nil, a.err
		}
	}
	for _, a := range v.dead {
		if a.calls(name) {
			return nil, &problem{exit: ExitNotRunning, code: codeNotRunning,
				message: fmt.Sprintf("%s is not running: nobody listens on %s", name, a.door.Path), next: v.start(a)}
		}
	}
	for _, a := range v.asleep {
		if a.calls(name) {
			return nil, &problem{exit: ExitNotRunning, code: codeNotRunning,
				message: name + " is not running: systemd listens for it, and starts it at its first connection",
				next:    fmt.Sprintf(`"ripctl start %s" starts it now; "ripctl doctor %s" looks at what may be wrong`, name, name)}
		}
	}
	if len(v.running)+len(v.closed) == 0 {
		return nil, v.nothing(name + " is not running, nor is any other app")
	}
	return nil, v.unknown(name)
}

// calls says whether the app, which did not tell its name, is the one that is
// meant. Sockets of the foreground are called rip_<variant>_<app>.ctl.sock.
func (a *app) calls(name string) bool {
	return a.door.Name == name || a.door.Name == "" && strings.HasSuffix(a.door.Path, "_"+name+".ctl.sock")
}

// unknown is the problem of a name that no app has.
func (v *view) unknown(name string) *problem {
	names := v.names()
	p := &problem{exit: ExitNoApp, code: codeNoApp, message: fmt.Sprintf("there is no app %q; running: %s", name, strings.Join(names, ", "))}
	if near := api.Nearest(name, names); near != "" {
		p.next = fmt.Sprintf("did you mean %q?", near)
	} else {
		p.next = `"ripctl list" shows the apps that run`
	}
	return p
}

// nothing is the problem of finding no app at all.
func (v *view) nothing(message string) *problem {
	p := &problem{exit: ExitNotRunning, code: codeNotRunning, message: message,
		next: fmt.Sprintf(`start one with "ripd FOLDER" or "ripd demo" (looked in %s)`, strings.Join(v.looked, " and "))}
	if len(v.errs) > 0 {
		p.message += "; " + v.errs[0].Error()
		var e *api.Error
		if errors.As(v.errs[0], &e) && e.Hint != "" {
			p.next = e.Hint
		}
	}
	return p
}

// start says how an app whose socket is left over is started again.
func (v *view) start(a *app) string {
	if a.door.Name != "" {
		return fmt.Sprintf("systemctl status ripd@%s says why; systemctl start ripd@%s starts it", a.door.Name, a.door.Name)
	}
	return `start it with "ripd FOLDER"; the socket is left over from a ripd that was killed`
}

// names gives the names of the apps that run, those of others included.
func (v *view) names() []string {
	var names []string
	for _, a := range v.running {
		names = append(names, a.status.App)
	}
	for _, a := range v.closed {
		if a.door.Name != "" {
			names = append(names, a.door.Name)
		}
	}
	return names
}
