package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

// Listing is what "list --json" prints.
type Listing struct {
	Apps        []api.Status  `json:"apps"`                  // those that answered, by name
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
		Use: "list", Short: "The apps that run", GroupID: groupLook,
		Aliases: []string{"ls"},
		Long:    "List shows the apps that run on this machine, as far as you may see them.",
		Example: "  ripctl list\n  ripctl list --json | jq -r '.apps[].app'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := s.look(cmd.Context())
			if s.json {
				return s.printJSON(v.listing())
			}
			if len(v.running)+len(v.closed)+len(v.odd) == 0 {
				return v.nothing("no app is running")
			}
			s.listTable(v)
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

func (s *session) listTable(v *view) {
	t := table{columns: []column{
		{title: "APP", least: 8},
		{title: "STATE"},
		{title: "WORKERS", right: true, rank: 2},
		{title: "QUEUE", right: true, rank: 4},
		{title: "REQ/S", right: true, rank: 5},
		{title: "UP", right: true, rank: 3},
		{title: "VERSION", rank: 7},
		{title: "URL", rank: 1, least: 16},
		{title: "CONTROL", rank: 8, least: 24},
	}}
	for _, a := range v.running {
		st := a.status
		t.rows = append(t.rows, []string{
			clean(st.App), clean(string(st.Status)),
			fmt.Sprintf("%d/%d", st.Workers.Ready, st.Workers.Wanted),
			count(st.Queue.Length), strings.TrimSuffix(perSecond(st.RequestsPerSecond), " req/s"),
			span(st.Uptime.Duration()), clean(st.Version), clean(strings.Join(st.URLs, " ")), a.door.Path,
		})
	}
	for _, a := range v.closed {
		t.rows = append(t.rows, []string{orDash(a.door.Name), "no permission", "", "", "", "", "", "", a.door.Path})
	}
	for _, a := range v.odd {
		state := "no answer"
		if errors.Is(a.err, api.ErrNotRipd) {
			state = "not ripd"
		}
		t.rows = append(t.rows, []string{orDash(a.door.Name), state, "", "", "", "", "", "", a.door.Path})
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

// health colours a text by the state of an app.
func (s style) health(state, text string) string {
	switch state {
	case string(api.Healthy):
		return s.green(text)
	case string(api.Stopping):
		return s.yellow(text)
	}
	return s.red(text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
