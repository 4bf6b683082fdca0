package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

func (s *session) events() *cobra.Command {
	return &cobra.Command{
		Use: "events [APP]", Short: "What happens, as it happens", GroupID: groupLook,
		Long: `Events follows an app: workers that start, become ready, fail and end, rolls and their
steps, a full queue. It runs until Ctrl-C, or until the app stops. With --json it prints one JSON
value a line.`,
		Example:           "  ripctl events shop\n  ripctl events shop --json | jq 'select(.kind == \"worker-failed\")'",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			err = c.Events(cmd.Context(), s.event)
			if cmd.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is how one stops to look
			}
			return err
		},
	}
}

// event prints one event. Heartbeats are for programs.
func (s *session) event(e api.Event) error {
	if s.json {
		return s.printJSON(e)
	}
	if e.Kind == api.EventHeartbeat {
		return nil
	}
	text := clean(e.Message)
	if e.Kind == api.EventLost {
		text = counted(e.Lost, "event") + " not shown: they came faster than they were read"
	}
	if e.Worker > 0 && !strings.HasPrefix(text, "worker ") {
		text = strings.TrimSuffix(fmt.Sprintf("worker %d: %s", e.Worker, text), ": ")
	}
	kind := fmt.Sprintf("%-15s", clean(string(e.Kind)))
	s.line(fmt.Sprintf("%s  %s  %s", s.style.faint(e.Time.Local().Format("15:04:05.000")), s.style.kind(e.Kind, kind), text))
	s.style.words(s.out, strings.Repeat(" ", 14), e.Output)
	return nil
}

// kind colours a text by the kind of an event.
func (s style) kind(k api.EventKind, text string) string {
	switch k {
	case api.EventReady, api.EventResumed:
		return s.green(text)
	case api.EventFailed, api.EventCrashLoop, api.EventQueueFull:
		return s.red(text)
	case api.EventLost, api.EventDraining, api.EventStopping:
		return s.yellow(text)
	}
	return s.cyan(text)
}
