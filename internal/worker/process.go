package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/cgroup"
	"ripd/internal/config"
)

// Process is a worker's process, from its start to its end.
type Process struct {
	spec     Spec
	pid      int
	started  time.Time
	launcher *Launcher
	family   *family
	group    *cgroup.Group // nil: none of its own
	words    lastWords
	pipes    [2]*os.File // read ends of stdout and stderr
	readers  sync.WaitGroup
	notify   *notifySocket // nil: not asked for
	offer    *offer        // nil: not asked for
	life     *net.UnixConn // at whose end a forked worker ends; nil: it was not forked
	ready    chan struct{}
	done     chan struct{}
	// alive ends with the process, and with it what watches for readiness.
	alive   context.Context
	endLife context.CancelFunc

	mu      sync.Mutex
	ended   bool // the process is a zombie, or reaped: it takes no signals
	readyBy config.Ready
	status  string
	exit    Exit
}

// PID is the process's id, and that of its session and process group. It is not
// used for another process before Done.
func (p *Process) PID() int { return p.pid }

// StartedAt is when the process was forked.
func (p *Process) StartedAt() time.Time { return p.started }

// Spec is what Start was given.
func (p *Process) Spec() Spec { return p.spec }

// Done is closed once the process has ended, was reaped, and nothing of what it
// started is left. The last line of its output has been handed on then.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how the process ended; it is to be read after Done.
func (p *Process) Exit() Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// LastWords gives the last lines of output, oldest first, of both streams as
// they came: at most LastLines of them, and LastBytes together.
func (p *Process) LastWords() []string { return p.words.list() }

// ReadyC is closed once the worker was seen to be ready by notify or listen, as
// Spec.Ready asks. With config.ReadyRegister it never is.
func (p *Process) ReadyC() <-chan struct{} { return p.ready }

// ReadyBy says which sign closed ReadyC: config.ReadyNotify or
// config.ReadyListen; "" before that.
func (p *Process) ReadyBy() config.Ready {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.readyBy
}

// StatusText is what the worker said last with STATUS= to its notify socket; ""
// when it said nothing. It is as the worker wrote it, at most 256 bytes.
func (p *Process) StatusText() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Owns reports whether the living process pid is of this worker: itself, one of
// its group, or a descendant, daemonised ones included.
func (p *Process) Owns(pid int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ended && p.family.owns(pid)
}

// Usage is what the worker and its descendants use now, by the account of its
// control group where it has one. It is os.ErrProcessDone once the process has
// ended.
func (p *Process) Usage() (Usage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return Usage{}, os.ErrProcessDone
	}
	if p.group != nil {
		if u, err := groupUsage(p.group); err == nil {
			return u, nil
		}
	}
	return sumUsage(p.family.look()), nil
}

// Signal sends a signal to the whole process group. Once the process has ended
// it is os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The process is reaped after ended is set, so that the number is still its own.
	if p.ended {
		return os.ErrProcessDone
	}
	p.family.look() // those that will have left the group by the end
	if err := unix.Kill(-p.pid, sig); err != nil {
		return fmt.Errorf("send %s to worker %d (process group %d): %w", signalName(sig), p.spec.ID, p.pid, err)
	}
	return nil
}

// Terminate asks the process group to end: SIGTERM, and SIGCONT for a stopped
// one, which could not take it otherwise.
func (p *Process) Terminate() {
	p.send(syscall.SIGTERM)
	p.send(syscall.SIGCONT)
}

// Kill ends the process group: SIGKILL. Done tells when it is over.
func (p *Process) Kill() { p.send(syscall.SIGKILL) }

// send is Signal for those who could do nothing about an error: the process has
// ended, or it belongs to another user by now.
func (p *Process) send(sig syscall.Signal) {
	if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.launcher.log.Error("cannot end a worker", "worker", p.spec.ID, "error", err)
	}
}

func (p *Process) sawReady(by config.Ready) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readyBy == "" && !p.ended {
		p.readyBy = by
		close(p.ready)
	}
}

// watchReady starts what watches for the signs that Spec.Ready names; each ends
// with the process.
func (p *Process) watchReady() {
	switch {
	case p.offer != nil && p.spec.listens():
		go func() {
			if p.offer.wait(p.alive, p.launcher.clock) {
				p.sawReady(config.ReadyListen)
			}
		}()
	case p.offer != nil:
		p.offer.close()
	case p.spec.listens():
		go func() {
			if newListenWatch(p.spec.Socket, p.pid, p.launcher.clock).wait(p.alive) {
				p.sawReady(config.ReadyListen)
			}
		}()
	}
}

func (p *Process) serveNotify() {
	p.notify.serve(p.mayNotify,
		func() { p.sawReady(config.ReadyNotify) },
		func(text string) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.status = text
		})
}

// mayNotify lets only the worker's own processes speak. A short-lived one, as
// systemd-notify, may be gone when its message is read: then its user decides, who
// could do to the worker whatever he wants anyway.
func (p *Process) mayNotify(sender *unix.Ucred) bool {
	if sender.Pid <= 0 { // from a PID namespace that ripd cannot see into
		return false
	}
	if _, err := readStat(int(sender.Pid)); err != nil {
		return int(sender.Uid) == os.Geteuid()
	}
	return p.Owns(int(sender.Pid))
}

// readOutput starts a goroutine for each stream.
func (p *Process) readOutput(out func(Line)) {
	limit := p.spec.LineLimit
	if limit <= 0 {
		limit = DefaultLineLimit
	}
	for i, stream := range []string{Stdout, Stderr} {
		pipe, line := p.pipes[i], Line{Worker: p.spec.ID, PID: p.pid, Generation: p.spec.Generation, Stream: stream}
		p.readers.Go(func() {
			defer pipe.Close()
			splitLines(pipe, limit, func(text []byte, truncated bool) {
				p.words.add(text)
				line.Text, line.Truncated = text, truncated
				out(line)
			})
		})
	}
}
