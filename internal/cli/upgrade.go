package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

// upgrade makes the command that replaces an app's ripd. It works between versions
// that otherwise do not go together: that is what it is for.
func (s *session) upgrade() *cobra.Command {
	var r api.UpgradeRequest
	c := &cobra.Command{
		Use: "upgrade [APP]", Short: "Replace ripd itself, without losing a request", GroupID: groupSteer,
		Long: `Upgrade starts the ripd that is on disk now beside the one that runs. The new one gets the
listening sockets and starts workers of its own. When all of them are ready it serves, and the old ripd
finishes what it has and ends. A new ripd that does not become ready is ended: the old one
stays, ripctl shows why, and exits with 5.

The settings are read again. What only a new socket can bring (another port, another name) is said, and
waits for a restart of the service. Ctrl-C ends the waiting, not the upgrade.`,
		Example:           "  ripctl upgrade shop\n  ripctl upgrade shop --binary ./bin/ripd",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.Binary != "" {
				path, err := filepath.Abs(r.Binary)
				if err != nil {
					return fmt.Errorf("the program's path: %w", err)
				}
				r.Binary = path
			}
			a, err := s.pick(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			client := api.NewClient(a.door.Path, s.env.Version)
			defer client.Close()
			return s.watch(cmd.Context(), a, "the upgrade of "+a.status.App, func(ctx context.Context, step func(api.Step)) (api.Verdict, error) {
				return client.Upgrade(ctx, r, step)
			})
		},
	}
	c.Flags().StringVar(&r.Binary, "binary", "", "go on with the ripd at `PATH` (for root and the user who runs ripd)")
	return c
}
