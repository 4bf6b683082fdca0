package daemon

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// deferredFor is for how long the kernel keeps a connection back on which nothing has come,
// in seconds (TCP_DEFER_ACCEPT): all of ripd's clients speak first. It then asks the
// client once more whether it is there, and hands the connection over. A second is the
// least; what follows its SYN later than that is no ordinary client's.
const deferredFor = 1

// deferAccept has the kernel keep connections back until the client's first bytes have
// come. A silent one costs ripd nothing meanwhile, and takes no place. Up to the
// listener's backlog are kept so, and live on as what waits in the backlog does when
// another process goes on with the socket; more than that come as they always did.
// Other sockets than TCP's stay as they are.
func deferAccept(l net.Listener) error {
	if tcp, ok := l.(*net.TCPListener); ok {
		return keepBack(tcp, deferredFor)
	}
	return nil
}

// keepBack has the kernel keep connections back for so many seconds. With 0 those come at
// once whose handshake is completed from then on; those that are kept back already come
// with their first bytes or after their time, as before.
func keepBack(l *net.TCPListener, seconds int) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds)
	})
	return errors.Join(err, failed)
}
