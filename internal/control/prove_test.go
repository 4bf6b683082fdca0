package control_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

// slowListener is one whose Accept does not come around.
type slowListener struct {
	*net.UnixListener
	hold chan struct{}
}

func (l *slowListener) Accept() (net.Conn, error) {
	<-l.hold
	return l.UnixListener.Accept()
}

func listenUnix(t *testing.T) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: testkit.TempSocket(t, "ctl.sock")})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestProve(t *testing.T) {
	app := &controltest.App{}
	s := control.NewServer(control.Options{Operator: app, Registrar: app})
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	if err := s.Prove(ctx); err != nil { // there is no door yet
		t.Error(err)
	}
	l := listenUnix(t)
	path := l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.ServeBoth(l) }()
	for range 10 {
		if err := s.Prove(ctx); err != nil {
			t.Fatal(err)
		}
		c := api.NewClient(path, "test")
		if _, err := c.Status(ctx); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := testkit.Receive(t, testkit.Timeout, served); err != nil {
		t.Error(err)
	}
	if err := s.Prove(ctx); err != nil {
		t.Error(err)
	}
}

func TestProveTellsADoorThatHangs(t *testing.T) {
	app := &controltest.App{}
	s := control.NewServer(control.Options{Operator: app, Registrar: app})
	good, slow := listenUnix(t), &slowListener{listenUnix(t), make(chan struct{})}
	served := make(chan error, 2)
	go func() { served <- s.ServeWorkers(good) }()
	go func() { served <- s.ServeOperators(slow) }()
	testkit.Eventually(t, testkit.Timeout, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		return errors.Is(s.Prove(ctx), context.DeadlineExceeded)
	}, "a proof that does not end in time")
	close(slow.hold)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	if err := s.Prove(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := testkit.Receive(t, testkit.Timeout, served); err != nil {
			t.Error(err)
		}
	}
}
