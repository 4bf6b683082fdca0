//go:build !profile

package main

// profiled runs ripd. A build with the tag profile writes a CPU profile of it.
func profiled(run func() int) int { return run() }
