package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ripd/internal/api"
	"ripd/internal/units"
)

const (
	checkUnits = "units"
	checkState = "state"

	generatorPath = "/usr/lib/systemd/system-generators/ripd-generator"
	// generated is where systemd keeps what generators have written.
	generated = "/run/systemd/generator/"
	// adminUnits is where administrators' own units are.
	adminUnits = "/etc/systemd/system/"

	// failureMessage is systemd's id of "unit failed with result", journalctl(1).
	failureMessage = "d9b373ed55a64feb8242e02dbe79a49c"
	// queryMost bounds a question to the journal.
	queryMost = 5 * time.Second
	// wordsMost bounds the lines of the journal that are shown.
	wordsMost = 8
)

// units looks at whether systemd's units are there, and as the file has them.
func (e *exam) units(ctx context.Context) {
	if e.Unit == nil {
		e.add(checkUnits, Unseen, "is systemd process 1 of this machine, and its bus there? (/run/dbus/system_bus_socket, package dbus)", "%v", e.BusErr)
		return
	}
	service := &e.Unit.Service
	if service.Load != "loaded" {
		next := "install the package ripd, or put its units into " + adminUnits + "; then: systemctl daemon-reload"
		e.add(checkUnits, Problem, next, "systemd has no unit %s (it is %s)", service.Name, service.Load)
		return
	}
	for _, unit := range e.all() {
		switch {
		case unit.NeedReload:
			e.add(checkUnits, Problem, "systemctl daemon-reload", "%s has changed since systemd has read it", unit.Name)
		case !e.older(unit):
			e.add(checkUnits, Problem, "systemctl daemon-reload", "%s is older than %s", unit.Name, e.File)
		}
	}
	e.dropIns()
	e.inForce()
	e.good(checkUnits, "loaded, and in step with %s", e.File)
	e.state(ctx)
}

// all gives the units that are there.
func (e *exam) all() []*units.Unit {
	all := []*units.Unit{&e.Unit.Service}
	for i := range e.Unit.Sockets {
		all = append(all, &e.Unit.Sockets[i].Unit)
	}
	return all
}

// own gives what the generator has written for a unit, "" when nothing is there.
func own(unit *units.Unit) string {
	i := slices.IndexFunc(unit.DropIns, func(path string) bool { return strings.HasPrefix(path, generated) })
	if i < 0 {
		return ""
	}
	return unit.DropIns[i]
}

// older tells whether the file is older than what was made from it.
func (e *exam) older(unit *units.Unit) bool {
	path := own(unit)
	if path == "" || e.File == "" {
		return true
	}
	made, err := e.host.stat(path)
	file, err2 := e.host.stat(e.File)
	return err != nil || err2 != nil || !file.ModTime().After(made.ModTime())
}

// dropIns looks for what the generator should have written.
func (e *exam) dropIns() {
	for _, unit := range e.all() {
		if !strings.HasPrefix(unit.Name, "ripd@") || strings.HasPrefix(unit.Fragment, adminUnits) && !strings.Contains(unit.Fragment, "@.") {
			continue // the operators' socket has none, nor has a unit of the administrator's own
		}
		if own(unit) != "" || e.has(checkUnits, Problem) || e.has(checkFile, Problem) {
			continue
		}
		if _, err := e.host.stat(generatorPath); err != nil {
			e.add(checkUnits, Problem, "install the package ripd, then: systemctl daemon-reload", "%s lacks what the file says: %s is not there", unit.Name, generatorPath)
			return
		}
		e.add(checkUnits, Problem, "systemctl daemon-reload; then look at: journalctl -b -t ripd-generator", "%s lacks what the file says", unit.Name)
	}
}

// inForce tells whether ripd has read the file as it is now.
func (e *exam) inForce() {
	if e.Status == nil || e.File == "" {
		return
	}
	file, err := e.host.stat(e.File)
	read := e.Status.StartedAt
	if roll := e.Status.LastRoll; roll != nil && roll.Kind == api.KindReload && roll.Verdict == api.VerdictDone {
		read = roll.At.Add(-roll.Took.Duration())
	}
	if err == nil && !read.IsZero() && file.ModTime().After(read) {
		e.add(checkUnits, Warning, "systemctl reload ripd@"+e.Name, "%s has changed since ripd has read it", e.File)
	}
}

// results says how a unit has failed, in words.
var results = map[string]string{
	"exit-code": "it ended with an error", "signal": "it was killed by a signal", "core-dump": "it crashed", "timeout": "it took too long",
	"watchdog": "a part of it hung", "oom-kill": "the machine had no memory left for it", "start-limit-hit": "it was started too often",
	"resources": "systemd lacked something for it", "protocol": "it did not say that it is ready", "exec-condition": "a condition did not hold",
}

