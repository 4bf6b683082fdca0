package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// slowReader is a client whose kernel keeps little for it.
func (r *rig) slowReader() net.Conn {
	r.t.Helper()
	plain, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { plain.Close() })
	_ = plain.(*net.TCPConn).SetReadBuffer(128 << 10) // more than a segment on the loopback
	_ = plain.SetDeadline(time.Now().Add(testkit.Timeout))
	if r.cert == nil {
		return plain
	}
	return tls.Client(plain, r.cert.Client("test.example"))
}

// pacedReader reads little at a time, for a while, and then calls then, once.
type pacedReader struct {
	io.Reader
	pause *time.Ticker
	until time.Time
	then  func()
}

func (p *pacedReader) Read(b []byte) (int, error) {
	if p.then != nil {
		<-p.pause.C
		b = b[:min(len(b), 4<<10)]
		if time.Now().After(p.until) {
			p.then()
			p.then = nil
		}
	}
	return p.Reader.Read(b)
}

// TestLastAnswerArrivesWhole has a client that is slow with a large answer send its next request
// when ripd, as far as that goes, is done with the connection. Nothing is lost of the answer.
func TestLastAnswerArrivesWhole(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, c := range []struct {
			name, field string
			stop, idle  bool
			slow        time.Duration // longer than it took ripd to close the connection
		}{
			{"stop", "", true, false, 1500 * time.Millisecond},
			{"close", "Connection: close\r\n", false, false, 3 * time.Second},
			{"idle", "", false, true, 3 * time.Second},
		} {
			t.Run(fmt.Sprintf("%s, TLS %v", c.name, secure), func(t *testing.T) {
				t.Parallel()
				start := newRig
				if secure {
					start = newSecureRig
				}
				r := start(t, func(o *proxy.Options) {
					if c.idle {
						o.Config.Timeouts.ClientIdle = 300 * time.Millisecond
					}
				})
				const size = 2 << 20
				r.worker(handler(func(*http.Request) string { return ok(strings.Repeat("b", size)) }))
				client := r.slowReader()
				request := "GET / HTTP/1.1\r\nHost: a\r\n" + c.field + "\r\n"
				if _, err := io.WriteString(client, request); err != nil {
					t.Fatal(err)
				}
				// The kernel has what the client has not.
				testkit.Eventually(t, testkit.Timeout, func() bool { s := r.server.Stats(); return s.Answered == 1 && r.inFlight() == 0 })
				stopped := make(chan proxy.StopReport, 1)
				ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
				defer cancel()
				if c.stop {
					go func() { stopped <- r.server.Stop(ctx) }()
				}
				pause := time.NewTicker(20 * time.Millisecond)
				defer pause.Stop()
				br := bufio.NewReader(&pacedReader{client, pause, time.Now().Add(c.slow), func() {
					_, _ = io.WriteString(client, request) // ripd may have ended its side, but takes it
				}})
				res, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
					t.Fatalf("%d bytes, %v", n, err)
				}
				// The next one is answered, or the connection ends properly.
				if res, err := http.ReadResponse(br, nil); err == nil {
					if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size || !res.Close {
						t.Fatalf("the next answer: %d bytes, %v, close %v", n, err, res.Close)
					}
				} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				client.Close()
				if c.stop {
					if report := testkit.Receive(t, testkit.Timeout, stopped); report.Cut > 0 {
						t.Errorf("%+v", report)
					}
				}
			})
		}
	}
}
