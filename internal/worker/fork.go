package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
)

// startMax bounds how long the stub may take until the program is executed. It
// takes milliseconds, unless a file system or the machine stands still.
const startMax = 10 * time.Second

// birth is a worker that is being started: what the launcher and the stub hold
// of it until the program was executed.
type birth struct {
	spec   Spec
	orders []byte
	notify *notifySocket // nil: not asked for
	offer  *offer        // nil: not asked for

	// The launcher's ends of the pipes; the stub's are in theirs, which are the
	// descriptors 0 to 4 of the child, and 5 is the socket that it is offered, or a
	// mold's.
	stdout, stderr, ordersPipe, report *os.File
	theirs                             []int
	mold                               *os.File // nil: it is none; closed by who has made it
}

// prepare makes everything that a worker needs before it is forked.
func (l *Launcher) prepare(s Spec, mold *os.File) (*birth, error) {
	b := &birth{spec: s, mold: mold}
	err := b.prepareSockets()
	if err == nil {
		err = b.prepareOrders()
	}
	if err == nil {
		err = b.openPipes()
	}
	if err != nil {
		b.discard()
		return nil, err
	}
	return b, nil
}

func (b *birth) prepareSockets() error {
	if b.spec.Socket == "" {
		if b.spec.watched() {
			return fmt.Errorf("a worker that is to be ready by %q needs a socket", b.spec.Ready)
		}
		if b.spec.Activation {
			return errors.New("a worker that is to be given its socket needs a path for it")
		}
		return nil
	}
	err := removeSocket(b.spec.Socket)
	if err == nil && (b.spec.Ready == config.ReadyAuto || b.spec.Ready == config.ReadyNotify) {
		b.notify, err = openNotify(notifyPath(b.spec.Socket))
	}
	if err == nil && b.spec.Activation {
		b.offer, err = openOffer(b.spec.Socket, b.spec.listens())
	}
	return err
}

// environment is the worker's, with what the launcher adds.
func (b *birth) environment() []string {
	if b.notify == nil {
		return b.spec.Env
	}
	return withVariable(b.spec.Env, "NOTIFY_SOCKET", b.notify.path)
}

// withVariable sets one variable in a copy of env.
func withVariable(env []string, name, value string) []string {
	name += "="
	env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return strings.HasPrefix(entry, name) })
	return append(env, name+value)
}

func (b *birth) prepareOrders() error {
	env := b.environment()
	args, err := Expand(b.spec.Command, env)
	if err != nil {
		return err
	}
	o := newOrders(b.spec, args, env)
	o.Activation, o.Mold = b.offer != nil, b.mold != nil
	b.orders, err = o.encode()
	return err
}

// output are the pipes that every worker has.
func (b *birth) output() []pipe {
	return []pipe{{&b.stdout, "stdout", true}, {&b.stderr, "stderr", true}}
}

// openPipes opens the child's descriptors in their order.
func (b *birth) openPipes() error {
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/null: %w", err)
	}
	b.theirs = append(b.theirs, null)
	return b.open(append(b.output(), pipe{&b.ordersPipe, "orders", false}, pipe{&b.report, "report", true}))
}

// pipe is one that is to be opened.
type pipe struct {
	ours **os.File
	name string
	read bool // the launcher reads
}

func (b *birth) open(pipes []pipe) error {
	for _, pipe := range pipes {
		theirs, err := openPipe(pipe.ours, pipe.name, pipe.read)
		if err != nil {
			return err
		}
		b.theirs = append(b.theirs, theirs)
	}
	return nil
}

// openPipe makes a pipe whose one end is for the launcher, not blocking and with
// deadlines, and whose other end blocks, as programs expect of their output.
func openPipe(ours **os.File, name string, read bool) (theirs int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("open a pipe for %s: %w", name, err)
	}
	mine, theirs := ends[0], ends[1]
	if !read {
		mine, theirs = theirs, mine
	}
	if err := unix.SetNonblock(mine, true); err != nil {
		unix.Close(mine)
		unix.Close(theirs)
		return 0, fmt.Errorf("open a pipe for %s: %w", name, err)
	}
	*ours = os.NewFile(uintptr(mine), name)
	return theirs, nil
}

// fork starts the stub on the launcher's thread, and follows it from then on.
func (b *birth) fork(l *Launcher, out func(Line)) (*Process, error) {
	attr := &syscall.ProcAttr{Sys: &syscall.SysProcAttr{
		// A session, not just a process group: it can be told from ripd's own for
		// ever, and has no terminal to be stopped by.
		Setsid: true,
	}}
	for _, fd := range b.theirs {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	if b.offer != nil {
		attr.Files = append(attr.Files, b.offer.socket.Fd())
	}
	if b.mold != nil {
		attr.Files = append(attr.Files, b.mold.Fd())
	}
	var pid int
	var err error
	forked := make(chan struct{})
	started := l.clock.Now()
	fork := func() {
		pid, err = syscall.ForkExec(l.stub, []string{"ripd", StubArg}, attr)
		close(forked)
	}
	l.forks <- fork // it is taken: Close waits for each Start
	<-forked
	if err != nil {
		return nil, fmt.Errorf("start ripd's own program %s as a worker: %w", l.stub, err)
	}
	b.closeTheirs()
	p := newProcess(l, b, pid, started)
	l.adopt(p)
	p.attend(out)
	return p, nil
}

// attend follows the process from now on.
func (p *Process) attend(out func(Line)) {
	p.readOutput(out)
	if p.notify != nil {
		go p.serveNotify()
	}
	go p.follow()
}

func newProcess(l *Launcher, b *birth, pid int, started time.Time) *Process {
	alive, endLife := context.WithCancel(context.Background())
	group := l.enter(b.spec, pid)
	return &Process{
		spec:     b.spec,
		pid:      pid,
		started:  started,
		launcher: l,
		family:   newFamily(pid, b.spec.Env, group, l.isLeader),
		group:    group,
		pipes:    [2]*os.File{b.stdout, b.stderr},
		notify:   b.notify,
		offer:    b.offer,
		ready:    make(chan struct{}),
		done:     make(chan struct{}),
		alive:    alive,
		endLife:  endLife,
	}
}

// converse gives the stub its orders and waits until it has executed the program
// or says why not.
func (b *birth) converse() error {
	defer b.ordersPipe.Close()
	defer b.report.Close()
	deadline := time.Now().Add(startMax)
	if err := errors.Join(b.ordersPipe.SetDeadline(deadline), b.report.SetDeadline(deadline)); err != nil {
		return fmt.Errorf("bound the start: %w", err)
	}
	_, writeErr := b.ordersPipe.Write(b.orders)
	_ = b.ordersPipe.Close() // the end of the orders
	report, err := io.ReadAll(io.LimitReader(b.report, reportMax))
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(writeErr, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the program was not executed within %v", startMax)
	}
	// A stub that is gone breaks the pipe, and its report says more than that.
	return parseReport(string(report))
}

func (b *birth) closeTheirs() {
	for _, fd := range b.theirs {
		unix.Close(fd)
	}
	b.theirs = nil
}

// discard lets go of everything when there is no process that owns it.
func (b *birth) discard() {
	b.closeTheirs()
	for _, file := range []*os.File{b.stdout, b.stderr, b.ordersPipe, b.report} {
		if file != nil {
			file.Close()
		}
	}
	if b.notify != nil {
		b.notify.close()
		os.Remove(b.notify.path)
	}
	b.offer.discard()
}
