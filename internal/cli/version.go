package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

// Versions is what "version --json" prints.
type Versions struct {
	Ripctl string          `json:"ripctl"`
	Apps   []DaemonVersion `json:"apps"` // each running ripd
}

// DaemonVersion is the version of one running ripd.
type DaemonVersion struct {
	App        string `json:"app"`
	Version    string `json:"version"`
	PID        int    `json:"pid"`
	Compatible bool   `json:"compatible"` // with this ripctl
}

func (s *session) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of ripctl and of each running ripd", GroupID: groupMore,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all := Versions{Ripctl: s.env.Version, Apps: []DaemonVersion{}}
			for _, a := range s.look(cmd.Context()).running {
				st := a.status
				all.Apps = append(all.Apps, DaemonVersion{App: st.App, Version: st.Version, PID: st.PID,
					Compatible: api.Compatible(s.env.Version, st.Version)})
			}
			if s.json {
				return s.printJSON(all)
			}
			s.line("ripctl " + s.env.Version)
			for _, a := range all.Apps {
				note := ""
				if !a.Compatible {
					note = s.style.yellow("  does not go with this ripctl")
				}
				s.line(fmt.Sprintf("ripd %s  %s (pid %d)%s", clean(a.Version), clean(a.App), a.PID, note))
			}
			return nil
		},
	}
}
