package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ripd/internal/api"
)

func (s *session) workers() *cobra.Command {
	return &cobra.Command{
		Use: "workers [APP]", Short: "An app's workers, one a line", GroupID: groupLook,
		Long: `Workers shows the processes of an app: id, process, generation, state, requests in
flight, upgraded connections (WebSockets) and streams without a slot if there are some, requests handled, memory,
CPU time, age, and what they do now or did last. On a narrow terminal the least
important columns are left out; --json has them all.`,
		Example:           "  ripctl workers\n  ripctl workers shop --json | jq '.workers[] | select(.inFlight > 0)'",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			list, err := c.Workers(cmd.Context())
			if err != nil {
				return err
			}
			if s.json {
				return s.printJSON(list)
			}
			s.workersTable(list.Workers)
			return nil
		},
	}
}

// workerCount is a column that is shown where one of the workers has something in it.
type workerCount struct {
	title string
	of    func(api.Worker) int
}

func (s *session) workersTable(workers []api.Worker) {
	t := table{columns: []column{
		{title: "ID", right: true},
		{title: "PID", right: true, rank: 3},
		{title: "GEN", right: true, rank: 5},
		{title: "STATE"},
		{title: "IN FLIGHT", right: true, rank: 4},
		{title: "HANDLED", right: true, rank: 7},
		{title: "MEMORY", right: true, rank: 1},
		{title: "CPU", right: true, rank: 8},
		{title: "AGE", right: true, rank: 2},
		{title: "RESTARTS", right: true, rank: 9},
		{title: "LAST REQUEST", rank: 6, least: 12},
	}}
	more := []workerCount{
		{"RELEASED", func(w api.Worker) int { return w.Released }},
		{"UPGRADED", func(w api.Worker) int { return w.Upgraded }},
	}
	more = slices.DeleteFunc(more, func(c workerCount) bool {
		return !slices.ContainsFunc(workers, func(w api.Worker) bool { return c.of(w) > 0 })
	})
	for _, c := range more {
		t.columns = slices.Insert(t.columns, 5, column{title: c.title, right: true, rank: 4})
	}
	for _, w := range workers {
		row := s.workerRow(w)
		for _, c := range more {
			row = slices.Insert(row, 5, count(c.of(w)))
		}
		t.rows = append(t.rows, row)
	}
	t.paint = func(row, col int, text string) string {
		if col == 3 {
			return s.style.state(workers[row], text)
		}
		return text
	}
	t.print(&s.console)
}

// workerRow gives the cells of one worker.
func (s *session) workerRow(w api.Worker) []string {
	pid, generation, memory, cpu, age := "-", "-", "-", "-", "-"
	if w.Generation > 0 {
		generation = fmt.Sprint(w.Generation)
	}
	if w.PID > 0 {
		pid = fmt.Sprint(w.PID)
		cpu, age = span(w.CPU.Duration()), span(w.Age.Duration())
	}
	if w.Memory > 0 {
		memory = size(w.Memory)
	}
	return []string{
		fmt.Sprint(w.ID), pid, generation, stateWord(w),
		count(w.InFlight), count(w.Handled), memory, cpu, age, count(w.Restarts), s.doing(w),
	}
}

// doing says what a worker does now, or when it did something last.
func (s *session) doing(w api.Worker) string {
	now := s.env.Now()
	switch {
	case w.InFlight > 0 && w.Request != "":
		return fmt.Sprintf("%s for %s", clean(w.Request), span(w.RunningFor.Duration()))
	case w.State == api.WorkerWaiting && !w.NextStart.IsZero():
		return "starts " + until(w.NextStart, now)
	case w.LastRequest.IsZero():
		return "-"
	}
	return ago(w.LastRequest, now)
}

// stateWord gives the state for people: a ready worker with a request is busy.
func stateWord(w api.Worker) string {
	if w.State == api.WorkerReady && w.InFlight > 0 {
		return "busy"
	}
	return clean(string(w.State))
}

// state colours a text by the state of a worker.
func (s style) state(w api.Worker, text string) string {
	switch w.State {
	case api.WorkerReady:
		if w.InFlight > 0 {
			return s.cyan(text)
		}
		return s.green(text)
	case api.WorkerFailed, api.WorkerWaiting:
		return s.red(text)
	}
	return s.yellow(text)
}
