package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"ripd/internal/config"
	"ripd/internal/journal"
)

// openJournal opens the logs. Where systemd's journal takes the output, ripd speaks
// to it directly, unless the lines are to be JSON for another program.
func (a *app) openJournal() error {
	a.look = journal.Look{Stamp: journal.Date}
	if f, ok := a.out.(*os.File); ok {
		a.look = journal.LookAt(f, a.getenv)
	}
	c := a.config.Log
	o := journal.Options{Out: a.out, Mode: c.Access, Look: a.look, Level: c.Level, App: a.config.Name}
	if c.JSON {
		o.Mode = config.AccessJSON
	}
	var unreached error
	if a.look.Journal && !c.JSON {
		o.Entries, unreached = journal.NewSender(journal.SystemSocket)
	}
	var unopened error
	if c.Access != config.AccessOff {
		switch {
		case c.AccessTo == config.AccessToFile:
			o.File, unopened = journal.OpenFile(c.AccessFile)
			a.notes = append(a.notes, "access log: all lines go to "+c.AccessFile)
		case c.AccessTo == config.AccessToAuto && a.look.Journal:
			o.Choice = journal.NewChoice(c.Slow, c.Sample)
			a.notes = append(a.notes, chosenNote(c))
		}
	}
	a.journal = journal.Open(o)
	if c.Access == config.AccessOff {
		a.journal.Access = nil
	}
	a.log = a.journal.Log
	if unreached != nil {
		a.log.Warn("the lines go to the journal as text, without fields", "error", unreached.Error())
	}
	if unopened != nil {
		return fmt.Errorf("%w (log.access_file; does the folder %s exist, and may ripd write there?)", unopened, filepath.Dir(c.AccessFile))
	}
	return nil
}

// chosenNote says which access lines the journal gets.
func chosenNote(c config.Log) string {
	note := "access log: the journal gets errors (5xx)"
	if c.Slow > 0 {
		note += ", requests of " + config.FormatDuration(c.Slow) + " and more"
	}
	if c.Sample > 0 {
		note += fmt.Sprintf(", and one of %d others", c.Sample)
	}
	return note + "; log.access_to changes that"
}

// reopen follows the access log's file, if there is one, that was moved away.
func (a *app) reopen() {
	if a.config.Log.AccessFile == "" {
		return
	}
	if err := a.journal.Reopen(); err != nil {
		a.log.Error("the access log's file stays as it was", "error", err.Error())
		return
	}
	a.log.Info("the access log's file is opened anew")
}
