package api

import "strings"

// Nearest gives the known word that was most likely meant by word: one that
// differs by few letters, or begins with it. "" means that none is near.
func Nearest(word string, known []string) string {
	if len(word) > 64 {
		return "" // the distance costs len(word) * len(known word), and nobody meant this
	}
	w := strings.ToLower(word)
	best, bestDistance := "", len(w)/3+2 // "stat" is 2 from "status"; three letters may differ by 2
	for _, k := range known {
		d := distance(w, strings.ToLower(k))
		if len(w) >= 2 && strings.HasPrefix(strings.ToLower(k), w) {
			d = min(d, 1)
		}
		if d < bestDistance && d < len(w) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the single-byte insertions, removals, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
