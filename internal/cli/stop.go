package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

func (s *session) stop() *cobra.Command {
	return &cobra.Command{
		Use: "stop [APP]", Short: "End an app, after what it has accepted", GroupID: groupSteer,
		Long: `Stop ends an app and its ripd: no new connections, an answer to every request that was
accepted, then the workers end. It waits until that is done. Of an app that systemd keeps it stops
the sockets too, so that nothing starts it again before "ripctl start" or the next boot.`,
		Example:           "  ripctl stop shop",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, c, err := s.client(cmd.Context(), appOf(args))
			if err == nil {
				defer c.Close()
			}
			if name := s.keptToStop(appOf(args), a, err); name != "" {
				if done, err := s.stopUnits(cmd.Context(), name); done {
					return err
				}
			}
			if err != nil {
				return err
			}
			return s.watch(cmd.Context(), a, "the stop of "+a.status.App, c.Stop)
		},
	}
}

// keptToStop names the app if it is systemd's to stop: it has a socket of
// systemd's, or does not answer and has a file.
func (s *session) keptToStop(name string, a *app, err error) string {
	switch {
	case s.socket != "":
		return ""
	case err == nil:
		return a.door.Name
	case slices.Contains(s.files(), name):
		return name
	}
	return ""
}
