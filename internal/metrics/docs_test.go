package metrics

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// Each metric that a page names, and each value of a label that it names with it, is
// one that Prometheus can find.
func TestMetricsOfTheDocsAreThere(t *testing.T) {
	types, labels := map[string]string{}, map[string]string{}
	for _, line := range ours(t) {
		parts := append(strings.Split(line, " "), "")
		types[parts[0]], labels[parts[0]] = parts[1], parts[2]
	}
	name := regexp.MustCompile(`\b(ripd_[a-z0-9_]+)(?:\{([a-z]+)=)?`)
	seen := 0
	for _, p := range testkit.Pages(t) {
		for _, m := range name.FindAllStringSubmatch(p.Text, -1) {
			seen++
			metric := m[1]
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				if whole, ok := strings.CutSuffix(metric, part); ok && types[whole] == "histogram" {
					metric = whole
				}
			}
			switch label := m[2]; {
			case types[metric] == "":
				t.Errorf("%s: there is no metric %s", p.Name, m[1])
			case label != "" && !slices.Contains(strings.Split(labels[metric], ","), label):
				t.Errorf("%s: %s has no label %s", p.Name, metric, label)
			}
		}
	}
	if seen < 60 {
		t.Errorf("the pages name metrics %d times: does this test still find them?", seen)
	}
}

// The page lists each bound that ripd_limit_hits_total counts, and no other.
func TestLimitsOfTheDocsAreCounted(t *testing.T) {
	for _, p := range testkit.Pages(t) {
		if p.Name != "docs/logging.md" {
			continue
		}
		_, row, _ := strings.Cut(p.Text, "| `ripd_limit_hits_total` | counter | `limit` |")
		row, _, _ = strings.Cut(row, "\n")
		var named []string
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1) {
			named = append(named, m[1])
		}
		known := slices.Sorted(slices.Values(knownLimits()))
		if named = slices.Sorted(slices.Values(named)); !slices.Equal(named, known) {
			t.Errorf("%s has the bounds\n%s\nand these are counted:\n%s", p.Name, strings.Join(named, " "), strings.Join(known, " "))
		}
	}
}
