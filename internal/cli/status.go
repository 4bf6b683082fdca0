package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

func (s *session) status() *cobra.Command {
	return &cobra.Command{
		Use: "status [APP]", Short: "How an app is", GroupID: groupLook,
		Long: `Status is one app at a glance: whether it serves and where, its certificates and when they
end, its workers, its queue, its last roll and, when workers end again and again, their last words.`,
		Example:           "  ripctl status\n  ripctl status shop --json | jq .queue",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := s.pick(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			if !api.Compatible(s.env.Version, a.status.Version) {
				s.printProblem(otherVersion(a.status.App, a.status.Version, s.env.Version))
			}
			if s.json {
				return s.printJSON(a.status)
			}
			s.printStatus(a.status)
			return nil
		},
	}
}

// printStatus prints a status for people, the most important first.
func (s *session) printStatus(st api.Status) {
	now := s.env.Now()
	s.printHead(st)
	s.line("")
	for i, u := range st.URLs {
		s.field([]string{"url", ""}[min(i, 1)], clean(u))
	}
	s.printCertificates(st.Certificates, now)
	s.field("workers", workersLine(st.Workers))
	if st.Maintenance {
		s.field("drained", fmt.Sprintf("requests get the maintenance page; \"ripctl resume %s --all\" ends it", clean(st.App)))
	}
	for _, p := range st.Preloaded {
		s.field("preloaded", fmt.Sprintf("by process %d of generation %d, %s, %s forked", p.PID, p.Generation, size(uint64(p.Memory)), counted(p.Forks, "worker")))
	}
	for _, c := range st.CrashLoops {
		s.printCrashLoop(c, now)
	}
	s.field("queue", queueLine(st.Queue))
	s.field("requests", requestsLine(st))
	if faults := faultsLine(st.Totals); faults != "" {
		s.field("faults", faults)
	}
	s.field("traffic", fmt.Sprintf("%s in, %s out", size(st.Totals.BytesIn), size(st.Totals.BytesOut)))
	s.field("clients", openLine(st))
	s.printRolls(st, now)
	for _, m := range st.Metrics {
		s.field("metrics", clean(m))
	}
	s.field("control", clean(st.Control))
	if st.File != "" {
		s.field("file", clean(st.File))
	}
	for _, n := range st.Notes {
		s.note(n)
	}
}

// openLine says what is open, and what has been sent without a worker.
func openLine(st api.Status) string {
	line := counted(st.Connections, "connection") + " open"
	if st.Upgraded > 0 {
		line += fmt.Sprintf(", %s upgraded", count(st.Upgraded))
	}
	if st.Totals.Files > 0 {
		line += fmt.Sprintf(", %s sent", counted(st.Totals.Files, "file"))
	}
	if st.HTTP2 > 0 {
		line += fmt.Sprintf(", %s of HTTP/2 with %s", count(st.HTTP2), counted(st.Streams, "open request"))
	}
	if st.Released > 0 {
		line += fmt.Sprintf(", %s released", counted(st.Released, "answer"))
	}
	return line
}

// printHead prints who the app is, and how.
func (s *session) printHead(st api.Status) {
	head := []string{s.style.bold(clean(st.App)), s.style.health(string(st.Status), clean(string(st.Status)))}
	if st.Generation > 0 {
		head = append(head, fmt.Sprintf("generation %d", st.Generation))
	}
	head = append(head, "up "+span(st.Uptime.Duration()), fmt.Sprintf("ripd %s (pid %d)", clean(st.Version), st.PID))
	s.line(strings.Join(head, "  "))
}

// labelWidth is the width of the first column of a status.
const labelWidth = 11

func (s *session) field(label, value string) {
	s.line(fmt.Sprintf("  %s%s", s.style.faint(fmt.Sprintf("%-*s", labelWidth, label)), value))
}

