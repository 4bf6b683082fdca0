package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/api"
)

func processID() int { return os.Getpid() }

// The bounds of the end, beside the settings.
const (
	// stopMargin is added to the time that the supervisor needs at the most to
	// end every worker.
	stopMargin = 5 * time.Second
	// atOnce bounds what is done after a second signal.
	atOnce = time.Second
)

// listenToSignals begins to take signals, which serve then obeys: one that comes
// during the start is not lost, and leaves nothing half done.
func (a *app) listenToSignals() {
	a.signals = make(chan os.Signal, 4)
	signal.Notify(a.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	// A reader of the log that goes away is no reason to end, as SIGPIPE on standard
	// output would be (os/signal). Ignoring it instead would be inherited by workers.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
}

// serve runs the app until it is told to stop, and returns the exit code.
func (a *app) serve() int {
	defer signal.Stop(a.signals)
	if a.heir == nil {
		a.greeting.hello(a)
	}
	a.run()

	code := exitOK
	finished := make(chan struct{})
	stop := func(why string) {
		if a.stopping.CompareAndSwap(false, true) {
			go func() {
				defer close(finished)
				a.shutDown(why)
			}()
		}
	}
	for {
		select {
		case got := <-a.signals:
			sig, _ := got.(syscall.Signal)
			switch {
			case sig == syscall.SIGUSR1: // for logrotate(8), without a roll
				a.reopen()
			case sig == syscall.SIGHUP && !a.terminalGone():
				a.reload()
			case a.stopping.Load():
				a.endAtOnce()
				return exitSignal + int(sig)
			default:
				stop(unix.SignalName(sig))
			}
		case why := <-a.asked:
			stop(why)
		case err := <-a.failed:
			if !a.stopping.Load() {
				a.log.Error("ripd cannot go on", "error", err.Error())
				code = exitFailed
			}
			stop("a failure")
		case <-finished:
			return code
		}
	}
}

// terminalGone tells whether ripd was started on a terminal that has been closed:
// then SIGHUP means the end, and not a reload.
func (a *app) terminalGone() bool {
	f, ok := a.out.(*os.File)
	if !a.look.Terminal || !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err != nil
}

// reload is SIGHUP: it opens the access log's file anew, reads the settings again,
// and rolls.
func (a *app) reload() {
	if a.stopping.Load() {
		return
	}
	a.reopen()
	a.log.Info("SIGHUP: reading the settings again")
	a.tellSystemd(a.notifier.Reloading(""))
	a.tasks.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-a.quit:
			case <-ctx.Done():
			}
			cancel()
		}()
		operator{a}.Roll(ctx, api.KindReload, func(api.Step) {})
		a.tellSystemd(a.notifier.Ready("")) // the status line has the verdict
	})
}

// requestStop asks for the end, once.
func (a *app) requestStop(why string) {
	select {
	case a.asked <- why:
	default:
	}
}

