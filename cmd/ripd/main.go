// Command ripd is an application server: it starts an app's workers and gives
// each free one the oldest waiting request. See `ripd --help`.
package main

import (
	"os"

	"ripd/internal/adapter"
	"ripd/internal/daemon"
	"ripd/internal/worker"
)

func main() {
	switch {
	case worker.IsStub(os.Args): // ripd again, on its way to become a worker
		os.Exit(worker.RunStub(os.Args, os.Environ()))
	case adapter.IsDemo(os.Args): // the demo's worker
		os.Exit(adapter.RunDemo(os.Args, os.Environ()))
	}
	os.Exit(daemon.Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
