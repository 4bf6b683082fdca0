// Command ripd is an application server: it starts an app's workers and gives
// each free one the oldest waiting request. See `ripd --help`.
package main

import (
	"os"

	"ripd/internal/adapter"
	"ripd/internal/api"
	"ripd/internal/daemon"
	"ripd/internal/generator"
	"ripd/internal/systemd"
	"ripd/internal/worker"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version string

func main() {
	switch {
	case worker.IsStub(os.Args): // ripd again, on its way to become a worker
		os.Exit(worker.RunStub(os.Args, os.Environ()))
	case adapter.IsDemo(os.Args): // the demo's worker
		os.Exit(adapter.RunDemo(os.Args, os.Environ()))
	case daemon.IsGuard(os.Args): // between two ripds, of which one takes over from the other
		os.Exit(daemon.RunGuard(os.Args))
	case systemd.IsAwaitForks(os.Args): // systemd has ended a service, and is about to close its sockets
		os.Exit(systemd.RunAwaitForks())
	case generator.Is(os.Args): // systemd wants drop-ins
		os.Exit(generator.Main(os.Args, os.Stderr))
	}
	os.Exit(profiled(func() int {
		return daemon.Main(daemon.Env{
			Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr, Version: api.BuildVersion(version),
		})
	}))
}
