package proxy_test

import (
	"context"
	"net"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// proves waits until a proof of the accepting has ended.
func (r *rig) proves() {
	r.t.Helper()
	proved := make(chan struct{})
	go func() { r.server.ProveAccepting(); close(proved) }()
	testkit.Eventually(r.t, testkit.Timeout, func() bool {
		select {
		case <-proved:
			return true
		default:
			return false
		}
	}, "the proof")
}

// A proof needs no connection, and takes none from a client.
func TestProveAccepting(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(echo))
	socket := testkit.TempSocket(t, "http.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- r.server.Serve(l) }()
	defer func() {
		r.stop(testkit.Timeout)
		if err := testkit.Receive(t, testkit.Timeout, served); err != proxy.ErrClosed {
			t.Errorf("Serve returned %v", err)
		}
		r.proves() // at the end there is nothing to prove
	}()
	for range 20 {
		r.proves()
		c := r.dial()
		c.get("/x", 200, "/x")
		u, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
	}
	if n := r.server.Stats().Connections; n > 40 {
		t.Errorf("%d connections", n)
	}
}

// While all places are taken nobody accepts, as it should be.
func TestProveAcceptingWhileFull(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) { o.Config.Limits.Connections = 1 })
	release := make(chan struct{})
	r.worker(func(c net.Conn) { <-release; handler(echo)(c) })
	c := r.dial()
	c.write("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
	testkit.Eventually(t, testkit.Timeout, func() bool {
		s := r.server.Stats()
		return s.Connections == 1 && s.Idle == 0
	}, "a connection that is busy")
	late := r.dial() // waits in the backlog
	late.write("GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for range 5 {
		r.proves()
	}
	close(release)
	if res, body := c.read("GET"); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	r.proves()
	if res, body := late.read("GET"); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// Proofs that go on during a stop end with it.
func TestProveAcceptingDuringStop(t *testing.T) {
	r := newRig(t, nil)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				return
			default:
				r.server.ProveAccepting()
			}
		}
	}()
	r.proves()
	r.stop(testkit.Timeout)
	close(quit)
	testkit.Eventually(t, testkit.Timeout, func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}, "the last proof")
}

func TestSecondStopWaitsForTheFirst(t *testing.T) {
	r := newRig(t, nil)
	r.worker(handler(echo))
	r.dial().get("/x", 200, "/x")
	first := r.stop(testkit.Timeout)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if again := r.server.Stop(ctx); again != first {
		t.Errorf("%+v, and then %+v", first, again)
	}
	if again := r.server.Leave(ctx); again != first {
		t.Errorf("%+v, and then %+v", first, again)
	}
}
