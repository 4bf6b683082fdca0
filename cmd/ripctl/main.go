// Ripctl is the remote control of ripd.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"ripd/internal/api"
	"ripd/internal/cli"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, cli.Env{
		Args:    os.Args[1:],
		Environ: os.Environ(),
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Version: api.BuildVersion(version),
	})
	stop()
	os.Exit(code)
}
