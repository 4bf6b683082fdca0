package api

import (
	"strings"

	"ripd/internal/spelling"
)

// Nearest gives the known word that was most likely meant by word: one that
// differs by few letters, or begins with it. "" means that none is near.
func Nearest(word string, known []string) string {
	w := strings.ToLower(word)
	best, bestDistance := "", len(w)/3+2 // "stat" is 2 from "status"; three letters may differ by 2
	for _, k := range known {
		d := spelling.Distance(w, strings.ToLower(k))
		if len(w) >= 2 && strings.HasPrefix(strings.ToLower(k), w) {
			d = min(d, 1)
		}
		if d < bestDistance && d < len(w) {
			best, bestDistance = k, d
		}
	}
	return best
}