func resultWords(result string) string {
	if words := results[result]; words != "" {
		return result + ": " + words
	}
	return result
}

// state looks at whether the units run, and why not.
func (e *exam) state(ctx context.Context) {
	service := &e.Unit.Service
	logs := fmt.Sprintf("%q shows what it wrote", "ripctl logs "+e.Name)
	switch {
	case service.Active == "failed":
		e.add(checkState, Problem, logs, "%s has failed (%s)", service.Name, resultWords(service.Result)).Words = e.lastWords(ctx)
	case service.Sub == "auto-restart" || service.Active == "activating" && service.Restarts > 0:
		e.add(checkState, Problem, logs, "%s does not start, and is tried again (%s), %s so far", service.Name, resultWords(service.Result), times(int(service.Restarts))).Words = e.lastWords(ctx)
	case service.Active == "active" && service.Restarts > 0:
		e.restarted(ctx)
	}
	for i := range e.Unit.Sockets {
		if s := &e.Unit.Sockets[i]; s.Active == "failed" {
			e.add(checkState, Problem, "systemctl status "+s.Name+"; then: systemctl start "+s.Name, "%s has failed (%s)", s.Name, resultWords(s.Result))
		}
	}
	switch e.Unit.State {
	case units.Running:
		e.good(checkState, "it runs")
	case units.Waiting:
		e.good(checkState, "it starts at its first connection")
	default:
		e.good(checkState, "it is %s", e.Unit.State)
	}
	if service.Enabled == "disabled" {
		e.add(checkState, Warning, "ripctl enable "+e.Name, "it does not start with the machine")
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// restarted says why systemd has started the service again.
func (e *exam) restarted(ctx context.Context) {
	n := times(int(e.Unit.Service.Restarts))
	counts, err := e.failures(ctx)
	switch {
	case counts["watchdog"] > 0:
		e.add(checkState, Warning, "ripctl logs "+e.Name+" -- --grep watchdog", "a part of ripd hung %s since the machine's start, and systemd has started it again", times(counts["watchdog"]))
	case len(counts) > 0:
		var how []string
		for result, n := range counts {
			how = append(how, result+" "+times(n))
		}
		slices.Sort(how)
		e.add(checkState, Warning, "ripctl logs "+e.Name+" says why", "systemd has started it again %s (%s)", n, strings.Join(how, ", "))
	case err != nil:
		e.add(checkState, Warning, "call ripctl as root to know why", "systemd has started it again %s", n)
	default:
		e.add(checkState, Warning, "ripctl logs "+e.Name+" says why", "systemd has started it again %s", n)
	}
}

// failures counts how the service has failed since the machine's start.
func (e *exam) failures(ctx context.Context) (map[string]int, error) {
	out, err := e.query(ctx, "--boot", "--output=json", "--output-fields=UNIT_RESULT", "MESSAGE_ID="+failureMessage, "UNIT="+e.Unit.Service.Name)
	counts := map[string]int{}
	for line := range strings.Lines(out) {
		var entry struct {
			Result string `json:"UNIT_RESULT"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Result != "" {
			counts[entry.Result]++
		}
	}
	return counts, err
}

// lastWords are the last lines of ripd and its workers.
func (e *exam) lastWords(ctx context.Context) []string {
	out, err := e.query(ctx, "--output=cat", fmt.Sprintf("--lines=%d", wordsMost), "_SYSTEMD_UNIT="+e.Unit.Service.Name)
	if err != nil || strings.TrimSpace(out) == "" {
		if e.Unit.Service.Status != "" {
			return []string{e.Unit.Service.Status}
		}
		return nil
	}
	return strings.Split(strings.TrimSpace(out), "\n")
}

// errJournal: an unprivileged journalctl shows nothing, and says so to people alone.
var errJournal = errors.New("the journal is closed to you")

// sees finds out, once, whether this user may read the machine's journal: it always
// has something of process 1.
func (e *exam) sees(ctx context.Context) bool {
	if e.journalSeen == nil {
		out, err := e.journalctl(ctx, "--output=cat", "--lines=1", "_PID=1")
		seen := err == nil && strings.TrimSpace(out) != ""
		e.journalSeen = &seen
	}
	return *e.journalSeen
}

// query asks the journal.
func (e *exam) query(ctx context.Context, args ...string) (string, error) {
	if !e.sees(ctx) {
		return "", errJournal
	}
	return e.journalctl(ctx, args...)
}

func (e *exam) journalctl(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, queryMost)
	defer cancel()
	out, err := e.host.Output(ctx, append([]string{"journalctl", "--no-pager", "--quiet"}, args...)...)
	return string(out), err
}
