package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"ripd/internal/api"
)

// screen makes a live view of the given size that has looked at shop.
func screen(t *testing.T, width, height int) *top {
	t.Helper()
	m := newMachine(t)
	env := Env{Environ: []string{"NO_COLOR=1"}, Now: func() time.Time { return now }, Version: m.version}
	s := &session{env: env, console: newConsole(env)}
	v := newTop(s, func() tea.Msg { return nil })
	if v.draw() != "" {
		t.Error("it draws before it knows the size")
	}
	send(v, tea.WindowSizeMsg{Width: width, Height: height})
	a := shop()
	for i := range 5 {
		a.StatusIs.RequestsPerSecond = float64(100 * i)
		send(v, picture{status: a.StatusIs, workers: a.WorkersAre, at: now})
	}
	return v
}

func send(v *top, msgs ...tea.Msg) (last tea.Cmd) {
	for _, m := range msgs {
		_, last = v.Update(m)
	}
	return last
}

func key(name string) tea.KeyPressMsg {
	codes := map[string]rune{"up": tea.KeyUp, "down": tea.KeyDown, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp,
		"home": tea.KeyHome, "end": tea.KeyEnd, "esc": tea.KeyEscape, "space": tea.KeySpace, "q": 'q'}
	return tea.KeyPressMsg{Code: codes[name]}
}

// The screen is never larger than the terminal, and looks as it should.
func TestTopScreen(t *testing.T) {
	for _, size := range [][2]int{{60, 20}, {80, 24}, {120, 40}, {20, 5}, {1, 1}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			v := screen(t, size[0], size[1])
			send(v, api.Event{Time: now, Kind: api.EventReady, Worker: 2, Message: "ready in 840 ms"},
				api.Event{Time: now, Kind: api.EventHeartbeat},
				api.Event{Time: now, Kind: api.EventFailed, Worker: 1, Message: "worker 1: exit status 1", Output: []string{"\x1b[2Jboom"}})
			text := v.draw()
			lines := strings.Split(text, "\n")
			if len(lines) != size[1] {
				t.Errorf("%d lines", len(lines))
			}
			for _, l := range lines {
				if ansi.StringWidth(l) > size[0] {
					t.Errorf("too wide: %q", l)
				}
			}
			if strings.Contains(text, "\x1b[2J") {
				t.Error("the app's escape sequences reach the terminal")
			}
			if size[0] >= 60 {
				golden(t, fmt.Sprintf("top-%d", size[0]), text+"\n")
			}
		})
	}
}

func TestTopKeys(t *testing.T) {
	v := screen(t, 80, 24)
	v.seen.workers = make([]api.Worker, 30)
	for i := range v.seen.workers {
		v.seen.workers[i].ID = i + 1
	}
	for _, c := range []struct {
		key   string
		first int
	}{{"up", 0}, {"down", 1}, {"pgdown", 13}, {"up", 12}, {"end", 29}, {"pgdown", 29}, {"pgup", 17}, {"home", 0}} {
		send(v, key(c.key))
		if v.first != c.first {
			t.Errorf("%s: the first is %d, not %d", c.key, v.first, c.first)
		}
	}
	send(v, key("end"))
	if text := v.draw(); !strings.Contains(text, "more of 30") {
		t.Errorf("the rest is not named:\n%s", text)
	}
	send(v, key("space"), picture{status: api.Status{App: "other"}, at: now})
	if v.seen.status.App != "shop" || !strings.Contains(v.draw(), "held") {
		t.Error("a held picture has changed")
	}
	send(v, key("space"), picture{status: api.Status{App: "other"}, at: now})
	if v.seen.status.App != "other" {
		t.Error("the picture is still held")
	}
	for _, name := range []string{"q", "esc"} {
		cmd := send(v, key(name))
		if cmd == nil {
			t.Fatalf("%s does nothing", name)
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%s does not quit", name)
		}
	}
}

// An app that goes away stays on the screen, with what is wrong.
func TestTopError(t *testing.T) {
	v := screen(t, 80, 24)
	if cmd := send(v, picture{err: fmt.Errorf("call: %w", errors.New("nobody listens")), at: now}); cmd == nil {
		t.Error("it does not look again")
	}
	if text := v.draw(); !strings.Contains(text, "nobody listens") || !strings.Contains(text, "shop") {
		t.Errorf("\n%s", text)
	}
}

// What is remembered has a bound.
func TestTopBounds(t *testing.T) {
	v := screen(t, 80, 24)
	for range 3 * topRates {
		send(v, picture{status: shop().StatusIs, at: now}, api.Event{Time: now, Kind: api.EventReady})
	}
	if len(v.rates) != topRates || len(v.events) != topEvents {
		t.Errorf("%d rates, %d events", len(v.rates), len(v.events))
	}
}

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 10, ""}, {[]float64{0, 0}, 10, "▁▁"}, {[]float64{0, 50, 100}, 10, "▁▄█"}, {[]float64{100, 1, 2, 4}, 2, "▄█"}, {[]float64{1}, -3, ""},
	} {
		if got := sparkline(c.values, c.width); got != c.want {
			t.Errorf("%v in %d: %q, not %q", c.values, c.width, got, c.want)
		}
	}
}

// Events are followed over the end of a ripd, until the view ends.
func TestTopFollows(t *testing.T) {
	m := newMachine(t)
	a := shop()
	a.OnEvents = func(context.Context) <-chan api.Event {
		one := make(chan api.Event, 1)
		one <- api.Event{Time: now, Kind: api.EventReady}
		close(one)
		return one
	}
	path := m.runs(a)
	c := api.NewClient(path, m.version)
	defer c.Close()
	ctx, cancel := context.WithCancel(context.Background())
	seen := 0
	followEvents(ctx, c, func(api.Event) {
		if seen++; seen == 2 {
			cancel()
		}
	})
	if p := lookAt(context.Background(), c, func() time.Time { return now }); p.err != nil || p.status.App != "shop" || len(p.workers) == 0 {
		t.Errorf("%+v", p)
	}
	if seen < 2 {
		t.Errorf("%d events", seen)
	}
}
