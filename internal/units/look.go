package units

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

// MaxApps bounds the apps that Apps gives.
const MaxApps = 256

// State is how an app is, as far as systemd knows.
type State string

// The states.
const (
	Running  State = "running"  // the service runs
	Starting State = "starting" // it has not said yet that it is ready
	Stopping State = "stopping" // it finishes what it has
	Waiting  State = "waiting"  // systemd listens, and starts it at the first connection
	Stopped  State = "stopped"  // nobody listens
	Failed   State = "failed"   // the service or a socket has failed
)

// App is one instance of ripd's units.
type App struct {
	Name    string
	State   State
	Since   time.Time // of the state; zero: systemd does not say
	Service Unit
	Sockets []Socket // those that exist
}

// Unit is what systemd says of a unit.
type Unit struct {
	Name, Load, Active, Sub string // as systemctl shows them
	Enabled                 string // enabled, disabled, static, …
	Result                  string // success, or how it has failed
	Since                   time.Time
	// NeedReload: files have changed since systemd has read them.
	NeedReload bool
	// Fragment is the unit's file, DropIns are those beside it.
	Fragment string
	DropIns  []string
	// PID, Memory (bytes; 0: not known), Status (the service's own words), User, Environment,
	// the descriptors' limit, and the rate limit of the journal are of services.
	PID          int
	Memory       uint64
	Status, User string
	Environment  []string
	Descriptors  uint64
	LogInterval  time.Duration
	LogBurst     uint32
	// Restarts is how often systemd has started the service again by itself since it was
	// started by somebody. Group is its control group, "" while it does not run.
	Restarts uint32
	Group    string
	Sandbox  Sandbox
}

// Sandbox is what a service sees of the file system (systemd.exec(5)).
type Sandbox struct {
	// Home is ProtectHome=: no, yes, read-only or tmpfs. PrivateTmp hides /tmp and /var/tmp.
	Home       string
	PrivateTmp bool
	// System is ProtectSystem=: no, yes, full or strict.
	System string
	// Inaccessible are hidden, Writable are writable, and Bound are there, whatever
	// else is said.
	Inaccessible, Writable, Bound []string
}

// Socket is a socket unit.
type Socket struct {
	Unit
	// Listen are its addresses as systemd shows them: "[::]:80", "/run/x.sock".
	Listen  []string
	Backlog uint32
}

// Control tells whether it is the operators' socket.
func (s *Socket) Control() bool { return strings.HasPrefix(s.Name, "ripd-control@") }

// second tells whether it is one that the clients' socket brings along where the file
// asks for it: that of clients that speak TLS, or that of the metrics.
func (s *Socket) second() bool {
	return strings.HasPrefix(s.Name, "ripd-https@") || strings.HasPrefix(s.Name, "ripd-metrics@")
}

// wanted tells whether an app has a second socket: each could, since its template is
// there. The generator or an administrator has written of it, or it is in use.
func wanted(s *Socket, p map[string]dbus.Variant) bool {
	return s.Active != "inactive" || strings.HasPrefix(s.Enabled, "enabled") || len(get[[]string](p, "DropInPaths")) > 0
}

