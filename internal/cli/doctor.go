package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ripd/internal/api"
	"ripd/internal/doctor"
	"ripd/internal/units"
)

// Examined is what "doctor --json" prints.
type Examined struct {
	OK   bool            `json:"ok"` // nothing has the level "problem"
	Apps []doctor.Report `json:"apps"`
}

func (s *session) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor [APP]", Short: "Look for what usually goes wrong, and say what to do", GroupID: groupLook,
		Long: `Doctor looks at an app, or at all of them: its file, systemd's units, ports and who has them,
whether the app's user can read its folder and execute its program (also in the service's sandbox), the journal, the
kernel's bounds, and what ripd says of its workers. It changes nothing and starts nothing.

A problem keeps the app from working, and the exit code is 1. A warning may matter later. What could
not be looked at is said, with the reason: as root, doctor sees everything.`,
		Example:           "  ripctl doctor shop\n  sudo ripctl doctor\n  ripctl doctor --json | jq -r '.apps[].findings[].next // empty'",
		Args:              optionalApp,
		ValidArgsFunction: s.completeInstance,
		RunE: func(cmd *cobra.Command, args []string) error {
			patients, err := s.patients(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			x := Examined{OK: true, Apps: []doctor.Report{}}
			for _, p := range patients {
				r := doctor.Examine(cmd.Context(), *s.env.Host, p)
				x.Apps = append(x.Apps, r)
				x.OK = x.OK && r.Count(doctor.Problem) == 0
			}
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			return s.examined(x)
		},
	}
}

// examined prints the reports.
func (s *session) examined(x Examined) error {
	if s.json {
		if err := s.printJSON(x); err != nil {
			return err
		}
	} else {
		for i, r := range x.Apps {
			if i > 0 {
				s.line("")
			}
			s.printReport(&r)
		}
	}
	if x.OK {
		return nil
	}
	var wrong []string
	for _, r := range x.Apps {
		if r.Count(doctor.Problem) > 0 {
			wrong = append(wrong, r.App)
		}
	}
	return &problem{exit: ExitFailed, code: api.CodeFailed, shown: true, message: "something is wrong with " + strings.Join(wrong, ", ")}
}

// levelWords are the levels for people.
var levelWords = map[doctor.Level]string{
	doctor.Good: "ok", doctor.Warning: "warning", doctor.Problem: "problem", doctor.Unseen: "not seen",
}

// The widths of the first columns of a report.
const (
	levelWidth = 10
	checkWidth = 13
)

// printReport prints what was found, in the order of the checks.
func (s *session) printReport(r *doctor.Report) {
	verdict := []string{s.style.green("nothing is wrong")}
	if n := r.Count(doctor.Problem); n > 0 {
		verdict[0] = s.style.red(counted(n, "problem"))
	}
	if n := r.Count(doctor.Warning); n > 0 {
		verdict = append(verdict, s.style.yellow(counted(n, "warning")))
	}
	if n := r.Count(doctor.Unseen); n > 0 {
		verdict = append(verdict, s.style.faint(count(n)+" not seen"))
	}
	s.line(s.style.bold(clean(r.App)) + "  " + strings.Join(verdict, ", "))
	s.line("")
	indent := strings.Repeat(" ", 2+levelWidth+checkWidth)
	for _, f := range r.Findings {
		lead := "  " + s.style.level(f.Level, fmt.Sprintf("%-*s", levelWidth, levelWords[f.Level])) + s.style.faint(fmt.Sprintf("%-*s", checkWidth, f.Check))
		for _, part := range s.filled(clean(f.Message), len(indent)) {
			s.line(lead + part)
			lead = indent
		}
		s.style.words(s.out, indent, f.Words)
		if f.Next == "" {
			continue
		}
		lead = indent + s.style.cyan("do:") + " "
		for _, part := range s.filled(clean(f.Next), len(indent)+4) {
			s.line(lead + part)
			lead = indent + "    "
		}
	}
}

