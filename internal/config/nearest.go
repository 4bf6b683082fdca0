package config

import "strings"

// Nearest gives the candidate that is most like the name, for messages that ask "did
// you mean …?"; "" when none is like it. Case and '-' or '_' make no difference.
func Nearest(name string, candidates []string) string { return nearest(name, candidates) }

// nearest gives the candidate that is most like the name, "" when none is like
// it. Case and '-' or '_' make no difference. The first of equals wins.
func nearest(name string, candidates []string) string {
	folded := fold(name)
	best, bestDistance := "", maxDistance(folded)+1
	for _, c := range candidates {
		if d := distance(folded, fold(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// maxDistance is how many slips of the finger are forgiven: one in a short word,
// a third of the letters in a longer one.
func maxDistance(name string) int { return max(1, min(len(name)/3, 4)) }

func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// maxCompared bounds the length of what is compared, since the cost grows with
// the square of it.
const maxCompared = 64

// distance is the Damerau-Levenshtein distance in its restricted form (optimal
// string alignment): the number of bytes to insert, delete, replace, or swap
// with their neighbour. What is too long is as far away as can be.
func distance(a, b string) int {
	if len(a) > maxCompared || len(b) > maxCompared {
		return maxCompared
	}
	var rows [3][maxCompared + 1]int // the row before the last, the last, this one
	before, last, this := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		this[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			this[j] = min(last[j]+1, this[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				this[j] = min(this[j], before[j-2]+1)
			}
		}
		before, last, this = last, this, before
	}
	return last[len(b)]
}