// shutDown ends ripd: it answers what was accepted, then ends the workers.
func (a *app) shutDown(why string) {
	began := time.Now()
	close(a.halt)
	if a.handedOver.Load() { // operators find the other one; workers may still have a door
		a.frontDoor.Close()
		closeAll(a.operatorDoor)
	}
	timeout := a.config.Workers.StopTimeout
	a.tellSystemd(a.notifier.Stopping(a.lastStatus()))
	a.tellSystemd(a.notifier.ExtendTimeout(2*timeout + killWait + stopMargin))
	a.broker.note(api.EventStopping, why)
	snap := a.server.Pool().Snapshot(a.server.Now())
	running := 0
	for _, w := range snap.Workers {
		running += w.InFlight
	}
	hint := ""
	if a.plainLines() {
		hint = "; once more ends at once"
	}
	a.log.Info("stopping: finishing what runs"+hint, "reason", why, "in_flight", running, "queued", snap.QueueLength)

	answered := a.server.Stats().Answered
	end := a.server.Stop
	if a.handedOver.Load() || !a.heir.owns() {
		end = a.server.Leave
	} else {
		a.quiesce() // takes none of the time of what runs
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	report := end(ctx)
	cancel()
	answered = a.server.Stats().Answered - answered // quiesce may have taken a while
	workers, killed := a.endWorkers(timeout)
	if a.hasty.Load() {
		return // a second signal has ended it meanwhile
	}
	a.stopTook = time.Since(began)
	a.farewell = fmt.Sprintf("%s answered, %s closed, %s ended, in %s", plural(int(answered), "request"),
		plural(report.Closed, "connection"), plural(workers, "worker"), show(a.stopTook))
	if report.Cut > 0 || report.Refused > 0 || killed > 0 {
		a.farewell += fmt.Sprintf(" (by force, after stop_timeout: %s cut, %s refused, %s killed)",
			plural(report.Cut, "connection"), plural(report.Refused, "request"), plural(killed, "worker"))
	}
	a.log.Info("stopped: " + a.farewell)
	close(a.stopped)
	a.close()
}

// endWorkers ends every worker, and returns how many there were and how many had
// to be killed.
func (a *app) endWorkers(timeout time.Duration) (workers, killed int) {
	err := a.super.ask(func() {
		a.super.instances(func(*instance) { workers++ })
		a.super.beginStop()
	})
	if err != nil {
		return workers, 0
	}
	select {
	case <-a.super.done:
		a.molds.close()
	case <-time.After(timeout + killWait + stopMargin):
		a.log.Error("some workers do not end")
		return workers, 0
	}
	return workers, a.super.killed
}

// endAtOnce is the second signal: workers are killed, nothing is waited for.
func (a *app) endAtOnce() {
	a.hasty.Store(true)
	a.log.Warn("ending at once: what ran is cut off")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.launcher.Close() // its workers die with ripd in any case
	}()
	select {
	case <-done:
	case <-time.After(atOnce):
	}
	a.closeDoors()
	a.removeFiles(!a.heir.alone())
	a.lock.release()
	_ = a.journal.Close()
}

// closeDoors closes the listening sockets.
func (a *app) closeDoors() {
	for _, l := range []net.Listener{a.frontDoor, a.workerDoor} {
		if l != nil {
			l.Close()
		}
	}
	closeAll(a.operatorDoor)
	closeAll(a.listeners())
}

// removeFiles removes what a killed worker has left, of this ripd's own workers
// alone while another ripd, a newer or an older one, has files of these names.
func (a *app) removeFiles(older bool) {
	if a.handedOver.Load() || !a.heir.owns() || older {
		_ = removeSockets(a.dir, a.workerPrefix())
		return
	}
	_ = removeStale(a.dir, a.config.SocketPrefix)
}

// close takes down what open has made, in the opposite order.
func (a *app) close() {
	if a.quit != nil {
		close(a.quit)
	}
	if a.broker != nil {
		a.broker.close()
	}
	if a.control != nil {
		if err := a.control.Close(); err != nil {
			a.log.Debug("closing the control socket", "error", err.Error())
		}
	}
	if a.scrapes != nil {
		a.scrapes.Close()
	}
	if a.molds != nil {
		a.molds.close()
	}
	if a.launcher != nil {
		if err := a.launcher.Close(); err != nil {
			a.log.Warn("closing the launcher", "error", err.Error())
		}
	}
	if a.server != nil && !a.stopping.Load() { // it was never served
		ctx, cancel := context.WithTimeout(context.Background(), atOnce)
		a.server.Stop(ctx)
		cancel()
	}
	a.closeDoors()
	older := !a.heir.alone()
	if a.heir != nil {
		a.heir.link.conn.Close() // ends inherit
	}
	a.tasks.Wait()
	a.closeACME()
	if a.handed != nil {
		a.handed.Close()
	}
	if a.notifier != nil {
		a.notifier.Close()
	}
	if a.dir != "" && a.lock != nil {
		a.removeFiles(older)
		_ = a.programs.Remove()
	}
	a.lock.release()
	if a.linked != nil {
		a.linked.close()
	}
	if a.signals != nil {
		signal.Stop(a.signals)
	}
	if a.journal != nil {
		_ = a.journal.Close() // there is nowhere left to report it
	}
}
