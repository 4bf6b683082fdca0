package worker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// MoldVariable tells a program that it is a mold: it loads the app and is forked.
// Its value is the descriptor of the socket on which the launcher speaks to it.
const MoldVariable = "RIP_PRELOAD"

// What a mold says on its socket, in one message of at most moldMax bytes.
const (
	moldLoaded = "loaded"
	moldUnfit  = "unfit " // and why it cannot be forked
)

// moldMax bounds a message between the launcher and a mold, in bytes: the
// variables in which a worker differs from its mold. A socket takes that much at
// once (net.core.wmem_default is 212992).
const moldMax = 64 << 10

// ErrMoldEnded is what Fork returns when the mold cannot fork any more.
var ErrMoldEnded = errors.New("the process that has loaded the app has ended")

// Mold is a process that has loaded the app, serves nothing, and is forked to
// make workers: they are warm, and share the memory of what was loaded as long as
// none of them writes to it.
type Mold struct {
	*Process
	conn *net.UnixConn
	lock sync.Mutex // held while one fork is asked for
	// loaded is closed when the mold has said that it is ready, or why it is not.
	loaded chan struct{}
	unfit  string // set before loaded is closed
}

// StartMold starts a mold. It is like Start: the program gets MoldVariable in its
// environment, which should have neither a token nor a socket's path, since those are its workers'.
// Spec.ID is that of its lines of output.
func (l *Launcher) StartMold(s Spec, out func(Line)) (*Mold, error) {
	ours, theirs, err := socketPair("mold")
	if err != nil {
		return nil, err
	}
	s.Env = withVariable(s.Env, MoldVariable, strconv.Itoa(activationFD))
	p, err := l.start(s, theirs, out)
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, err
	}
	m := &Mold{Process: p, conn: ours, loaded: make(chan struct{})}
	go m.listen()
	return m, nil
}

// listen hears the mold until its end.
func (m *Mold) listen() {
	go func() {
		<-m.Done()
		m.conn.Close()
	}()
	text := make([]byte, moldMax)
	n, err := m.conn.Read(text)
	if err != nil || n == 0 {
		return // it has ended: Done tells
	}
	said := string(text[:n])
	if reason, unfit := strings.CutPrefix(said, moldUnfit); unfit {
		m.unfit = reason
	} else if said != moldLoaded {
		m.unfit = fmt.Sprintf("it says %q", said)
	}
	close(m.loaded)
}

// Loaded is closed when the app is loaded. It never is when the mold ends before.
func (m *Mold) Loaded() <-chan struct{} { return m.loaded }

// Unfit says why the mold cannot be forked, "" when it can. It is to be read after Loaded.
func (m *Mold) Unfit() string { return m.unfit }

// End asks the mold to end, and kills it after patience. It returns when the mold is gone.
func (m *Mold) End(patience time.Duration) {
	m.Terminate()
	select {
	case <-m.Done():
	case <-m.launcher.clock.After(patience):
		m.Kill()
		<-m.Done()
	}
}

// Fork makes a worker of the mold, once it is loaded. The Process is like one of
// Start: a child of this program, with a session, output and notify socket of its own. Of the Spec, Command
// and Dir are the mold's already; of Env the worker gets what is not in the mold's.
//
// The worker ends when this program does: it holds a socket at whose end the kernel sends
// SIGKILL.
func (m *Mold) Fork(s Spec, out func(Line)) (*Process, error) {
	l := m.launcher
	if s.Activation {
		return nil, errors.New("a forked worker opens its socket itself")
	}
	if !l.beginStart() {
		return nil, ErrClosed
	}
	defer l.starts.Done()
	b := &birth{spec: s}
	err := b.prepareSockets()
	if err == nil {
		err = b.open(b.output())
	}
	var life *net.UnixConn
	var pid int
	started := l.clock.Now()
	if err == nil {
		life, pid, err = m.order(b)
	}
	if err != nil {
		b.discard()
		return nil, m.explain(err)
	}
	p := newProcess(l, b, pid, started)
	p.life = life
	l.adopt(p)
	p.attend(out)
	if err = l.settle(p); err == nil {
		_, err = life.Write([]byte(lifeGo))
	}
	if l.isClosed() {
		err = ErrClosed
	}
	if err != nil {
		p.Kill()
		<-p.Done()
		return nil, m.explain(err)
	}
	p.watchReady()
	return p, nil
}

