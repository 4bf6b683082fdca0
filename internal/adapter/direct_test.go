package adapter

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ripd/internal/testkit"
)

// directPair returns both ends of a connection over a unix socket.
func directPair(t *testing.T) (direct, peer net.Conn) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	peer, err = net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	direct, err = directListener{l}.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { direct.Close() })
	return direct, peer
}

func TestDirectConnectionWaitsForASlowReader(t *testing.T) {
	direct, peer := directPair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 256<<10) // more than a socket holds
	written := make(chan error, 1)
	go func() {
		n, err := direct.Write(sent)
		if err == nil && n != len(sent) {
			err = io.ErrShortWrite
		}
		written <- errors.Join(err, direct.Close())
	}()
	got, err := io.ReadAll(peer)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came, %v", len(got), len(sent), err)
	}
	if err := testkit.Receive(t, testkit.Timeout, written); err != nil {
		t.Error(err)
	}
}

func TestDirectConnectionReads(t *testing.T) {
	direct, peer := directPair(t)
	// net/http ends a read that waits by a deadline in the past, and goes on later.
	if err := direct.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	var b [8]byte
	var timeout net.Error
	if _, err := direct.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("after the deadline: %v", err)
	}
	if err := direct.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if n, err := direct.Read(nil); n != 0 || err != nil {
		t.Errorf("reading nothing: %d, %v", n, err)
	}
	io.WriteString(peer, "hello")
	if n, err := direct.Read(b[:]); string(b[:n]) != "hello" || err != nil {
		t.Errorf("%q, %v", b[:n], err)
	}
	peer.Close()
	if n, err := direct.Read(b[:]); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	var failed *net.OpError
	if _, err := direct.Write(b[:]); !errors.As(err, &failed) || failed.Op != "write" {
		t.Errorf("writing to nobody: %v", err)
	}
	direct.Close()
	if _, err := direct.Read(b[:]); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after closing: %v", err)
	}
}
