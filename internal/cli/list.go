package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ripd/internal/api"
	"ripd/internal/units"
)

// Listing is what "list --json" prints.
type Listing struct {
	Apps        []api.Status  `json:"apps"`                  // those that answered, by name
	Instances   []Instance    `json:"instances,omitempty"`   // those that systemd keeps, running or not, by name
	Unreachable []Unreachable `json:"unreachable,omitempty"` // those that did not
}

// Unreachable is a control socket that gave no status.
type Unreachable struct {
	App     string   `json:"app,omitempty"` // as far as the socket's name tells
	Control string   `json:"control"`       // path of the socket
	Code    api.Code `json:"code"`          // forbidden, not_running, version or failed
	Message string   `json:"message"`
}

func (s *session) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The apps of this machine", GroupID: groupLook,
		Aliases: []string{"ls"},
		Long: `List shows the apps that run on this machine, and those that systemd keeps, also when they
are stopped or have failed. It needs no privilege: what you may not ask ripd, it takes from what ripd has told systemd.

An app that is waiting starts at its first connection: systemd listens for it.`,
		Example: "  ripctl list\n  ripctl list --json | jq -r '.apps[].app'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			m := s.lookAround(cmd.Context())
			if s.json {
				l := m.listing()
				for i := range m.instances {
					l.Instances = append(l.Instances, s.instance(&m.instances[i]))
				}
				return s.printJSON(l)
			}
			if len(m.running)+len(m.closed)+len(m.odd)+len(m.instances) == 0 {
				return m.nothing("no app is running")
			}
			s.listTable(m)
			return nil
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef(fmt.Sprintf("%q says more", cmd.CommandPath()+" --help"), "%q is one argument too many", args[0])
	}
	return nil
}

func (v *view) listing() Listing {
	l := Listing{Apps: []api.Status{}}
	for _, a := range v.running {
		l.Apps = append(l.Apps, a.status)
	}
	for _, group := range [][]*app{v.closed, v.odd, v.dead} {
		for _, a := range group {
			p := explain(a.err)
			l.Unreachable = append(l.Unreachable, Unreachable{App: a.door.Name, Control: a.door.Path, Code: p.code, Message: p.message})
		}
	}
	return l
}

// row is one app in the table.
type row struct {
	name, state, workers, queue, rate, memory, since, version, urls, control string
}

func (s *session) listTable(m *machineView) {
	t := table{columns: []column{
		{title: "APP", least: 8},
		{title: "STATE"},
		{title: "WORKERS", right: true, rank: 2},
		{title: "QUEUE", right: true, rank: 4},
		{title: "REQ/S", right: true, rank: 5},
		{title: "MEMORY", right: true, rank: 6},
		{title: "FOR", right: true, rank: 3},
		{title: "VERSION", rank: 7},
		{title: "URL", rank: 1, least: 16},
		{title: "CONTROL", rank: 8, least: 24},
	}}
	for _, r := range s.rows(m) {
		t.rows = append(t.rows, []string{r.name, r.state, r.workers, r.queue, r.rate, r.memory, r.since, r.version, r.urls, r.control})
	}
	t.paint = func(row, col int, text string) string {
		switch col {
		case 0:
			return s.style.bold(text)
		case 1:
			return s.style.health(t.rows[row][1], text)
		}
		return text
	}
	t.print(&s.console)
}

// rows gives the apps that answered, then those that did not, then those that do
// not run.
func (s *session) rows(m *machineView) (rows []row) {
	kept := map[string]*Instance{}
	for i := range m.instances {
		in := s.instance(&m.instances[i])
		kept[in.App] = &in
	}
	add := func(a *app, r row) {
		r.control = a.door.Path
		if in := kept[a.door.Name]; in != nil {
			delete(kept, a.door.Name)
			s.fill(&r, in)
		}
		rows = append(rows, r)
	}
	for _, a := range m.running {
		st := a.status
		add(a, row{
			name: clean(st.App), state: clean(string(st.Status)), workers: fmt.Sprintf("%d/%d", st.Workers.Ready, st.Workers.Wanted),
			queue: count(st.Queue.Length), rate: strings.TrimSuffix(perSecond(st.RequestsPerSecond), " req/s"),
			since: span(st.Uptime.Duration()), version: clean(st.Version), urls: clean(strings.Join(st.URLs, " ")),
		})
	}
	for _, a := range m.closed {
		state := "no permission"
		if in := kept[a.door.Name]; in != nil {
			state = stateOf(in)
		}
		add(a, row{name: orDash(a.door.Name), state: state})
	}
	for _, a := range m.odd {
		state := "no answer"
		if errors.Is(a.err, api.ErrNotRipd) {
			state = "not ripd"
		}
		add(a, row{name: orDash(a.door.Name), state: state})
	}
	for i := range m.instances {
		if in := kept[m.instances[i].Name]; in != nil {
			r := row{name: in.App, state: stateOf(in)}
			s.fill(&r, in)
			rows = append(rows, r)
		}
	}
	return rows
}

// fill adds what systemd knows to what ripd has not said.
func (s *session) fill(r *row, in *Instance) {
	r.memory = memoryCell(in.Memory)
	workers, rate := spoken(in.Words)
	r.workers, r.rate = cmp.Or(r.workers, workers), cmp.Or(r.rate, rate)
	if r.since == "" && !in.Since.IsZero() {
		r.since = span(s.env.Now().Sub(in.Since).Truncate(time.Second))
	}
	r.urls = cmp.Or(r.urls, clean(strings.Join(in.Listen, " ")))
}

// health colours a text by the state of an app.
func (s style) health(state, text string) string {
	switch state {
	case string(api.Healthy):
		return s.green(text)
	case string(api.Stopping), string(units.Starting):
		return s.yellow(text)
	case string(units.Running):
		return s.green(text)
	case string(units.Waiting), string(units.Stopped):
		return s.faint(text)
	}
	return s.red(text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