// Names gives the apps that systemd has units of in memory, by name.
func (b *Bus) Names(ctx context.Context) ([]string, error) {
	var units []struct {
		Name, Description, Load, Active, Sub, Followed string
		Path                                           dbus.ObjectPath
		Job                                            uint32
		JobType                                        string
		JobPath                                        dbus.ObjectPath
	}
	patterns := []string{"ripd@*.service", "ripd@*.socket", "ripd-*@*.socket"}
	err := b.manager().CallWithContext(ctx, manager+".ListUnitsByPatterns", 0, []string{}, patterns).Store(&units)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	names := map[string]bool{}
	for _, u := range units {
		if name := AppOf(u.Name); name != "" && len(names) < MaxApps {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Apps describes the apps with these names, in their order.
func (b *Bus) Apps(ctx context.Context, names []string) ([]App, error) {
	apps := make([]App, min(len(names), MaxApps))
	errs := make([]error, len(apps))
	var wg sync.WaitGroup
	for i := range apps {
		wg.Go(func() { apps[i], errs[i] = b.App(ctx, names[i]) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return apps, nil
}

// App describes one app. Of an app that systemd knows nothing of, it says that
// it is stopped.
func (b *Bus) App(ctx context.Context, name string) (App, error) {
	app := App{Name: name}
	p, err := b.properties(ctx, Service(name), "Service")
	if err != nil {
		return app, err
	}
	app.Service = unitOf(Service(name), p)
	s := &app.Service
	s.PID, s.Memory = int(get[uint32](p, "MainPID")), get[uint64](p, "MemoryCurrent")
	if s.Memory == ^uint64(0) {
		s.Memory = 0 // not accounted for
	}
	s.Status, s.User = get[string](p, "StatusText"), get[string](p, "User")
	s.Environment, s.Descriptors = get[[]string](p, "Environment"), get[uint64](p, "LimitNOFILE")
	s.LogInterval = time.Duration(min(get[uint64](p, "LogRateLimitIntervalUSec"), 1<<40)) * time.Microsecond
	s.LogBurst = get[uint32](p, "LogRateLimitBurst")
	s.Restarts, s.Group = get[uint32](p, "NRestarts"), get[string](p, "ControlGroup")
	s.Sandbox = sandboxOf(p)
	for _, unit := range Sockets(name) {
		p, err := b.properties(ctx, unit, "Socket")
		if err != nil {
			return app, err
		}
		socket := Socket{Unit: unitOf(unit, p), Backlog: get[uint32](p, "Backlog")}
		if socket.Load == "not-found" || socket.second() && !wanted(&socket, p) {
			continue
		}
		for _, pair := range get[[][]any](p, "Listen") {
			if len(pair) == 2 {
				socket.Listen = append(socket.Listen, fmt.Sprint(pair[1]))
			}
		}
		app.Sockets = append(app.Sockets, socket)
	}
	app.judge()
	return app, nil
}

// judge makes one state of those of the units.
func (a *App) judge() {
	a.State, a.Since = Stopped, a.Service.Since
	switch a.Service.Active {
	case "active", "reloading", "refreshing":
		a.State = Running
		return
	case "activating":
		a.State = Starting
		return
	case "deactivating":
		a.State = Stopping
		return
	case "failed":
		a.State = Failed
	}
	for _, s := range a.Sockets {
		switch {
		case s.Control():
		case s.Active == "failed":
			a.State, a.Since = Failed, s.Since
			return
		case s.Active == "active":
			if a.State == Stopped {
				a.State, a.Since = Waiting, s.Since
			}
		}
	}
}

// properties gives what systemd says of a unit, also of one that is not in its memory.
func (b *Bus) properties(ctx context.Context, unit, kind string) (map[string]dbus.Variant, error) {
	object := b.conn.Object(destination, objectPath(unit))
	all := map[string]dbus.Variant{}
	for _, iface := range []string{"Unit", kind} {
		var p map[string]dbus.Variant
		err := object.CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, destination+"."+iface).Store(&p)
		if err != nil {
			return nil, fmt.Errorf("%w about %s: %w", ErrNoBus, unit, err)
		}
		maps.Copy(all, p)
	}
	return all, nil
}

func unitOf(name string, p map[string]dbus.Variant) Unit {
	u := Unit{
		Name: name, Load: get[string](p, "LoadState"), Active: get[string](p, "ActiveState"), Sub: get[string](p, "SubState"),
		Enabled: get[string](p, "UnitFileState"), Result: get[string](p, "Result"), NeedReload: get[bool](p, "NeedDaemonReload"),
		Fragment: get[string](p, "FragmentPath"), DropIns: get[[]string](p, "DropInPaths"),
	}
	if µs := get[uint64](p, "StateChangeTimestamp"); µs > 0 && µs < 1<<62 {
		u.Since = time.UnixMicro(int64(µs))
	}
	return u
}

func sandboxOf(p map[string]dbus.Variant) Sandbox {
	s := Sandbox{
		Home: get[string](p, "ProtectHome"), PrivateTmp: get[bool](p, "PrivateTmp"), System: get[string](p, "ProtectSystem"),
		Inaccessible: get[[]string](p, "InaccessiblePaths"), Writable: get[[]string](p, "ReadWritePaths"),
	}
	for _, kind := range []string{"BindPaths", "BindReadOnlyPaths"} {
		for _, bind := range get[[][]any](p, kind) {
			if len(bind) > 1 {
				s.Bound = append(s.Bound, fmt.Sprint(bind[1]))
			}
		}
	}
	return s
}

// get gives a property; the zero value when it is not there or of another type.
func get[T any](p map[string]dbus.Variant, name string) (value T) {
	if v, ok := p[name]; ok {
		value, _ = v.Value().(T)
	}
	return value
}
