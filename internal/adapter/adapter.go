// Package adapter holds the programs inside of ripd's binary that are workers.
// The demo is one, a small Go worker with which ripd shows what
// it does when there is no app to serve. It is an ordinary worker: it serves
// HTTP on SOCKET_PATH, registers itself on the control socket when it can
// answer, and leaves cleanly on SIGTERM and SIGINT.
package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"ripd/internal/config"
)

// DemoArg is the hidden first argument with which ripd starts itself to become
// the demo's worker.
const DemoArg = "--demo-worker"

// Exit codes of the demo's worker.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitCrash  = 70 // of /crash; EX_SOFTWARE of sysexits.h, so that it is told from a real failure
)

// Bounds of the demo's server. Its only client is ripd, on a socket that
// nobody else can open; they are there for when it is run by hand.
const (
	headMax      = 64 << 10         // of a request's head, in bytes; ripd's own limit is 32 KB
	idleMax      = 24 * time.Hour   // ripd lets go of idle connections long before, so that it never meets a closed one
	shutdownMost = 10 * time.Minute // for requests that run at the end; stop_timeout ends it before
)

// serialVariable tells a program of ripd's own, with the value 1, to take its
// requests one after the other (workers.serial).
const serialVariable = "RIP_SERIAL"

// DemoEnv is what the demo's worker is told besides the variables of every worker.
func DemoEnv(c *config.Config) map[string]string {
	if !c.Workers.Serial {
		return nil
	}
	return map[string]string{serialVariable: "1"}
}

// IsDemo reports whether the program was started as the demo's worker. args are
// those of os.Args, the program's name included.
func IsDemo(args []string) bool { return len(args) == 2 && args[1] == DemoArg }

// RunDemo is the demo's worker, from its start to its exit code. environ is the
// worker's environment: SOCKET_PATH is needed, the other variables of ripd's
// worker protocol are used where they are set.
func RunDemo(args, environ []string) int {
	w := workerFrom(environ)
	if !IsDemo(args) || w.socket == "" {
		fmt.Fprintln(os.Stderr, "ripd: "+DemoArg+" is for ripd's own use: try `ripd demo`")
		return exitUsage
	}
	// One request at a time needs one processor; more only wake each other.
	runtime.GOMAXPROCS(1)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if err := serveDemo(ctx, w, os.Stderr, os.Exit); err != nil {
		fmt.Fprintln(os.Stderr, "demo worker:", err)
		return exitFailed
	}
	return exitOK
}

// inTurn makes a handler take its requests one after the other, in the order in
// which they came: a channel's senders wait in line.
func inTurn(serial bool, h http.Handler) http.Handler {
	if !serial {
		return h
	}
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turn <- struct{}{}:
		case <-r.Context().Done():
			return // ripd has given it up
		}
		defer func() { <-turn }()
		h.ServeHTTP(w, r)
	})
}

// serveDemo serves until ctx ends, then finishes what runs.
func serveDemo(ctx context.Context, w worker, logTo io.Writer, exit func(int)) error {
	l, err := net.Listen("unix", w.socket)
	if err != nil {
		return err
	}
	logger := log.New(logTo, "", 0)
	server := &http.Server{
		Handler:        inTurn(w.serial, demoHandler(w, logger, exit)),
		MaxHeaderBytes: headMax,
		IdleTimeout:    idleMax,
		ErrorLog:       logger,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(directListener{l}) }()

	// Told to end meanwhile, it may be registered all the same, and serve already.
	if err := w.register(ctx); err != nil && ctx.Err() == nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// Deregistering comes first: from then on ripd sends nothing, and closing
	// the idle connections cannot meet a new request.
	if err := w.deregister(); err != nil {
		logger.Print("demo worker: deregister: ", err)
	}
	end, cancel := context.WithTimeout(context.Background(), shutdownMost)
	defer cancel()
	return server.Shutdown(end)
}
