package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// Metric is one sample of "metrics --json".
type Metric struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  any               `json:"value"` // a number; "NaN", "+Inf" and "-Inf" are strings
}

// Metrics is what "metrics --json" prints.
type Metrics struct {
	Metrics []Metric `json:"metrics"`
}

func (s *session) metrics() *cobra.Command {
	return &cobra.Command{
		Use: "metrics [APP]", Short: "The numbers that Prometheus reads", GroupID: groupLook,
		Long:              "Metrics prints an app's metrics in the text format of Prometheus or, with --json, as JSON.",
		Example:           "  ripctl metrics shop | grep ripd_queue\n  ripctl metrics shop --json | jq '.metrics[] | select(.value > 0)'",
		Args:              optionalApp,
		ValidArgsFunction: s.completeApp,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, c, err := s.client(cmd.Context(), appOf(args))
			if err != nil {
				return err
			}
			defer c.Close()
			if !s.json {
				return c.Metrics(cmd.Context(), s.out)
			}
			var text bytes.Buffer
			if err := c.Metrics(cmd.Context(), &text); err != nil {
				return err
			}
			samples, err := readMetrics(&text)
			if err != nil {
				return err
			}
			return s.printJSON(Metrics{Metrics: samples})
		},
	}
}

// readMetrics reads the text format of Prometheus, version 0.0.4: the samples,
// not the comments.
func readMetrics(r io.Reader) ([]Metric, error) {
	all := []Metric{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		m, err := readMetric(text)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, lines.Err()
}

// readMetric reads name{label="value",…} value.
func readMetric(text string) (Metric, error) {
	bad := fmt.Errorf("not a line of metrics: %.80q", text)
	end := strings.IndexAny(text, "{ ")
	if end <= 0 {
		return Metric{}, bad
	}
	m := Metric{Name: text[:end]}
	rest := text[end:]
	if rest[0] == '{' {
		var ok bool
		if m.Labels, rest, ok = readLabels(rest[1:]); !ok {
			return Metric{}, bad
		}
	}
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return Metric{}, bad
	}
	switch v, err := strconv.ParseFloat(fields[0], 64); {
	case err != nil:
		return Metric{}, bad
	case v != v || v-v != 0: // NaN and the infinities, which JSON does not have
		m.Value = fields[0]
	default:
		m.Value = v
	}
	return m, nil
}

// readLabels reads label="value",…} and gives what follows.
func readLabels(text string) (labels map[string]string, rest string, ok bool) {
	labels = map[string]string{}
	for {
		text = strings.TrimLeft(text, ", ")
		if rest, done := strings.CutPrefix(text, "}"); done {
			return labels, rest, true
		}
		name, after, found := strings.Cut(text, `="`)
		if !found {
			return nil, "", false
		}
		var value strings.Builder
		for {
			if after == "" {
				return nil, "", false
			}
			c := after[0]
			after = after[1:]
			if c == '"' {
				break
			}
			if c == '\\' && after != "" { // \\ \" \n
				c = after[0]
				after = after[1:]
				if c == 'n' {
					c = '\n'
				}
			}
			value.WriteByte(c)
		}
		labels[name] = value.String()
		text = after
	}
}