// settle does to a forked worker what the stub does to others.
func (l *Launcher) settle(p *Process) error {
	if p.spec.OOMScoreAdjust == nil {
		return nil
	}
	return adjustOOMScore(strconv.Itoa(p.pid), *p.spec.OOMScoreAdjust)
}

// explain says with a mold's error that it is gone, when that is why.
func (m *Mold) explain(err error) error {
	if errors.Is(err, ErrClosed) {
		return err
	}
	select {
	case <-m.Done():
		return fmt.Errorf("%w: %s", ErrMoldEnded, m.Exit())
	default:
		return fmt.Errorf("fork the loaded app: %w", err)
	}
}

// What is said on the socket of a forked worker's life. The launcher says nothing
// after lifeGo, since the worker takes whatever happens there for its end.
const (
	lifeForked = "forked" // by the worker, whose credentials come with it
	lifeGo     = "go"     // by the launcher, which has it in its books
)

// order has the mold fork, and returns the socket of the new worker's life and its PID.
func (m *Mold) order(b *birth) (*net.UnixConn, int, error) {
	message := []byte{0} // one without a byte would look like the end
	for _, entry := range b.environment() {
		name, value, _ := strings.Cut(entry, "=")
		if known, ok := lookup(m.spec.Env, name); !ok || known != value {
			message = append(append(message, entry...), 0)
		}
	}
	if len(message) > moldMax {
		return nil, 0, fmt.Errorf("the worker's variables have more than %d bytes", moldMax)
	}
	life, theirs, err := socketPair("life")
	if err != nil {
		return nil, 0, err
	}
	defer theirs.Close()
	if err = passCredentials(life); err == nil {
		rights := unix.UnixRights(append(b.theirs, int(theirs.Fd()))...)
		m.lock.Lock()
		err = m.conn.SetWriteDeadline(time.Now().Add(startMax))
		if err == nil {
			_, _, err = m.conn.WriteMsgUnix(message, rights, nil)
		}
		m.lock.Unlock()
	}
	if err != nil {
		life.Close()
		return nil, 0, err
	}
	theirs.Close() // so that the mold's end is seen
	b.closeTheirs()
	pid, err := awaitFork(life)
	if err == nil && m.launcher.isLeader(pid) {
		err = fmt.Errorf("process %d is a worker or mold already", pid)
	}
	if err != nil {
		life.Close()
		return nil, 0, err
	}
	return life, pid, nil
}

// awaitFork waits for the new worker's first word. The kernel says who spoke it; the app,
// which runs as the same user, may not name another process.
func awaitFork(life *net.UnixConn) (int, error) {
	if err := life.SetReadDeadline(time.Now().Add(startMax)); err != nil {
		return 0, err
	}
	text, control := make([]byte, len(lifeForked)), make([]byte, controlMax)
	n, controlSize, _, _, err := life.ReadMsgUnix(text, control)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, fmt.Errorf("no worker came within %v", startMax)
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET):
		return 0, errors.New("it did not fork")
	case err != nil:
		return 0, err
	}
	sender, files := parseControl(control[:controlSize])
	for _, fd := range files {
		unix.Close(fd)
	}
	if sender == nil || string(text[:n]) != lifeForked {
		return 0, fmt.Errorf("it says %q", text[:n])
	}
	pid := int(sender.Pid)
	p, err := readStat(pid)
	if err != nil || p.ppid != os.Getpid() || p.session != pid {
		return 0, fmt.Errorf("process %d is no child of ripd with a session of its own", pid)
	}
	return pid, nil
}

// socketPair makes a pair of connected sockets that keep messages apart: one for the launcher, and one,
// which blocks, for a process.
func socketPair(name string) (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a pair of sockets: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), name)
	ours := os.NewFile(uintptr(fds[0]), name)
	defer ours.Close()
	conn, err := net.FileConn(ours) // a copy of the descriptor, not blocking
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("open a pair of sockets: %w", err)
	}
	return conn.(*net.UnixConn), theirs, nil
}
