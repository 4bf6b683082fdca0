package doctor

import (
	"errors"
	"fmt"
	"strings"

	"ripd/internal/api"
)

const (
	checkControl = "control"
	checkVersion = "version"
	checkWorkers = "workers"
	checkQueue   = "queue"
)

// control looks at whether operators reach ripd, and which one it is.
func (e *exam) control() {
	switch {
	case e.Status != nil:
		e.add(checkControl, Good, "", "%s answers", e.Control)
		e.version()
	case errors.Is(e.StatusErr, api.ErrDenied):
		next := "call ripctl as root, or become a member of the group ripctl (adduser NAME ripctl, then log in again)"
		if !e.systemd() {
			next = "call ripctl as root or as the user who started the app"
		}
		e.add(checkControl, Unseen, next, "%s is closed to you, so that ripd itself could not be asked", e.Control)
	case e.StatusErr != nil && e.runs():
		e.add(checkControl, Problem, "systemctl restart ripd@"+e.Name, "it runs, and does not answer: %v", e.StatusErr)
	case e.StatusErr != nil && !e.systemd():
		e.add(checkControl, Problem, "start it again with \"ripd FOLDER\"", "it does not answer: %v", e.StatusErr)
	default:
		e.add(checkControl, Unseen, "", "it does not run, so that ripd itself could not be asked")
	}
}

func (e *exam) version() {
	if e.Status.Version != e.Version {
		next := "ripctl upgrade " + e.Name
		if !api.Compatible(e.Version, e.Status.Version) {
			next = "use the ripctl that belongs to it, or: " + next
		}
		e.add(checkVersion, Warning, next, "its ripd is version %s, and this ripctl is version %s", e.Status.Version, e.Version)
		return
	}
	e.add(checkVersion, Good, "", "%s", e.Version)
}

// workers looks at what ripd says of its workers and its queue.
func (e *exam) workers() {
	s := e.Status
	if s == nil {
		return
	}
	for _, c := range s.CrashLoops {
		level, now := Problem, ""
		if s.Workers.Ready >= s.Workers.Wanted {
			level, now = Warning, "; it is ready since"
		}
		next := fmt.Sprintf("mend the app; \"ripctl restart %s\" starts it at once", e.Name)
		e.add(checkWorkers, level, next, "worker %d ended %d times in a row: %s%s", c.Worker, c.Count, c.Exit, now).Words = c.LastWords
	}
	if r := s.LastRoll; r != nil && r.Verdict != api.VerdictDone {
		next := fmt.Sprintf("mend the app or the file, then: ripctl %s %s", r.Kind, e.Name)
		e.add(checkWorkers, Warning, next, "the last %s: %s: %s", r.Kind, strings.ReplaceAll(string(r.Verdict), "_", " "), r.Reason).Words = r.Output
	}
	if s.Workers.Ready == 0 && s.Workers.Drained == 0 && s.Rolling == nil && len(s.CrashLoops) == 0 {
		e.add(checkWorkers, Problem, "ripctl workers "+e.Name, "no worker is ready")
	}
	if s.Workers.Drained > 0 {
		e.add(checkWorkers, Warning, fmt.Sprintf("ripctl resume %s --all", e.Name), "%d workers are drained and take no requests", s.Workers.Drained)
	}
	e.good(checkWorkers, "%d of %d ready", s.Workers.Ready, s.Workers.Wanted)
	lost := s.Totals.QueueFull + s.Totals.QueueTimeouts
	if lost > 0 {
		next := fmt.Sprintf("more workers (ripctl scale %s +1), or a longer queue; ripctl events %s shows when", e.Name, e.Name)
		e.add(checkQueue, Warning, next, "%d requests found no place in the queue and %d waited too long, since ripd's start", s.Totals.QueueFull, s.Totals.QueueTimeouts)
	}
	e.good(checkQueue, "%d of %d wait", s.Queue.Length, s.Queue.Size)
}
