package daemon

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// handshakeGrace is how long connections that are being set up get to complete
	// after new ones are kept out: a round trip to a client that is not next door.
	handshakeGrace = 100 * time.Millisecond
	// comingMost bounds how long quiesce waits for those that take longer. What is kept back
	// comes when the kernel has asked the client once more, and has its answer: 1.02 s
	// after its SYN on the loopback (Linux 6.18).
	comingMost = deferredFor*time.Second + 5*handshakeGrace
)

// noInterface is the index of no network interface: the kernel counts from 1.
const noInterface = 1<<31 - 1

// quiesce keeps new connections away from listeners that are about to be closed for
// good, and returns when what the kernel has of older ones is there to be accepted.
// Closing resets what has connected and is not accepted yet, so nothing must arrive
// between the last accept and the close. It is only for sockets that belong to this
// process alone: systemd's live on. Whoever accepts goes on with it meanwhile.
func quiesce(list []net.Listener) {
	ports := map[string]bool{}
	for _, l := range list {
		switch l := l.(type) {
		case *net.TCPListener:
			refuse(l)
			_ = keepBack(l, 0) // an error: then it comes later
			ports[portInTable(l.Addr().(*net.TCPAddr).Port)] = true
		case *net.UnixListener:
			_ = os.Remove(l.Addr().String()) // the close after it tells the same error
		}
	}
	for begin := time.Now(); ; {
		time.Sleep(handshakeGrace)
		if time.Since(begin) >= comingMost || !coming(ports) {
			return
		}
	}
}

// coming reports whether a connection to one of the ports is set up, or kept back, and is
// therefore not to be accepted yet. Nothing else tells that ends with them: what is set up
// is in no queue that the listener would know of. Where the kernel's table cannot be read,
// there may be one.
func coming(ports map[string]bool) (found bool) {
	if len(ports) == 0 {
		return false
	}
	err := tcpTable(func(f tableLine) {
		found = found || f.state() == stateSetUp && ports[f.port()]
	})
	return found || err != nil
}

// refuse ties a listener to an interface that does not exist (SO_BINDTOIFINDEX,
// since Linux 5.1): the kernel refuses what comes now, as if nobody listened, and
// completes what has begun. On an older kernel closing is what it always was: a
// connection may be reset in a moment of microseconds.
func refuse(l *net.TCPListener) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, noInterface)
	})
}
