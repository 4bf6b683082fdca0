package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ripd/internal/api"
	"ripd/internal/units"
)

func (s *session) start() *cobra.Command {
	return &cobra.Command{
		Use: "start [APP]", Short: "Start an app that systemd keeps", GroupID: groupSteer,
		Long: `Start has systemd start an app: its sockets, then ripd. It returns when the first worker
is ready. The app is one that has a file in /etc/ripd.`,
		Example:           "  ripctl start shop",
		Args:              optionalApp,
		ValidArgsFunction: s.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.job(cmd.Context(), appOf(args), func(ctx context.Context, b *units.Bus, a units.App) error {
				if a.State == units.Running {
					return s.told(a.Name + " runs already")
				}
				if err := b.Start(ctx, a.Name); err != nil {
					return s.notStarted(ctx, b, a, err)
				}
				return s.told(a.Name + " runs")
			})
		},
	}
}

func (s *session) enable() *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: "enable [APP]", Short: "Have an app start with the machine", GroupID: groupSteer,
		Long: `Enable has systemd start an app whenever the machine starts. With --now it starts at once, too.
That is for root, or for who systemd takes for an administrator.`,
		Example:           "  ripctl enable shop --now",
		Args:              optionalApp,
		ValidArgsFunction: s.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.job(cmd.Context(), appOf(args), func(ctx context.Context, b *units.Bus, a units.App) error {
				if err := b.Enable(ctx, a); err != nil {
					return err
				}
				if !now || a.State == units.Running {
					return s.told(a.Name + " starts with the machine")
				}
				if err := b.Start(ctx, a.Name); err != nil {
					return s.notStarted(ctx, b, a, err)
				}
				return s.told(a.Name + " runs, and starts with the machine")
			})
		},
	}
	c.Flags().BoolVar(&now, "now", false, "start it, too")
	return c
}

func (s *session) disable() *cobra.Command {
	return &cobra.Command{
		Use: "disable [APP]", Short: "Undo enable", GroupID: groupSteer,
		Long:              "Disable undoes enable: the app does not start with the machine any more. If it runs, it goes on; \"ripctl stop\" ends it.",
		Example:           "  ripctl disable shop",
		Args:              optionalApp,
		ValidArgsFunction: s.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.job(cmd.Context(), appOf(args), func(ctx context.Context, b *units.Bus, a units.App) error {
				if err := b.Disable(ctx, a); err != nil {
					return err
				}
				return s.told(a.Name + " does not start with the machine")
			})
		},
	}
}

// told says what was done.
func (s *session) told(line string) error {
	if s.json {
		return s.printJSON(api.OK{OK: true})
	}
	s.line(line)
	return nil
}

// job has systemd do something with an app that it keeps.
func (s *session) job(ctx context.Context, name string, do func(context.Context, *units.Bus, units.App) error) error {
	if s.socket != "" {
		return usagef("leave --socket out", "systemd knows its apps by name")
	}
	name, err := s.kept(ctx, name)
	if err != nil {
		return err
	}
	asked, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	bus, err := units.Connect(asked, s.env.Environ)
	if err != nil {
		return noBus(err)
	}
	defer bus.Close()
	a, err := bus.App(asked, name)
	if err != nil {
		return noBus(err)
	}
	if a.Service.Load == "not-found" {
		return &problem{exit: ExitFailed, code: api.CodeFailed, message: "systemd has no unit " + a.Service.Name,
			next: "install the package ripd, or put its units into /etc/systemd/system; then: systemctl daemon-reload"}
	}
	switch err := do(ctx, bus, a); {
	case errors.Is(err, units.ErrRefused):
		return &problem{exit: ExitFailed, code: api.CodeForbidden, message: err.Error(),
			next: "call ripctl as root (sudo); members of the group ripctl may start and stop apps"}
	case errors.Is(err, context.Canceled):
		return &problem{exit: ExitFailed, code: codeLeft, message: "no longer watching: systemd goes on",
			next: fmt.Sprintf("\"ripctl list\" shows how %s is", name)}
	default:
		return err
	}
}

func noBus(err error) error {
	return &problem{exit: ExitFailed, code: api.CodeFailed, message: err.Error(),
		next: "is systemd process 1 of this machine, and its bus there? (/run/dbus/system_bus_socket, package dbus)"}
}

// notStarted says why, in the words of ripd where it has said any.
func (s *session) notStarted(ctx context.Context, b *units.Bus, a units.App, err error) error {
	var failed *units.JobError
	if !errors.As(err, &failed) {
		return err
	}
	p := &problem{exit: ExitFailed, code: api.CodeFailed, message: a.Name + " did not start: " + err.Error(),
		next: fmt.Sprintf("\"ripctl logs %s\" shows what it wrote, \"ripctl doctor %s\" looks for the cause", a.Name, a.Name)}
	asked, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	if after, err := b.App(asked, a.Name); err == nil {
		in := s.instance(&after)
		if in.Result != "" && in.Result != "success" {
			p.message += " (" + in.Result + ")"
		}
		if in.Words != "" {
			p.output = strings.Split(in.Words, "\n")
		}
	}
	return p
}

// stopUnits ends an app that systemd keeps. Done is false when there is nobody to
// ask for that.
func (s *session) stopUnits(ctx context.Context, name string) (done bool, err error) {
	asked, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	bus, err := units.Connect(asked, s.env.Environ)
	if err != nil {
		return false, nil
	}
	bus.Close()
	return true, s.job(ctx, name, func(ctx context.Context, b *units.Bus, a units.App) error {
		if a.State == units.Stopped {
			return &problem{exit: ExitNotRunning, code: codeNotRunning, message: name + " is not running", next: fmt.Sprintf("\"ripctl start %s\" starts it", name)}
		}
		s.step(api.Step{Kind: api.StepNote, Message: "systemd stops the sockets and ripd, which finishes what it has"})
		if err := b.Stop(ctx, a); err != nil {
			return err
		}
		verdict := api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindStop}
		if s.json {
			return s.printJSON(api.Line{Verdict: &verdict})
		}
		s.line(doneLine(verdict))
		return nil
	})
}
