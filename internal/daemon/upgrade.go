package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/api"
)

// The bounds of an upgrade, beside start_timeout of the new settings.
const (
	helloWait  = 10 * time.Second // until the new program has read its settings
	readyExtra = 15 * time.Second // on top of start_timeout
	takeWait   = 10 * time.Second // until the new ripd accepts, and until systemd has taken its PID in
	heirEnd    = 10 * time.Second // for a new ripd that has failed to end by itself
	heirWords  = 64 << 10         // bytes of its standard error that are read
	heirLines  = 40               // of these in the verdict
)

// Upgrade has another ripd take over, and returns when it serves.
func (o operator) Upgrade(ctx context.Context, r api.UpgradeRequest, step func(api.Step)) api.Verdict {
	a := o.a
	refuse := func(format string, args ...any) api.Verdict {
		return api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindUpgrade, Reason: fmt.Sprintf(format, args...)}
	}
	if os.Getpid() == 1 {
		return refuse("ripd is process 1 here, and its end would end the container: replace the container instead")
	}
	binary, err := upgradeBinary(r.Binary)
	if err != nil {
		return refuse("%s", err)
	}
	w := newWatcher()
	if !a.upgrading.CompareAndSwap(false, true) {
		return refuse("another upgrade goes on")
	}
	if a.stopping.Load() || !a.heir.owns() {
		a.upgrading.Store(false)
		return refuse("ripd is stopping")
	}
	a.tasks.Go(func() {
		u := &upgrade{a: a, watcher: w, binary: binary, began: time.Now()}
		v := u.run()
		v.Took = api.Millis(time.Since(u.began))
		if !v.OK {
			a.metrics.Upgraded(string(v.Verdict))
			a.log.Error("the upgrade failed: this ripd goes on", "reason", v.Reason, "output", strings.Join(v.Output, "\n"))
			a.broker.note(api.EventUpgrade, "failed: "+v.Reason)
			a.upgrading.Store(false)
		}
		w.end(v)
	})
	return w.watch(ctx, a.super.done, api.KindUpgrade, step)
}

// upgradeBinary finds the program to go on with.
func upgradeBinary(asked string) (string, error) {
	path := asked
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return "", fmt.Errorf("ripd does not know its own program: %w", err)
		}
		path = strings.TrimSuffix(path, " (deleted)")
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("the program to go on with: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return "", fmt.Errorf("%s is not a program", path)
	}
	return path, nil
}

// upgrade is the old ripd's side of one.
type upgrade struct {
	a       *app
	watcher *watcher
	binary  string
	began   time.Time

	given handover
	files []uintptr // the child's descriptors, in order
	close []int     // to be closed here once it runs
	words *os.File  // its standard error
	link  *link
	guard int           // the process between both; see guard.go
	pid   int           // the new ripd's; 0 until it has said hello
	ended chan struct{} // closed when it was reaped
	exit  syscall.WaitStatus
	hello said
}

func (u *upgrade) step(kind api.StepKind, format string, args ...any) {
	u.watcher.step(api.Step{Kind: kind, PID: u.pid, Message: fmt.Sprintf(format, args...)})
}

// run does the upgrade and gives the verdict.
func (u *upgrade) run() api.Verdict {
	v := api.Verdict{Verdict: api.VerdictFailed, Kind: api.KindUpgrade}
	if err := u.start(); err != nil {
		v.Reason = err.Error()
		return v
	}
	u.a.log.Info("upgrade: another ripd is started", "program", u.binary)
	u.a.broker.note(api.EventUpgrade, "another ripd is started: "+u.binary)
	err := u.prove()
	if err == nil {
		err = u.handOver()
	}
	if err != nil {
		v.Verdict, v.Reason = api.VerdictRolledBack, err.Error()
		u.end()
		v.Output = u.lastWords()
		return v
	}
	u.leave()
	return api.Verdict{OK: true, Verdict: api.VerdictDone, Kind: api.KindUpgrade, Generation: u.given.Generation, PID: u.pid, Version: u.hello.Version}
}

