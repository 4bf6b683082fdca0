package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// activationName is what LISTEN_FDNAMES calls the socket: sd_listen_fds(3).
const activationName = "http"

// activationFD is the descriptor that a worker finds its socket on: the first of
// those that sd_listen_fds(3) speaks of. A mold's orders come on it.
const activationFD = 3

// activationBacklog is how many connections may wait until a worker accepts them.
// ripd itself opens no more than a worker's concurrency; the kernel has a bound of
// its own (net.core.somaxconn).
const activationBacklog = 1024

// offer is the listening socket that ripd opens in a worker's stead. ripd never
// accepts on it, and lets go of it as soon as nothing has to be seen in it: a queue
// that outlived its worker would keep clients waiting for nobody.
type offer struct {
	path   string
	socket *os.File // blocks, as systemd's do
	// probe is a connection that says nothing: the worker has begun to serve when
	// it has accepted it. nil: readiness is told in another way.
	probe net.Conn
}

// openOffer listens at path, where nothing may be. With probe, a first connection
// is in the queue already.
func openOffer(path string, probe bool) (*offer, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the worker's socket: %w", err)
	}
	o := &offer{path: path, socket: os.NewFile(uintptr(fd), path)}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		o.close()
		return nil, fmt.Errorf("bind the worker's socket %s: %w", path, err)
	}
	if err = unix.Listen(fd, activationBacklog); err == nil && probe {
		o.probe, err = net.DialTimeout("unix", path, probeTimeout)
	}
	if err != nil {
		o.discard()
		return nil, fmt.Errorf("listen on the worker's socket %s: %w", path, err)
	}
	return o, nil
}

// close lets go of ripd's side. The worker's own descriptor, and the file, stay.
func (o *offer) close() {
	if o == nil {
		return
	}
	o.socket.Close()
	if o.probe != nil {
		o.probe.Close()
	}
}

// discard is close for a socket that no worker has got.
func (o *offer) discard() {
	if o != nil {
		o.close()
		os.Remove(o.path)
	}
}

// wait reports whether the worker accepted the probe; false when ctx ended first,
// or when the socket cannot be watched. Then ripd's side is closed.
func (o *offer) wait(ctx context.Context, clock Clock) bool {
	defer o.close()
	for step := listenFirstStep; ; step = min(step*5/4, listenLastStep) {
		switch waiting, err := o.waiting(); {
		case err != nil:
			return false
		case !waiting:
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-clock.After(step):
		}
	}
}

// waiting reports whether a connection is in the socket's queue: a listening
// socket is readable as long as there is one (accept(2)).
func (o *offer) waiting() (bool, error) {
	for {
		poll := []unix.PollFd{{Fd: int32(o.socket.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return n > 0, err
	}
}

// withActivation adds the variables of sd_listen_fds(3), for the process that
// calls it and what it will execute.
func withActivation(env []string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return strings.HasPrefix(entry, "LISTEN_") })
	return append(env, "LISTEN_FDS=1", "LISTEN_FDNAMES="+activationName, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
}

// takeSocket puts the stub's socket where the worker looks for it.
func takeSocket() error {
	if !isSocket(socketFD) {
		return errors.New("the launcher gave no socket")
	}
	// The copy stays open when the program is executed.
	if err := unix.Dup3(socketFD, activationFD, 0); err != nil {
		return fmt.Errorf("pass the worker's socket: %w", err)
	}
	return nil
}

func isSocket(fd int) bool {
	var stat unix.Stat_t
	return unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFSOCK
}
