package control

import (
	"crypto/sha256"
	"crypto/subtle"
)

// TokenEqual compares a presented token with the right one, in a time that
// tells neither where they differ nor how long the right one is. When the right
// one is empty, nothing equals it.
func TokenEqual(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && want != ""
}
