// Package spelling tells how far a misspelt word is from the one that was meant.
package spelling

// maxCompared bounds the length of what is compared, since the cost grows with
// the square of it.
const maxCompared = 64

// Distance is the Damerau-Levenshtein distance in its restricted form (optimal
// string alignment): the number of bytes to insert, delete, replace, or swap
// with their neighbour. A text of more than 64 bytes is 64 away from everything.
func Distance(a, b string) int {
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
