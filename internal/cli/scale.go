package cli

import (
	"context"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

func (s *session) scale() *cobra.Command {
	return &cobra.Command{
		Use: "scale [APP] N|+1|-1|auto", Short: "Change the number of workers", GroupID: groupSteer,
		Long: `Scale changes the number of workers until ripd ends: to a number, by a number, or to
"auto", the number of CPUs that the app may use. It returns when new workers are ready, or
when those that are too many have finished and ended. With one argument, it is the number.`,
		Example:           "  ripctl scale 4\n  ripctl scale shop +1\n  ripctl scale shop auto",
		ValidArgsFunction: s.completeScale,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, workers, err := scaleArgs(args)
			if err != nil {
				return err
			}
			a, c, err := s.client(cmd.Context(), name)
			if err != nil {
				return err
			}
			defer c.Close()
			return s.watch(cmd.Context(), a, "the scaling of "+a.status.App, func(ctx context.Context, step func(api.Step)) (api.Verdict, error) {
				return c.Scale(ctx, api.ScaleRequest{Workers: workers}, step)
			})
		},
	}
}
