package cli

import (
	"context"
	"errors"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ripd/internal/api"
)

// The bounds of the live view.
const (
	topInterval = time.Second // between two looks
	topEvents   = 100         // events that are remembered
	topRates    = 120         // rates that are remembered, one for each look
)

func (s *session) top() *cobra.Command {
	return &cobra.Command{
		Use: "top [APP]", Short: "An app, its workers and what happens, live", GroupID: groupLook,
		Long: `Top shows an app on the whole terminal, anew each second: its queue and its rate
with the last two minutes of it, its clients, its workers, and what happens to them. Space
holds the picture still, the arrow keys move through the workers, q ends.`,
		Example:           "  ripctl top\n  ripctl top shop",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.json || !isTerminal(s.env.Stdout) || !isTerminal(os.Stdin) {
				return usagef(`"ripctl status --json" and "ripctl events --json" are for programs`, "top needs a terminal")
			}
			_, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			return s.live(cmd.Context(), c)
		},
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// live shows the live view until the user, or ctx, ends it.
func (s *session) live(ctx context.Context, c *api.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	p := tea.NewProgram(newTop(s, func() tea.Msg { return lookAt(ctx, c, s.env.Now) }),
		tea.WithContext(ctx), tea.WithOutput(s.env.Stdout), tea.WithEnvironment(s.env.Environ), tea.WithoutSignalHandler())
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		followEvents(ctx, c, func(e api.Event) { p.Send(e) })
	}()
	_, err := p.Run()
	cancel()
	<-followed
	if errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how one stops to look
	}
	return err
}

// followEvents passes an app's events on until ctx ends, over restarts and upgrades of ripd.
func followEvents(ctx context.Context, c *api.Client, pass func(api.Event)) {
	for ctx.Err() == nil {
		_ = c.Events(ctx, func(e api.Event) error { // an error is seen by the next look
			pass(e)
			return nil
		})
		select {
		case <-ctx.Done():
		case <-time.After(topInterval):
		}
	}
}

// picture is what one look at an app has seen.
type picture struct {
	status  api.Status
	workers []api.Worker
	err     error
	at      time.Time
}

// lookAt looks at an app.
func lookAt(ctx context.Context, c *api.Client, now func() time.Time) picture {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	p := picture{at: now()}
	if p.status, p.err = c.Status(ctx); p.err != nil {
		return p
	}
	var list api.WorkerList
	list, p.err = c.Workers(ctx)
	p.workers = list.Workers
	return p
}

// top is the state of the live view; Bubble Tea owns it.
type top struct {
	session       *session
	look          tea.Cmd // gives a picture
	width, height int

	seen   picture // the last look that went well
	err    error   // of the last look
	rates  []float64
	events []api.Event
	still  bool // the user holds the picture
	first  int  // worker at the top of the table
}

// again asks for the next look.
type again struct{}

func newTop(s *session, look tea.Cmd) *top { return &top{session: s, look: look} }

// Init begins with the first look.
func (t *top) Init() tea.Cmd { return t.look }

// Update takes what has happened: a look, an event, a key, another size.
func (t *top) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		t.width, t.height = m.Width, m.Height
	case picture:
		t.take(m)
		return t, tea.Tick(topInterval, func(time.Time) tea.Msg { return again{} })
	case again:
		return t, t.look
	case api.Event:
		if m.Kind != api.EventHeartbeat {
			t.events = append(t.events, m)
			t.events = t.events[max(0, len(t.events)-topEvents):]
		}
	case tea.KeyPressMsg:
		return t, t.key(m.String())
	}
	return t, nil
}

func (t *top) take(p picture) {
	if t.still {
		return
	}
	if t.err = p.err; p.err != nil {
		return
	}
	t.seen = p
	t.rates = append(t.rates, p.status.RequestsPerSecond)
	t.rates = t.rates[max(0, len(t.rates)-topRates):]
}

func (t *top) key(name string) tea.Cmd {
	switch name {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "space":
		t.still = !t.still
	case "up":
		t.first--
	case "down":
		t.first++
	case "pgup":
		t.first -= max(1, t.height/2)
	case "pgdown":
		t.first += max(1, t.height/2)
	case "home":
		t.first = 0
	case "end":
		t.first = len(t.seen.workers)
	}
	t.first = min(max(0, t.first), max(0, len(t.seen.workers)-1))
	return nil
}