// start starts the new ripd with everything that it is to take over.
func (u *upgrade) start() error {
	defer func() {
		for _, fd := range u.close {
			unix.Close(fd)
		}
	}()
	a := u.a
	err := a.super.ask(func() {
		s := a.super
		u.given = handover{Parent: os.Getpid(), Epoch: a.heir.epoch() + 1, Generation: s.generation + 1,
			Count: s.release.config.Workers.Count, Wanted: s.wanted, Maintained: s.maintained}
		for _, sl := range s.slots {
			if sl.drained {
				u.given.Drained = append(u.given.Drained, sl.id)
			}
		}
	})
	if err != nil {
		return err
	}
	if err := u.collect(); err != nil {
		return fmt.Errorf("prepare what is handed over: %w", err)
	}
	variable, err := u.given.encode()
	if err != nil {
		return err
	}
	words := append([]string{"ripd", GuardArg, strconv.Itoa(len(u.files)), u.binary}, a.args...)
	u.guard, err = syscall.ForkExec("/proc/self/exe", words, &syscall.ProcAttr{
		Env: append(heirEnvironment(a.environ), variable), Files: u.files,
	})
	if err != nil {
		u.link.close()
		u.words.Close()
		return fmt.Errorf("start ripd's own program: %w", err)
	}
	u.ended = make(chan struct{})
	go func() {
		defer close(u.ended)
		for {
			if _, err := syscall.Wait4(u.guard, &u.exit, 0, nil); !errors.Is(err, syscall.EINTR) {
				return
			}
		}
	}()
	return nil
}

// heirEnvironment leaves out what systemd has said to this process alone.
func heirEnvironment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		return strings.HasPrefix(entry, "LISTEN_") || strings.HasPrefix(entry, "WATCHDOG_PID=")
	})
}

// collect opens the descriptors that the new ripd gets. They are copies.
func (u *upgrade) collect() (err error) {
	a := u.a
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	u.close = append(u.close, null)
	words, err := unix.MemfdCreate("ripd-stderr", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	u.words = os.NewFile(uintptr(words), "ripd-stderr")
	u.files = []uintptr{uintptr(null), 1, uintptr(words)}
	for _, f := range a.fronts {
		for _, l := range f.list {
			if err := u.listener(f.name, l, f.own); err != nil {
				return err
			}
		}
	}
	for _, l := range a.operatorDoor {
		if err := u.listener(roleOperators, l, false); err != nil {
			return err
		}
	}
	if err := u.listener(roleFront, a.frontDoor, true); err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	u.close = append(u.close, pair[1])
	if u.link, err = newLink(pair[0]); err != nil {
		return err
	}
	u.add(roleLink, pair[1], false)
	u.add(roleStderr, 2, false)
	// The lock's own descriptor: its file description is what holds the lock.
	u.add(roleLock, int(a.lock.file.Fd()), false)
	return nil
}

func (u *upgrade) listener(role string, l net.Listener, own bool) error {
	fd, err := descriptorOf(l)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Addr(), err)
	}
	u.close = append(u.close, fd)
	u.add(role, fd, own)
	return nil
}

func (u *upgrade) add(role string, fd int, own bool) {
	u.given.Files = append(u.given.Files, handedFile{Role: role, FD: len(u.files), Own: own})
	u.files = append(u.files, uintptr(fd))
}

// prove waits until the new ripd is ready to serve.
func (u *upgrade) prove() error {
	m, err := u.await(saidHello, time.Now().Add(helloWait))
	if err != nil {
		return err
	}
	u.hello, u.pid = m, m.PID
	u.step(api.StepStarting, "ripd %s: starting its workers, process %d", m.Version, u.pid)
	if _, err = u.await(saidReady, time.Now().Add(m.Limit.Duration()+readyExtra)); err != nil {
		return err
	}
	u.step(api.StepReady, "ripd %s: its workers are ready, after %s", m.Version, show(time.Since(u.began)))
	return nil
}

