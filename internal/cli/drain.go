package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

func (s *session) drain() *cobra.Command {
	c := s.hold("drain", (*api.Client).Drain)
	c.Short = "Hold a worker back"
	c.Long = `Drain lets a worker finish what it has and gives it nothing new, until "ripctl resume". With
--all, requests wait in the queue; with --all --page, they are answered 503 with the
maintenance page at once. A number alone is a worker's id; with two arguments, the first is
the app.`
	c.Example = "  ripctl drain 2\n  ripctl drain shop 2\n  ripctl drain shop --all --page"
	return c
}

func (s *session) resume() *cobra.Command {
	c := s.hold("resume", (*api.Client).Resume)
	c.Short = "Let a worker take requests again"
	c.Long = "Resume ends a drain: of one worker or, with --all, of all that are drained."
	c.Example = "  ripctl resume 2\n  ripctl resume shop --all"
	return c
}

// hold makes drain and resume, which differ in the call alone.
func (s *session) hold(verb string, call func(*api.Client, context.Context, api.DrainRequest) error) *cobra.Command {
	var all, page bool
	c := &cobra.Command{
		Use: verb + " [APP] WORKER|--all", GroupID: groupSteer,
		ValidArgsFunction: s.completeWorker,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, worker, err := drainArgs(verb, args, all)
			if err != nil {
				return err
			}
			if page && !all {
				return usagef(`"ripctl drain --all --page"`, "--page is for all workers")
			}
			a, c, err := s.client(cmd.Context(), name)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := call(c, cmd.Context(), api.DrainRequest{Worker: worker, All: all, Page: page}); err != nil {
				return err
			}
			if s.json {
				return s.printJSON(api.OK{OK: true})
			}
			s.line(heldLine(a.status.App, verb, worker, page))
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all workers of the app")
	if verb == "drain" {
		c.Flags().BoolVar(&page, "page", false, "answer requests with the maintenance page meanwhile")
	}
	return c
}

// heldLine says what a drain or a resume did. Worker 0 stands for all.
func heldLine(name, verb string, worker int, page bool) string {
	who := fmt.Sprintf("worker %d of %s", worker, name)
	if worker == 0 {
		who = "all workers of " + name
	}
	if verb == "resume" {
		return "resumed: " + who
	}
	back := fmt.Sprintf("ripctl resume %s %d", name, worker)
	if worker == 0 {
		back = fmt.Sprintf("ripctl resume %s --all", name)
	}
	if page {
		who += ", requests get the maintenance page"
	}
	return fmt.Sprintf("draining: %s; \"%s\" ends it", who, back)
}
