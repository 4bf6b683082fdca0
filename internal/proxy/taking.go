package proxy

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// taking follows whether a peer goes on to take what the kernel has for it. The zero value has
// not looked yet.
type taking struct {
	left  int           // bytes that it had not taken at the last look
	since time.Duration // when that was another number
}

// look returns how much is left.
func (t *taking) look(to syscall.RawConn, now time.Duration) (left int) {
	if left = unsent(to); left != t.left {
		t.left, t.since = left, now
	}
	return left
}

// goesOn looks, and reports whether something is left of which the peer has taken a part within
// lingerTime.
func (t *taking) goesOn(to syscall.RawConn, now time.Duration) bool {
	return t.look(to, now) > 0 && now-t.since < lingerTime
}

// unsent is how many bytes the kernel has that the peer has not taken.
func unsent(to syscall.RawConn) (n int) {
	_ = to.Control(func(fd uintptr) { // an error: it is closed, which reading or writing tells
		n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) // a socket has one
	})
	return n
}
