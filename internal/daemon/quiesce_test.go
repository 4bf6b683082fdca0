package daemon

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// TestQuiesce connects from many goroutines while listeners end: a connection that
// was set up is accepted, and all others are refused; none is reset.
func TestQuiesce(t *testing.T) {
	for range 5 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		begun := make(chan struct{}, 64)
		for range 4 {
			clients.Go(func() {
				for {
					c, err := net.DialTimeout("tcp", l.Addr().String(), 10*time.Second)
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err != nil {
						t.Errorf("connect: %v", err)
						return
					}
					var one [1]byte
					if _, err := c.Read(one[:]); err != nil {
						t.Errorf("a connection that was set up: %v", err)
						c.Close()
						return
					}
					c.Close()
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
		}
		accepted := make(chan struct{})
		go func() {
			defer close(accepted)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if _, err := c.Write([]byte("x")); err != nil {
					t.Errorf("write: %v", err)
				}
				c.Close()
			}
		}()
		for range 20 {
			testkit.Receive(t, testkit.Timeout, begun)
		}
		quiesce([]net.Listener{l})
		l.Close()
		<-accepted
		clients.Wait()
	}
}

func TestQuiesceUnix(t *testing.T) {
	path := testkit.TempSocket(t, "x.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	quiesce([]net.Listener{l})
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the name is still there: %v", err)
	}
}
