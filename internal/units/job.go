package units

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// ErrRefused means that who asked may not do that.
var ErrRefused = errors.New("systemd does not let you")

// JobError is a job that was not done.
type JobError struct {
	Unit string
	// Result is failed, timeout, dependency, canceled, skipped, … (systemctl(1)).
	Result string
}

// Error says which job, and how it ended.
func (e *JobError) Error() string {
	switch e.Result {
	case "dependency":
		return e.Unit + ": a unit that it needs has failed"
	case "timeout":
		return e.Unit + ": it took too long"
	}
	return e.Unit + ": " + e.Result
}

// signals is the room for what systemd tells while a job runs.
const signals = 64

// Start starts an app: its sockets, and its service. It returns when the service
// has said that it is ready.
func (b *Bus) Start(ctx context.Context, app string) error {
	return b.run(ctx, "StartUnit", []string{Service(app)})
}

// Stop stops an app: its sockets first, so that nothing starts it again, then the
// service. It returns when all of them have ended.
func (b *Bus) Stop(ctx context.Context, app App) error {
	var units []string
	for _, s := range app.Sockets {
		units = append(units, s.Name)
	}
	return b.run(ctx, "StopUnit", append(units, app.Service.Name))
}

// run queues a job for each unit, in this order, and waits until all have ended.
func (b *Bus) run(ctx context.Context, method string, units []string) error {
	heard := make(chan *dbus.Signal, signals)
	b.conn.Signal(heard)
	defer b.conn.RemoveSignal(heard)
	match := []dbus.MatchOption{dbus.WithMatchInterface(manager), dbus.WithMatchMember("JobRemoved"), dbus.WithMatchObjectPath(managerPath)}
	if err := b.conn.AddMatchSignalContext(ctx, match...); err != nil {
		return fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	if err := b.manager().CallWithContext(ctx, manager+".Subscribe", 0).Err; err != nil {
		return fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	jobs := map[dbus.ObjectPath]string{}
	for _, unit := range units {
		var job dbus.ObjectPath
		if err := b.ask(ctx, method, unit, "replace").Store(&job); err != nil {
			if method == "StopUnit" && errorName(err) == destination+".NoSuchUnit" {
				continue // it does not run
			}
			return explain(unit, err)
		}
		jobs[job] = unit
	}
	return wait(ctx, heard, jobs)
}

// wait hears of each job's end.
func wait(ctx context.Context, heard <-chan *dbus.Signal, jobs map[dbus.ObjectPath]string) error {
	var failed error
	for len(jobs) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s, open := <-heard:
			if !open || s == nil {
				return fmt.Errorf("%w: the bus has closed the connection", ErrNoBus)
			}
			var id uint32
			var job dbus.ObjectPath
			var unit, result string
			if s.Name != manager+".JobRemoved" || dbus.Store(s.Body, &id, &job, &unit, &result) != nil {
				continue
			}
			if name, ours := jobs[job]; ours {
				delete(jobs, job)
				if result != "done" && failed == nil {
					failed = &JobError{name, result}
				}
			}
		}
	}
	return failed
}

// Enable makes the app start at boot, or at its first connection after it.
func (b *Bus) Enable(ctx context.Context, app App) error {
	return b.files(ctx, "EnableUnitFiles", app, false, true)
}

// Disable undoes Enable. What runs goes on.
func (b *Bus) Disable(ctx context.Context, app App) error {
	return b.files(ctx, "DisableUnitFiles", app, false)
}

func (b *Bus) files(ctx context.Context, method string, app App, flags ...any) error {
	units := []string{app.Service.Name}
	for _, s := range app.Sockets {
		if s.second() && method == "EnableUnitFiles" {
			continue // the clients' socket brings it along
		}
		units = append(units, s.Name)
	}
	if err := b.ask(ctx, method, append([]any{units}, flags...)...).Err; err != nil {
		return explain(app.Service.Name, err)
	}
	// The links are read at the next reload, as after systemctl enable.
	if err := b.ask(ctx, "Reload").Err; err != nil {
		return explain(app.Service.Name, err)
	}
	return nil
}

// ask calls systemd, and lets polkit ask the person at the terminal.
func (b *Bus) ask(ctx context.Context, method string, args ...any) *dbus.Call {
	return b.manager().CallWithContext(ctx, manager+"."+method, dbus.FlagAllowInteractiveAuthorization, args...)
}

func errorName(err error) string {
	var e dbus.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return ""
}

// explain turns systemd's answers into errors of this package.
func explain(unit string, err error) error {
	switch errorName(err) {
	case "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
		return fmt.Errorf("%w: %s: %w", ErrRefused, unit, err)
	}
	return fmt.Errorf("%s: %w", unit, err)
}
