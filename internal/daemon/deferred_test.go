package daemon

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// deferring opens a listener that keeps silent connections back, and connects n clients.
func deferring(t *testing.T, n int) (l *net.TCPListener, clients []net.Conn) {
	t.Helper()
	any, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = any.(*net.TCPListener)
	t.Cleanup(func() { l.Close() })
	if err := deferAccept(l); err != nil {
		t.Fatal(err)
	}
	_ = l.SetDeadline(time.Now().Add(testkit.Timeout))
	for range n {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		clients = append(clients, c)
	}
	return l, clients
}

// accepted reads the one byte that a client has sent.
func accepted(t *testing.T, l net.Listener) byte {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
	var one [1]byte
	if _, err := io.ReadFull(c, one[:]); err != nil {
		t.Fatal(err)
	}
	return one[0]
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// A client that says nothing for long is handed over all the same, and one that says
// something then is heard.
func TestDeferredConnectionsCome(t *testing.T) {
	l, clients := deferring(t, 2)
	send(t, clients[1], "b")
	if got := accepted(t, l); got != 'b' {
		t.Fatalf("%q", got)
	}
	late, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if late.RemoteAddr().String() != clients[0].LocalAddr().String() {
		t.Fatalf("%v has come, not %v", late.RemoteAddr(), clients[0].LocalAddr())
	}
	send(t, clients[0], "a")
	_ = late.SetDeadline(time.Now().Add(testkit.Timeout))
	var one [1]byte
	if _, err := io.ReadFull(late, one[:]); err != nil || one[0] != 'a' {
		t.Fatal(one, err)
	}
}

// What is kept back when ripd's own sockets begin to end is there to be accepted when they
// are closed, whether or not it has said something by then.
func TestDeferredConnectionsSurviveQuiesce(t *testing.T) {
	l, clients := deferring(t, 6)
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		quiesce([]net.Listener{l})
	}()
	late, sent := clients[:3], clients[3:]
	pause := time.NewTicker(2 * handshakeGrace)
	defer pause.Stop()
	for _, c := range sent {
		testkit.Receive(t, testkit.Timeout, pause.C)
		send(t, c, "a")
	}
	testkit.Closed(t, testkit.Timeout, quiet)
	var there []net.Conn
	for range clients {
		there = append(there, acceptWaiting(t, l))
	}
	l.Close()
	for _, c := range late {
		send(t, c, "a")
	}
	for _, c := range there {
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		if n, err := io.Copy(c, io.LimitReader(c, 1)); n != 1 || err != nil {
			t.Error(n, err)
		}
	}
	for _, c := range clients {
		_ = c.SetDeadline(time.Now().Add(testkit.Timeout))
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
}

// acceptWaiting accepts without waiting.
func acceptWaiting(t *testing.T, l *net.TCPListener) net.Conn {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	fd := -1
	err = raw.Control(func(at uintptr) { fd, _, failed = unix.Accept4(int(at), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC) })
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "accepted")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Nobody is waited for where nobody comes.
func TestNobodyComes(t *testing.T) {
	before := time.Now()
	l, clients := deferring(t, 1)
	ports := map[string]bool{portInTable(l.Addr().(*net.TCPAddr).Port): true}
	if !coming(ports) && time.Since(before) < deferredFor*time.Second { // else it has come by itself
		t.Error("a connection that is kept back is not seen")
	}
	send(t, clients[0], "a")
	accepted(t, l)
	if coming(ports) {
		t.Error("an accepted connection is waited for")
	}
}

// What is kept back is the next process's when that goes on with the socket.
func TestDeferredConnectionsGoOver(t *testing.T) {
	l, clients := deferring(t, 1)
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	heir, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	l.Close()
	send(t, clients[0], "a")
	if got := accepted(t, heir); got != 'a' {
		t.Fatalf("%q", got)
	}
}

// Sockets of another kind are left alone.
func TestDeferNothingOnUnixSockets(t *testing.T) {
	l, err := net.Listen("unix", testkit.TempSocketDir(t)+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := deferAccept(l); err != nil {
		t.Fatal(err)
	}
}