// await reads the link until what was said, and passes steps on.
func (u *upgrade) await(what string, until time.Time) (said, error) {
	late := time.NewTimer(time.Until(until))
	defer late.Stop()
	for {
		select {
		case m, ok := <-u.link.in:
			switch {
			case !ok:
				return said{}, u.endedBefore(what)
			case m.What == what:
				return m, nil
			case m.What == saidStep && m.Step != nil:
				u.watcher.step(*m.Step)
			}
		case <-late.C:
			if what == saidHello {
				return said{}, errors.New("the new program did not take over: it is no ripd, or one that cannot")
			}
			return said{}, fmt.Errorf("the new ripd was not %s in time", what)
		case <-u.a.halt:
			return said{}, errors.New("ripd is stopping")
		}
	}
}

// endedBefore says how the new ripd has ended, when it has.
func (u *upgrade) endedBefore(what string) error {
	select {
	case <-u.ended:
		how := fmt.Sprintf("exit status %d", u.exit.ExitStatus())
		if sig := u.exit.ExitStatus() - exitSignal; sig > 0 {
			how = "signal: " + syscall.Signal(sig).String()
		}
		return fmt.Errorf("the new ripd ended before it was ready: %s", how)
	case <-time.After(heirEnd):
		return fmt.Errorf("the new ripd broke off before it was %s", what)
	}
}

// handOver has the new ripd accept, and makes it the main process.
func (u *upgrade) handOver() error {
	if err := u.link.say(said{What: saidGo}); err != nil {
		return u.endedBefore(saidServing)
	}
	if _, err := u.await(saidServing, time.Now().Add(takeWait)); err != nil {
		return err
	}
	if err := u.release(); err != nil {
		return err
	}
	if err := u.a.notifier.MainPID(u.pid, takeWait); err != nil {
		return err
	}
	return nil
}

// leave gives the names away and begins this ripd's end.
func (u *upgrade) leave() {
	a := u.a
	a.handedOver.Store(true)
	a.lock.lent = true
	setOwnFile(a.frontDoor, false)
	for _, l := range a.listeners() {
		setOwnFile(l, false)
	}
	if err := u.link.say(said{What: saidMain}); err != nil {
		a.log.Warn("the new ripd does not listen", "error", err.Error())
	}
	a.scrapes.Close() // who asks from now on is told of the new one
	u.words.Close()
	a.linked = u.link // until the end: that is how the new one knows of it
	a.log.Info("upgrade: another ripd serves; this one finishes what it has", "pid", u.pid, "version", u.hello.Version)
	a.tasks.Go(a.closeACME) // the other one asks for certificates, and needs the locks
	a.requestStop(fmt.Sprintf("process %d has taken over", u.pid))
}

// end ends a new ripd that has failed, with its workers and its files.
func (u *upgrade) end() {
	u.link.conn.Close()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL} {
		if closed(u.ended) {
			break // its number may mean another process
		}
		_ = syscall.Kill(u.guard, sig)
		select {
		case <-u.ended:
		case <-time.After(heirEnd):
		}
	}
	u.link.close()
	u.a.sweepGroups(u.given.Epoch)
	prefix := heirPrefix(u.a.config.SocketPrefix, u.given.Epoch)
	if err := removeSockets(u.a.dir, prefix); err != nil {
		u.a.log.Warn("the failed ripd's sockets stay", "error", err.Error())
	}
	_ = os.RemoveAll(filepath.Join(u.a.dir, prefix+".programs"))
}

// lastWords reads the end of what the new ripd has written on standard error.
func (u *upgrade) lastWords() []string {
	defer u.words.Close()
	info, err := u.words.Stat()
	if err != nil {
		return nil
	}
	buf := make([]byte, min(info.Size(), heirWords))
	n, _ := u.words.ReadAt(buf, info.Size()-int64(len(buf)))
	text := strings.TrimSpace(strings.ToValidUTF8(string(buf[:n]), "?"))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-heirLines):]
}
