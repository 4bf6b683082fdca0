package daemon

import (
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
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferredFor)
	})
	if err != nil {
		return err
	}
	return failed
}
