package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"ripd/internal/api"
)

// heir is this ripd's side of an upgrade in which it takes over. A ripd that was
// started by itself has none (nil).
type heir struct {
	*handover
	link   *link
	main   chan struct{} // closed when the names are this ripd's
	gone   chan struct{} // closed when the old ripd has ended
	served bool          // inherit's own: "go" was said
}

// newHeir takes the link over.
func newHeir(d *handover) (*heir, error) {
	if d == nil {
		return nil, nil
	}
	l, err := newLink(d.fd(roleLink))
	if err != nil {
		return nil, err
	}
	return &heir{handover: d, link: l, main: make(chan struct{}), gone: make(chan struct{})}, nil
}

// owns tells whether the names are this ripd's. They always are without an upgrade.
func (h *heir) owns() bool { return h == nil || closed(h.main) }

// alone tells that no older ripd is left.
func (h *heir) alone() bool { return h == nil || closed(h.gone) }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// epoch counts the upgrades since a start; 0 is that of the start.
func (h *heir) epoch() int {
	if h == nil {
		return 0
	}
	return h.Epoch
}

// greet tells the old ripd that this one can take over.
func (h *heir) greet(a *app) error {
	if h == nil {
		return nil
	}
	return h.link.say(said{What: saidHello, PID: os.Getpid(), Version: a.version, Limit: api.Millis(a.config.Workers.StartTimeout)})
}

// note passes something to know on to whoever asked for the upgrade.
func (h *heir) note(kind api.StepKind, worker int, format string, args ...any) {
	if h == nil {
		return
	}
	// A link that has ended is noticed by inherit.
	_ = h.link.say(said{What: saidStep, Step: &api.Step{Kind: kind, Worker: worker, Message: fmt.Sprintf(format, args...)}})
}

// takeNames takes the lock over. Settings that now mean other names cannot: the
// sockets have the old ones.
func (h *heir) takeNames(dir, prefix string) (*nameLock, error) {
	path := filepath.Join(dir, prefix+".lock")
	f := os.NewFile(uintptr(h.fd(roleLock)), path)
	if f == nil || !sameFile(f, path) {
		return nil, fmt.Errorf("the name, the variant or the folder of the sockets is another one now (%s): that takes a stop and a start", path)
	}
	return &nameLock{file: f, path: path, lent: true}, nil
}

// heirPrefix begins the names of the workers' sockets: two ripds that serve the
// same app at the same time have different ones.
func heirPrefix(prefix string, epoch int) string {
	if epoch == 0 {
		return prefix
	}
	return prefix + ".u" + strconv.Itoa(epoch)
}

// workerPrefix begins the names of this ripd's workers' sockets.
func (a *app) workerPrefix() string { return heirPrefix(a.config.SocketPrefix, a.heir.epoch()) }

// inheritListeners takes the clients' sockets over.
func (a *app) inheritListeners() (err error) {
	a.notes = append([]string(nil), a.config.Notes()...)
	for i := range a.fronts {
		f := &a.fronts[i]
		if f.list, err = a.heir.listeners(f.name); err != nil {
			return err
		}
		f.own = slices.ContainsFunc(a.heir.Files, func(file handedFile) bool { return file.Role == f.name && file.Own })
		for _, note := range a.unserved(f) {
			a.notes = append(a.notes, note)
			a.heir.note(api.StepNote, 0, "%s", note)
		}
	}
	return nil
}

// inheritControl takes the control sockets over, and opens a door for this ripd's
// own workers, who must not meet the old one while both run.
func (a *app) inheritControl() error {
	front, err := a.heir.listeners(roleFront)
	if err != nil {
		return err
	}
	if len(front) != 1 {
		closeAll(front)
		return errors.New("the control socket was not handed over")
	}
	a.frontDoor, a.controlPath = front[0], front[0].Addr().String()
	if a.operatorDoor, err = a.heir.listeners(roleOperators); err != nil {
		return err
	}
	if len(a.operatorDoor) > 0 {
		a.controlPath = a.operatorDoor[0].Addr().String()
	}
	a.workerPath = filepath.Join(a.dir, a.workerPrefix()+".work.sock")
	if a.workerDoor, err = openUnix(a.workerPath); err != nil {
		return err
	}
	return os.Chmod(a.workerPath, 0o600)
}

// adopt gives the workers what operators have made of the old ones, and numbers
// that go on.
func (h *heir) adopt(s *supervisor) {
	if h == nil {
		return
	}
	s.generation, s.release.generation = h.Generation, h.Generation
	if c := s.release.config.Workers; h.Wanted > 0 && h.Wanted != h.Count && c.Count == h.Count {
		s.auto = false
		s.resize(h.Wanted)
	}
	for _, id := range h.Drained {
		if sl := s.find(id); sl != nil {
			sl.drained = true
		}
	}
	if h.Maintained {
		s.maintain(true)
	}
}

