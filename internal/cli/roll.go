package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

// roll makes the commands restart and reload, which do the same: reload is the
// word of service managers.
func (s *session) roll(kind string) *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use: kind + " [APP]", GroupID: groupSteer,
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			if !wait {
				return s.begin(cmd.Context(), a, c, kind)
			}
			call := c.Restart
			if kind == api.KindReload {
				call = c.Reload
			}
			return s.watch(cmd.Context(), a, "the roll of "+a.status.App, call)
		},
	}
	c.Flags().BoolVar(&wait, "wait", true, "wait for the verdict")
	if kind == api.KindReload {
		c.Short = "The same as restart, in the words of systemd"
		c.Long = "Reload does what restart does: see \"ripctl help restart\"."
		return c
	}
	c.Short = "Replace the workers, without losing a request"
	c.Long = `Restart replaces the workers of an app by new ones, one after the other. The first new
worker must become ready before an old one goes. When the new code does not start, the old
workers stay, ripctl shows what the app said, and exits with 5.

Restart waits for the verdict. Ctrl-C ends the waiting, not the roll; with --wait=false, restart returns as soon as the roll has begun.`
	c.Example = "  ripctl restart shop\n  ripctl restart shop && echo live"
	return c
}

// begin starts a roll and does not wait for it.
func (s *session) begin(ctx context.Context, a *app, c *api.Client, kind string) error {
	path := api.PathRestart
	if kind == api.KindReload {
		path = api.PathReload
	}
	if err := c.Begin(ctx, path); err != nil {
		return err
	}
	if s.json {
		return s.printJSON(api.OK{OK: true})
	}
	s.line(fmt.Sprintf("the roll of %s goes on; \"ripctl status %s\" shows how far it is", a.status.App, a.status.App))
	return nil
}

// watch makes a long call, prints its steps and ends with its verdict. What
// names the operation: "the roll of shop".
func (s *session) watch(ctx context.Context, a *app, what string, call func(context.Context, func(api.Step)) (api.Verdict, error)) error {
	verdict, err := call(ctx, s.step)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return &problem{exit: ExitFailed, code: codeLeft, message: "no longer watching: " + what + " goes on",
			next: fmt.Sprintf("\"ripctl status %s\" shows how far it is", a.status.App)}
	}
	if err != nil {
		return err
	}
	if s.json {
		if err := s.printJSON(api.Line{Verdict: &verdict}); err != nil {
			return err
		}
	}
	if !verdict.OK {
		return refused(a.status.App, what, verdict)
	}
	if !s.json {
		s.line(doneLine(verdict))
	}
	return nil
}

// step prints one step.
func (s *session) step(st api.Step) {
	if s.json {
		s.printJSON(api.Line{Step: &st}) // a broken pipe ends ripctl by itself
		return
	}
	at := ""
	if st.Of > 0 {
		at = s.style.faint(fmt.Sprintf("[%d/%d]", st.Index, st.Of)) + " "
	}
	text := clean(st.Message)
	switch st.Kind {
	case api.StepFailed, api.StepUndoing:
		text = s.style.red(text)
	}
	s.line(at + text)
}

// doneLine says what was done.
func doneLine(v api.Verdict) string {
	line := "done"
	switch {
	case v.Scale != nil && v.Scale.Before == v.Scale.After:
		line = fmt.Sprintf("done: %s, as before", counted(v.Scale.After, "worker"))
	case v.Scale != nil:
		line = fmt.Sprintf("done: %s, before %d", counted(v.Scale.After, "worker"), v.Scale.Before)
	case v.Kind == api.KindStop:
		line = "stopped"
	case v.Kind == api.KindUpgrade && v.PID > 0:
		line = fmt.Sprintf("done: ripd %s serves, process %d", clean(v.Version), v.PID)
	case v.Generation > 0:
		line = fmt.Sprintf("done: generation %d serves", v.Generation)
	}
	switch {
	case v.Reason != "": // ripd sums up by itself
		line += ": " + clean(v.Reason)
	case v.Took > 0:
		line += ", after " + span(v.Took.Duration())
	}
	return line
}

// refused is the problem of a verdict that is not done.
func refused(name, what string, v api.Verdict) *problem {
	p := &problem{exit: ExitFailed, code: api.CodeFailed, message: what + " failed", output: v.Output, shown: true,
		next: fmt.Sprintf("\"ripctl status %s\" shows how things are now", name)}
	if v.Verdict == api.VerdictRolledBack {
		p.exit, p.code = ExitRolledBack, api.CodeRolledBack
		p.message = what + " was rolled back"
		p.next = fmt.Sprintf("mend the app, then \"ripctl restart %s\"; the old workers were kept", name)
		if v.Kind == api.KindUpgrade {
			p.next = fmt.Sprintf("the ripd that ran goes on; mend what is wrong, then \"ripctl upgrade %s\"", name)
		}
	}
	if v.Reason != "" {
		p.message += ": " + v.Reason
	}
	return p
}
