package daemon

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// handshakeGrace is how long connections that are being set up get to complete
// after new ones are kept out: a round trip to a client that is not next door.
const handshakeGrace = 100 * time.Millisecond

// noInterface is the index of no network interface: the kernel counts from 1.
const noInterface = 1<<31 - 1

// quiesce keeps new connections away from listeners that are about to be closed for
// good. Closing resets what has connected and is not accepted yet, so nothing new
// must arrive between the last accept and the close. It is only for sockets that
// belong to this process alone: systemd's live on.
func quiesce(list []net.Listener) {
	for _, l := range list {
		switch l := l.(type) {
		case *net.TCPListener:
			refuse(l)
		case *net.UnixListener:
			_ = os.Remove(l.Addr().String()) // the close after it tells the same error
		}
	}
	time.Sleep(handshakeGrace)
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