// note prints a text that may be longer than a line: it is broken between words.
func (s *session) note(text string) {
	label := "note"
	for _, l := range s.filled(clean(text), labelWidth+2) {
		s.field(label, l)
		label = ""
	}
}

func workersLine(w api.WorkerCounts) string {
	parts := []string{fmt.Sprintf("%d of %d ready", w.Ready, w.Wanted)}
	parts = append(parts, fmt.Sprintf("%d busy", w.Busy))
	for _, p := range []struct {
		n    int
		what string
	}{{w.Starting, "starting"}, {w.Drained, "drained"}, {w.Retiring, "retiring"}, {w.Waiting, "waiting to start again"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	line := strings.Join(parts, ", ")
	if w.Auto {
		line += " (auto)"
	}
	if w.Batch {
		line += ", by SCHED_BATCH"
	}
	return line
}

func queueLine(q api.Queue) string {
	line := fmt.Sprintf("%s of %s waiting", count(q.Length), count(q.Size))
	if q.Length > 0 {
		line += ", the oldest for " + span(q.OldestWait.Duration())
	}
	return line
}

func requestsLine(st api.Status) string {
	return fmt.Sprintf("%s, %s since the start", perSecond(st.RequestsPerSecond), count(st.Totals.Requests))
}

// faultsLine names what went wrong since the start; "" when nothing did.
func faultsLine(t api.Totals) string {
	var parts []string
	for _, p := range []struct {
		n    uint64
		what string
	}{
		{t.Errors, "answered 5xx"}, {t.QueueFull, "refused by a full queue"}, {t.QueueTimeouts, "waited too long"},
		{t.NoWorker, "without a worker"}, {t.ReadTimeouts, "ran too long"}, {t.ClientsLeft, "left early"},
		{t.Retries, "retried"}, {t.Respawns, "respawned"},
	} {
		if p.n > 0 {
			parts = append(parts, count(p.n)+" "+p.what)
		}
	}
	return strings.Join(parts, ", ")
}

// printRolls prints the roll that goes on and the one that ended last.
func (s *session) printRolls(st api.Status, now time.Time) {
	if r := st.Rolling; r != nil {
		at := ""
		if r.Of > 0 {
			at = fmt.Sprintf("[%d/%d] ", r.Index, r.Of)
		}
		text := at + r.Message
		if r.Message == "" {
			text += "to generation " + count(r.Generation)
		}
		if !r.StartedAt.IsZero() {
			text += ", for " + span(now.Sub(r.StartedAt))
		}
		s.field("rolling", s.style.cyan(clean(text)))
	}
	r := st.LastRoll
	if r == nil {
		return
	}
	line := verdictWords(r.Verdict)
	if !r.At.IsZero() {
		line += " " + ago(r.At, now)
	}
	if r.Took > 0 {
		line += ", after " + span(r.Took.Duration())
	}
	if r.Verdict == api.VerdictDone {
		s.field("last roll", line)
		return
	}
	s.field("last roll", s.style.red(line))
	if r.Reason != "" {
		s.field("", clean(r.Reason))
	}
	s.style.words(s.out, strings.Repeat(" ", labelWidth+2), r.Output)
}

func verdictWords(v api.VerdictCode) string {
	switch v {
	case api.VerdictDone:
		return "done"
	case api.VerdictRolledBack:
		return "rolled back"
	}
	return "failed"
}

// printCrashLoop prints why a worker does not stay up, in the app's own words.
func (s *session) printCrashLoop(c api.CrashLoop, now time.Time) {
	line := fmt.Sprintf("worker %d ended %s in a row", c.Worker, counted(c.Count, "time"))
	if c.Exit != "" {
		line += ": " + clean(c.Exit)
	}
	s.field("crashing", s.style.red(line))
	next := "next start now"
	if !c.NextStart.IsZero() {
		next = "next start " + until(c.NextStart, now)
	}
	s.field("", next)
	s.style.words(s.out, strings.Repeat(" ", labelWidth+2), c.LastWords)
}
