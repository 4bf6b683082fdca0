package cli

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// View draws the whole screen: the app, its workers, what has happened, and the keys.
func (t *top) View() tea.View {
	v := tea.NewView(t.draw())
	v.AltScreen = true
	v.WindowTitle = "ripctl top"
	return v
}

// draw gives the lines of the screen, none longer and not more than it has room for.
func (t *top) draw() string {
	if t.width == 0 || t.seen.at.IsZero() && t.err == nil {
		return "" // the size, and the first look, are on their way
	}
	head := t.render(t.drawApp)
	foot := t.render(t.drawKeys)
	room := t.height - len(head) - len(foot)
	workers := t.drawWorkers(max(3, room*2/3))
	events := t.render(t.drawEvents)
	free := max(0, room-len(workers))
	lines := append(head, workers...)
	if free > 1 && len(events) > 0 {
		events = append([]string{""}, events[max(0, len(events)-free+1):]...)
		lines = append(lines, events...)
	}
	for len(lines) < t.height-len(foot) {
		lines = append(lines, "")
	}
	return strings.Join(append(lines[:max(0, t.height-len(foot))], foot...), "\n")
}

// render gives the lines that a function prints on a screen as wide as this one.
func (t *top) render(print func(*session)) []string {
	var b strings.Builder
	s := *t.session
	s.out, s.width = &b, t.width
	s.style.width = t.width
	print(&s)
	if b.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func (t *top) drawApp(s *session) {
	st, now := t.seen.status, t.seen.at
	if !t.seen.at.IsZero() {
		s.printHead(st)
		s.line("")
		rate := fmt.Sprintf("%-14s", perSecond(st.RequestsPerSecond))
		s.field("requests", rate+s.style.cyan(sparkline(t.rates, t.width-labelWidth-2-len(rate))))
		s.field("queue", s.gauge(st.Queue.Length, st.Queue.Size)+"  "+queueLine(st.Queue))
		s.field("workers", s.gauge(st.Workers.Busy, st.Workers.Ready)+"  "+workersLine(st.Workers))
		s.field("clients", openLine(st))
		for _, c := range st.CrashLoops {
			s.printCrashLoop(c, now)
		}
		if faults := faultsLine(st.Totals); faults != "" {
			s.field("faults", faults)
		}
		s.printRolls(st, now)
	}
	if t.err != nil {
		p := explain(t.err)
		s.line("")
		s.line(s.style.red(p.message))
	}
	s.line("")
}

// gaugeWidth is the width of a bar.
const gaugeWidth = 10

// gauge draws how much of something is taken.
func (s *session) gauge(used, all int) string {
	full := 0
	if all > 0 {
		full = min(gaugeWidth, (used*gaugeWidth+all-1)/all)
	}
	bar := strings.Repeat("█", full)
	switch {
	case full >= gaugeWidth*9/10:
		bar = s.style.red(bar)
	case full >= gaugeWidth/2:
		bar = s.style.yellow(bar)
	default:
		bar = s.style.green(bar)
	}
	return bar + s.style.faint(strings.Repeat("░", gaugeWidth-full))
}

// sparkline draws values as bars from 0 to the greatest of them, the newest at the right.
func sparkline(values []float64, width int) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	values = values[max(0, len(values)-max(0, width)):]
	greatest := 0.0
	for _, v := range values {
		greatest = max(greatest, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if greatest > 0 {
			i = int(v / greatest * float64(len(bars)-1))
		}
		b.WriteRune(bars[i])
	}
	return b.String()
}

// drawWorkers gives the lines of the table of workers: room of them at most.
func (t *top) drawWorkers(room int) []string {
	all := t.seen.workers
	if len(all) == 0 {
		return nil
	}
	shown := min(len(all), room-1)
	first := min(t.first, len(all)-shown)
	lines := t.render(func(s *session) { s.workersTable(all[first : first+shown]) })
	if hidden := len(all) - shown; hidden > 0 {
		lines[len(lines)-1] = t.session.style.faint(fmt.Sprintf("… %d more of %d; the arrow keys show them", hidden+1, len(all)))
	}
	return lines
}

func (t *top) drawEvents(s *session) {
	for _, e := range t.events {
		e.Output = e.Output[:min(len(e.Output), 3)]
		_ = s.event(e) // a strings.Builder takes everything
	}
}

func (t *top) drawKeys(s *session) {
	text := "q ends  space holds the picture  ↑ ↓ more workers"
	switch {
	case t.still:
		text = s.style.yellow("held") + s.style.faint("  space goes on  q ends")
	default:
		text = s.style.faint(text)
	}
	s.line(text)
}
