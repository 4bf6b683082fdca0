package cli

import (
	"github.com/spf13/cobra"
)

func (s *session) stop() *cobra.Command {
	return &cobra.Command{
		Use: "stop [APP]", Short: "End an app, after what it has accepted", GroupID: groupSteer,
		Long: `Stop ends an app and its ripd: no new connections, an answer to every request that was
accepted, then the workers end. It waits until that is done. systemd may start the app
again when the next request comes; "systemctl stop" is the way to end its apps for good.`,
		Example:           "  ripctl stop shop",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			return s.watch(cmd.Context(), a, "the stop of "+a.status.App, c.Stop)
		},
	}
}