// filled breaks a text into lines that leave room for an indent.
func (s *session) filled(text string, indent int) []string {
	if room := s.width - indent; s.width > 0 && room >= 20 {
		return fill(text, room)
	}
	return []string{text}
}

// level colours a word by how bad a finding is.
func (s style) level(l doctor.Level, text string) string {
	switch l {
	case doctor.Good:
		return s.green(text)
	case doctor.Warning:
		return s.yellow(text)
	case doctor.Problem:
		return s.red(text)
	}
	return s.faint(text)
}

// patients are the app that is meant, or all that can be seen.
func (s *session) patients(ctx context.Context, name string) ([]doctor.Patient, error) {
	if s.socket != "" {
		a := &app{door: api.Door{Path: s.socket}}
		a.ask(ctx, s.env.Version)
		if a.err != nil {
			return nil, a.err
		}
		return []doctor.Patient{s.front(a)}, nil
	}
	kept, busErr := s.instances(ctx)
	var all []doctor.Patient
	for _, known := range s.keptNames(kept) {
		all = append(all, s.keptPatient(ctx, known, kept, busErr))
	}
	for _, a := range s.frontApps(ctx) {
		all = append(all, s.front(a))
	}
	if name == "" && len(all) > 0 {
		return all, nil
	}
	var meant []doctor.Patient
	for _, p := range all {
		if p.Name == name {
			meant = append(meant, p)
		}
	}
	switch {
	case len(meant) > 0:
		return meant, nil
	case name == "":
		return nil, &problem{exit: ExitNotRunning, code: codeNotRunning,
			message: "there is no app to look at: none runs, and there is no file in " + s.env.ConfigDir,
			next:    `start one with "ripd FOLDER", or write a file`}
	case units.AppOf(units.Service(name)) != name:
		return nil, usagef(`letters, digits, "-", "_" and "."`, "%q is no app's name", name)
	}
	return nil, s.unknownInstance(name)
}

// keptNames are the apps that systemd keeps, as far as it could be asked.
func (s *session) keptNames(kept []units.App) (names []string) {
	if kept == nil {
		return s.files()
	}
	for _, a := range kept {
		names = append(names, a.Name)
	}
	return names
}

// keptPatient is an app that systemd keeps. Its control socket is asked only while it
// runs: a question would start it.
func (s *session) keptPatient(ctx context.Context, name string, kept []units.App, busErr error) doctor.Patient {
	p := doctor.Patient{
		Name: name, File: s.file(name), BusErr: busErr, Others: kept, Version: s.env.Version,
		Control: filepath.Join(s.env.SystemDir, name+".control.sock"),
	}
	for i := range kept {
		if kept[i].Name == name {
			p.Unit = &kept[i]
		}
	}
	if p.Unit != nil && p.Unit.State != units.Running {
		return p
	}
	a := &app{door: api.Door{Path: p.Control}}
	a.ask(ctx, s.env.Version)
	if p.StatusErr = a.err; a.err == nil {
		p.Status = &a.status
	}
	return p
}

// frontApps asks the apps that this user runs in the foreground.
func (s *session) frontApps(ctx context.Context) (apps []*app) {
	for _, door := range api.Find(s.env.RuntimeDir, "").Doors {
		a := &app{door: door}
		a.ask(ctx, s.env.Version)
		apps = append(apps, a)
	}
	return apps
}

// front is an app of the foreground, or one whose control socket was named.
func (s *session) front(a *app) doctor.Patient {
	p := doctor.Patient{Name: a.status.App, File: a.status.File, Control: a.door.Path, Version: s.env.Version}
	if p.Name == "" {
		p.Name = frontName(a.door.Path)
	}
	if p.StatusErr = a.err; a.err == nil {
		p.Status = &a.status
	}
	return p
}

// frontName is the app's name as the socket's name has it: rip_<variant>_<app>.ctl.sock.
func frontName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), ".ctl.sock")
	if parts := strings.SplitN(name, "_", 3); len(parts) == 3 {
		return parts[2]
	}
	return name
}
