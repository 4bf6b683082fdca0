package scaffold

import (
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// Each `ripd new` on a page is one that ripd takes.
func TestCommandsOfTheDocsAreTaken(t *testing.T) {
	seen := 0
	for _, p := range testkit.Pages(t) {
		for _, c := range p.Commands("ripd") {
			if c.Args[0] != "new" || len(c.Args) == 1 {
				continue
			}
			seen++
			line := strings.Replace(strings.Join(c.Args, " "), "=NAME", "="+Adapters[0], 1)
			if _, _, err := parse(strings.Fields(line)[1:]); err != nil {
				t.Errorf("%s: ripd %s: %v", c.At, line, err)
			}
		}
	}
	if seen < 5 {
		t.Errorf("the pages have %d such commands: does this test still find them?", seen)
	}
}
