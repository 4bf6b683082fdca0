package config

import (
	"strings"

	"ripd/internal/spelling"
)

// Nearest gives the candidate that is most like the name, for messages that ask "did
// you mean …?"; "" when none is like it. Case and '-' or '_' make no difference.
func Nearest(name string, candidates []string) string { return nearest(name, candidates) }

// nearest gives the candidate that is most like the name, "" when none is like
// it. Case and '-' or '_' make no difference. The first of equals wins.
func nearest(name string, candidates []string) string {
	folded := fold(name)
	best, bestDistance := "", maxDistance(folded)+1
	for _, c := range candidates {
		if d := spelling.Distance(folded, fold(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// maxDistance is how many slips of the finger are forgiven: one in a short word,
// a third of the letters in a longer one.
func maxDistance(name string) int { return max(1, min(len(name)/3, 4)) }

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }
