//go:build !race

package proxy_test

// raceEnabled tells that the race detector is in this binary.
const raceEnabled = false
