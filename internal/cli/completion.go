package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

// completeTimeout bounds what a press of the Tab key may take.
const completeTimeout = 500 * time.Millisecond

func (s *session) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "The script that completes commands, apps and workers", GroupID: groupMore,
		Long: `Completion prints a script for your shell. With it, Tab completes commands, flags, and the
apps and workers that run at that moment.`,
		Example: `  source <(ripctl completion bash)
  ripctl completion zsh > "${fpath[1]}/_ripctl"
  ripctl completion fish > ~/.config/fish/completions/ripctl.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef(`"ripctl completion bash"`, "say one shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(s.out, true)
			case "zsh":
				return root.GenZshCompletion(s.out)
			case "fish":
				return root.GenFishCompletion(s.out, true)
			}
			next := "bash, zsh and fish are known"
			if near := api.Nearest(args[0], shells); near != "" {
				next = fmt.Sprintf("did you mean %q?", near)
			}
			return usagef(next, "there is no completion for %q", args[0])
		},
	}
}

// completeApp completes the name of an app that runs.
func (s *session) completeApp(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.appsNow(), cobra.ShellCompDirectiveNoFileComp
}

// completeScale completes "[APP] N".
func (s *session) completeScale(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	numbers := []string{"auto\tone for each CPU", "+1\tone more", "-1\tone less"}
	switch {
	case len(args) == 0:
		return append(s.appsNow(), numbers...), cobra.ShellCompDirectiveNoFileComp
	case len(args) == 1 && !scaleForm.MatchString(args[0]):
		return numbers, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeWorker completes "[APP] WORKER": apps and, when one runs, its workers.
func (s *session) completeWorker(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	switch {
	case len(args) == 0:
		return append(s.appsNow(), s.workersNow("")...), directive
	case len(args) == 1 && !workerForm.MatchString(args[0]):
		return s.workersNow(args[0]), directive
	}
	return nil, directive
}

// appsNow gives the apps that run, with a word about each.
func (s *session) appsNow() []string {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	var names []string
	for _, a := range s.look(ctx).running {
		names = append(names, fmt.Sprintf("%s\t%s, %s", clean(a.status.App), clean(string(a.status.Status)), workersLine(a.status.Workers)))
	}
	return names
}

// workersNow gives the ids of an app's workers, with a word about each.
func (s *session) workersNow(name string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
	defer cancel()
	_, c, err := s.client(ctx, name)
	if err != nil {
		return nil
	}
	defer c.Close()
	list, err := c.Workers(ctx)
	if err != nil {
		return nil
	}
	var ids []string
	for _, w := range list.Workers {
		ids = append(ids, fmt.Sprintf("%d\t%s, pid %d", w.ID, stateWord(w), w.PID))
	}
	return ids
}