// unserved says what of listen.http or listen.https only new sockets could bring.
func (a *app) unserved(f *front) []string {
	addresses, asked := f.addresses(a.config)
	if !asked && (len(addresses) == 0 || len(f.list) > 0) || slices.ContainsFunc(a.heir.Files, func(f handedFile) bool { return f.Role == roleOperators }) {
		return nil // a port that ripd chose, or sockets that are systemd's
	}
	var open, notes []string
	for _, l := range f.list {
		open = append(open, l.Addr().String())
	}
	for _, address := range addresses {
		at := address.Path
		if address.Network != "unix" {
			if address.Port == 0 {
				return nil
			}
			at = address.Listen()
		}
		i := slices.IndexFunc(open, func(o string) bool { return sameAddress(o, at) })
		if i < 0 {
			notes = append(notes, fmt.Sprintf("listen.%s: %s needs a new socket: it takes a stop and a start", f.name, address))
			continue
		}
		open = slices.Delete(open, i, i+1)
	}
	for _, o := range open {
		notes = append(notes, fmt.Sprintf("listen.%s: %s stays open until a stop and a start", f.name, o))
	}
	return notes
}

// sameAddress compares the address of an open socket with one of the settings,
// where all interfaces have several names.
func sameAddress(open, setting string) bool {
	any := func(s string) string {
		for _, host := range []string{"0.0.0.0", "[::]"} {
			if rest, found := strings.CutPrefix(s, host+":"); found {
				return ":" + rest
			}
		}
		return s
	}
	return open == setting || any(open) == any(setting)
}

// settled is told when all workers of the start are ready or have failed.
// The supervisor's goroutine calls it.
func (h *heir) settled(a *app) {
	for _, sl := range a.super.slots {
		if sl.removing || sl.current != nil && sl.current.phase.serves() {
			continue
		}
		reason := fmt.Sprintf("worker %d does not start: %s", sl.id, sl.crash.exit)
		a.say(reason, sl.crash.words)
		a.fail(errors.New(reason))
		return
	}
	if err := h.link.say(said{What: saidReady}); err != nil {
		a.fail(errors.New("the ripd that hands over has ended"))
	}
}

// say writes why ripd gives up on its standard error, which is what whoever has
// started it reads.
func (a *app) say(reason string, words []string) {
	for _, word := range words {
		fmt.Fprintln(a.errOut, word)
	}
	fmt.Fprintln(a.errOut, "ripd: "+reason)
}

// inherit follows the link until the old ripd has ended.
func (a *app) inherit() {
	h := a.heir
	defer func() {
		close(h.gone)
		if h.owns() && !a.stopping.Load() {
			a.sweepGroups(h.epoch() - 1)
		}
	}()
	for m := range h.link.in {
		switch m.What {
		case saidGo:
			h.served = true
			a.serveAll()
			_ = h.link.say(said{What: saidServing}) // an end of the link is noticed here
		case saidMain:
			a.becomeMain()
		}
	}
	switch {
	case !h.served:
		a.fail(errors.New("the ripd that hands over has ended"))
	case !h.owns() && !a.stopping.Load():
		a.becomeMain()
	}
}

// becomeMain makes the names this ripd's, and tells the world.
func (a *app) becomeMain() {
	h := a.heir
	if h.owns() {
		return
	}
	if fd := h.fd(roleStderr); fd >= 0 {
		if err := unix.Dup3(fd, 2, 0); err != nil {
			a.log.Warn("standard error stays with the upgrade", "error", err.Error())
		}
		unix.Close(fd)
	}
	a.lock.lent = false
	if err := a.lock.sign(); err != nil {
		a.log.Warn("the lock file cannot be written", "error", err.Error())
	}
	setOwnFile(a.frontDoor, true)
	for _, f := range a.fronts {
		for i, l := range f.list {
			setOwnFile(l, h.own(f.name, i))
		}
	}
	close(h.main)
	a.notifier.Speak()
	a.tellSystemd(a.notifier.Ready(a.firstStatus()))
	a.metrics.Upgraded(string(api.VerdictDone))
	a.greeting.hello(a)
}

// inherited tells whether a process belongs to the old ripd's workers and not
// to this one's. They may still register and deregister at the socket whose
// name is this ripd's now; that needs no answer but yes.
func (h *heir) inherited(pid int) bool {
	if h == nil || h.alone() {
		return false
	}
	for ; pid > 1; pid = parentOf(pid) {
		switch pid {
		case os.Getpid():
			return false
		case h.Parent:
			return true
		}
	}
	return false
}
