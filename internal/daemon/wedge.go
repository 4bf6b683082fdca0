//go:build wedge

package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

// A ripd that was built with the tag wedge is for tests of the watchdog: after
// SIGUSR2 the part that WEDGE names in the environment hangs for ever.

func (a *app) wedgeOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	a.tasks.Go(func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
			a.wedge(a.getenv("WEDGE"))
		case <-a.quit:
		}
	})
}

func (a *app) wedge(part string) {
	a.log.Warn("a part hangs from now on, as a test wants", "parts", part)
	switch part {
	case partAccept:
		a.server.Wedge()
	case partPool:
		a.server.Pool().Wedge()
	case partSupervisor:
		a.super.mail.post(func() { select {} })
	case partControl:
		a.control.Wedge()
	}
}
