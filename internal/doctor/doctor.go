// Package doctor looks for what usually goes wrong with an app of ripd's, and says
// for each thing what to do. It changes nothing, and needs no privilege: what it
// cannot look at, it says, and why.
//
//	doctor.go    findings, and the order of the checks
//	host.go      the machine, as far as a doctor looks at it
//	settings.go  the settings file
//	units.go     systemd's units
//	ports.go     who has the addresses
//	access.go    may a user come to a file?
//	program.go   the app's folder, its program, and the sandbox around it
//	limits.go    the kernel's and systemd's bounds
//	journal.go   the journal
//	running.go   the ripd that runs
//	tls.go       its certificates
package doctor

import (
	"context"
	"fmt"

	"ripd/internal/api"
	"ripd/internal/config"
	"ripd/internal/units"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	Good    Level = "good"    // as it should be
	Warning Level = "warning" // it works, and may not in some case
	Problem Level = "problem" // it does not work
	Unseen  Level = "unseen"  // it could not be looked at
)

// Finding is what one check has found.
type Finding struct {
	Check   string   `json:"check"`           // what was looked at, in one word
	Level   Level    `json:"level"`           // good, warning, problem or unseen
	Message string   `json:"message"`         // what was found; of the unseen: why
	Next    string   `json:"next,omitempty"`  // what to do
	Words   []string `json:"words,omitempty"` // what the app or ripd said
}

// Patient is an app, and what was heard of it before the examination.
type Patient struct {
	// Name is the app's.
	Name string
	// File is the path of its settings, "" when it has none.
	File string
	// Unit is what systemd says of it; nil: it is not systemd's, or systemd
	// could not be asked, which BusErr tells.
	Unit   *units.App
	BusErr error
	// Others are the other apps that systemd keeps.
	Others []units.App
	// Control is the path of its control socket, "" when there is none. Status is
	// what its ripd says there; nil: nothing was asked, or StatusErr tells why not.
	Control   string
	Status    *api.Status
	StatusErr error
	// Version is that of who looks.
	Version string
}

// Report is the result of an examination.
type Report struct {
	App      string    `json:"app"`
	Findings []Finding `json:"findings"` // in the order of the checks
}

// Count gives how many findings have a level.
func (r *Report) Count(level Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == level {
			n++
		}
	}
	return n
}

// exam is one examination.
type exam struct {
	*Patient
	host   Host
	config *config.Config // nil: the settings are not valid, or could not be read
	user   *account       // who runs the app; nil: not known
	out    []Finding

	journalSeen *bool // sees has found out
}

// Examine makes all checks.
func Examine(ctx context.Context, host Host, p Patient) Report {
	e := &exam{Patient: &p, host: host}
	e.settings()
	if p.Unit != nil || p.BusErr != nil {
		e.units(ctx)
	}
	e.ports()
	e.account()
	e.app()
	e.program()
	if p.Unit != nil {
		e.journal(ctx)
	}
	e.backlog()
	e.descriptors()
	e.controllers()
	e.runtime()
	e.control()
	e.workers()
	e.certificates()
	return Report{App: p.Name, Findings: e.out}
}

func (e *exam) add(check string, level Level, next, format string, args ...any) *Finding {
	e.out = append(e.out, Finding{Check: check, Level: level, Message: fmt.Sprintf(format, args...), Next: next})
	return &e.out[len(e.out)-1]
}

// has tells whether a check has found something of a level already.
func (e *exam) has(check string, level Level) bool {
	for _, f := range e.out {
		if f.Check == check && f.Level == level {
			return true
		}
	}
	return false
}

// good notes that a check has found nothing wrong, unless it has.
func (e *exam) good(check, format string, args ...any) {
	for _, f := range e.out {
		if f.Check == check {
			return
		}
	}
	e.add(check, Good, "", format, args...)
}

// systemd tells whether the app is one of systemd's.
func (e *exam) systemd() bool { return e.Unit != nil || e.BusErr != nil }

// runs tells whether a ripd serves the app now, as far as is known.
func (e *exam) runs() bool {
	return e.Status != nil || e.Unit != nil && e.Unit.State == units.Running
}
