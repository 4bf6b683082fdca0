//go:build profile

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// profileVariable names the file that a build with the tag profile writes, as `make
// pgo` makes one. Other builds have neither the variable nor the profiler.
const profileVariable = "RIPD_CPUPROFILE"

// profiled runs ripd, and writes a CPU profile from its start to its end.
func profiled(run func() int) int {
	path := os.Getenv(profileVariable)
	if path == "" {
		return run()
	}
	file, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ripd: no profile:", err)
		return 1
	}
	code := run()
	pprof.StopCPUProfile()
	if err := file.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "ripd: no profile:", err)
		return 1
	}
	return code
}
