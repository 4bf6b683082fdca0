package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ripd/internal/config"
	"ripd/internal/journal"
	"ripd/internal/pool"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// closeRecorder echoes, and tells the code of the close frame that it was sent.
func closeRecorder(codes chan<- uint16) func(net.Conn) {
	return func(c net.Conn) {
		var seen bytes.Buffer
		echoSocket(recording{c, &seen})
		br := bufio.NewReader(&seen)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		for {
			f, err := readFrame(br)
			if err != nil {
				return
			}
			if f.op == opClose && f.masked && len(f.data) == 2 {
				codes <- binary.BigEndian.Uint16(f.data)
			}
		}
	}
}

// recording keeps what was read.
type recording struct {
	net.Conn
	seen *bytes.Buffer
}

func (r recording) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.seen.Write(b[:n])
	return n, err
}

// Both sides of a tunnel whose worker retires get a close frame, and the worker is
// idle only then.
func TestUpgradeOfRetiringWorkerIsClosed(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		codes := make(chan uint16, 1)
		w := r.worker(closeRecorder(codes))
		s := r.socket()
		s.echoed("before")
		if err := r.server.Pool().Retire(w); err != nil {
			t.Fatal(err)
		}
		s.closed(1001)
		if code := testkit.Receive(t, testkit.Timeout, codes); code != 1001 {
			t.Fatal(code)
		}
		testkit.Eventually(t, testkit.Timeout, func() bool { return len(r.idle()) == 1 })
	})
}

// keeps wants nothing to happen to a tunnel in some rounds of the janitor.
func (r *rig) keeps() {
	r.t.Helper()
	testkit.Eventually(r.t, testkit.Timeout, func() bool { return r.server.Stats().Upgraded == 1 }) // it is counted behind its 101
	if testkit.Within(600*time.Millisecond, func() bool { return len(r.idle()) > 0 || r.server.Stats().Upgraded != 1 }) {
		r.t.Fatalf("%d tunnels, %d workers idle", r.server.Stats().Upgraded, len(r.idle()))
	}
}

// idle returns the workers that were told to be idle.
func (r *rig) idle() (workers []*pool.Worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == pool.Idle {
			workers = append(workers, e.Worker)
		}
	}
	return workers
}

// A drained worker's tunnels live on for upgrade_drain, and for ever if it is resumed.
func TestUpgradeOfDrainedWorkerWaits(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		upgradeSettings(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	})
	w := r.worker(echoSocket)
	s := r.socket()
	if err := r.server.Pool().Retire(w); err != nil {
		t.Fatal(err)
	}
	r.keeps()
	s.echoed("it lives")
	s.send(true, opClose, []byte{0x03, 0xe8})
	s.want(true, opClose, []byte{0x03, 0xe8})
	s.ends()
	testkit.Eventually(t, testkit.Timeout, func() bool { return len(r.idle()) == 1 })
}

// Code that has been replaced (reload mode process) keeps no tunnel.
func TestUpgradeOfOldCodeIsClosed(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		upgradeSettings(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	})
	r.worker(echoSocket)
	s := r.socket()
	r.server.Pool().Require(2)
	s.closed(1001)
}

// The close frame waits for the end of the frame that is on its way.
func TestCloseFrameAtABoundary(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		half := make(chan struct{}, 1)
		big := frame{fin: true, op: opBinary, data: bytes.Repeat([]byte("z"), 100_000)}
		w := r.worker(func(c net.Conn) {
			br := bufio.NewReader(c)
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			b := append([]byte(switching(req.Header.Get("Sec-WebSocket-Key"))), big.append(nil)...)
			_, _ = c.Write(b[:50_000])
			half <- struct{}{}
			// The other direction is at a boundary: its close frame comes first.
			if f, err := readFrame(br); err != nil || f.op != opClose || !f.masked {
				t.Errorf("%+v %v", f, err)
			}
			_, _ = c.Write(append(b[50_000:], frame{fin: true, op: opText, data: []byte("too late")}.append(nil)...))
			_, _ = io.Copy(io.Discard, br)
		})
		s := r.socket()
		testkit.Receive(t, testkit.Timeout, half)
		if err := r.server.Pool().Retire(w); err != nil {
			t.Fatal(err)
		}
		s.want(true, opBinary, big.data)
		s.closed(1001)
	})
}

// A peer that never answers the close frame holds nobody.
func TestClosingOfStubbornPeers(t *testing.T) {
	for _, protocol := range []string{"websocket", "foo"} {
		t.Run(protocol, func(t *testing.T) {
			r := newRig(t, upgradeSettings)
			w := r.worker(func(c net.Conn) {
				br := bufio.NewReader(c)
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, strings.Replace(switching(req.Header.Get("Sec-WebSocket-Key")), "websocket", protocol, 1))
				_, _ = io.Copy(io.Discard, br)
			})
			c := r.dial()
			c.write(strings.Replace(upgradeHead, "websocket", protocol, 1))
			c.switched()
			if err := r.server.Pool().Retire(w); err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(c.br)
			want := ""
			if protocol == "websocket" {
				want = "\x88\x02\x03\xe9"
			}
			if err != nil || string(b) != want {
				t.Fatalf("%q %v", b, err)
			}
			testkit.Eventually(t, testkit.Timeout, func() bool { return len(r.idle()) == 1 })
		})
	}
}

func TestUpgradeIdleLimit(t *testing.T) {
	bothWays(t, func(o *proxy.Options) { o.Config.Timeouts.UpgradeIdle = 100 * time.Millisecond }, func(t *testing.T, r *rig) {
		r.worker(echoSocket)
		r.socket().closed(1001)
	})
}

func TestMessageIsTooLarge(t *testing.T) {
	bothWays(t, func(o *proxy.Options) { o.Config.Limits.Body = 1000 }, func(t *testing.T, r *rig) {
		codes := make(chan uint16, 1)
		r.worker(closeRecorder(codes))
		s := r.socket()
		s.send(false, opText, bytes.Repeat([]byte("x"), 900))
		s.want(false, opText, bytes.Repeat([]byte("x"), 900))
		s.send(true, opPing, []byte("in between"))
		s.want(true, opPong, []byte("in between"))
		s.send(true, 0, bytes.Repeat([]byte("x"), 101))
		s.closed(1009)
		if code := testkit.Receive(t, testkit.Timeout, codes); code != 1001 {
			t.Fatal(code)
		}
		s = r.socket()
		s.write("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff1234")
		s.closed(1002)
	})
}

// A stop closes tunnels at once; leaving to another process waits for them.
func TestStopClosesTunnels(t *testing.T) {
	bothWays(t, func(o *proxy.Options) {
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	}, func(t *testing.T, r *rig) {
		r.worker(echoSocket)
		s := r.socket()
		stopped := make(chan proxy.StopReport, 1)
		go func() { stopped <- r.stop(testkit.Timeout) }()
		s.closed(1001)
		s.Close()
		if report := testkit.Receive(t, testkit.Timeout, stopped); report.Cut != 0 {
			t.Fatalf("%+v", report)
		}
	})
}

func TestLeavingKeepsTunnels(t *testing.T) {
	r := newRig(t, func(o *proxy.Options) {
		upgradeSettings(o)
		o.Config.Timeouts.UpgradeDrain, o.Config.Workers.StopTimeout = time.Hour, 2*time.Hour
	})
	r.worker(echoSocket)
	s := r.socket()
	left := make(chan proxy.StopReport, 1)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	go func() { left <- r.server.Leave(ctx) }()
	r.keeps()
	s.echoed("it lives")
	s.send(true, opClose, nil)
	s.want(true, opClose, nil)
	s.ends()
	s.Close()
	if report := testkit.Receive(t, testkit.Timeout, left); report.Cut != 0 {
		t.Fatalf("%+v", report)
	}
}

// A side that does not read holds up the other one, and no more than the buffers of
// the sockets and one of ripd's own is on its way.
func TestTunnelHoldsBack(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		var written atomic.Int64
		r.worker(func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
				return
			}
			_, _ = io.WriteString(c, other)
			b := make([]byte, 64<<10)
			for range 2000 {
				n, err := c.Write(b)
				written.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n")
		c.switched()
		last := int64(0)
		for testkit.Within(300*time.Millisecond, func() bool { return written.Load() != last }) {
			last = written.Load()
		}
		if last >= 2000*64<<10 {
			t.Fatal("everything was taken though nobody reads")
		}
		if n, err := io.Copy(io.Discard, c.br); err != nil || n != 2000*64<<10 {
			t.Fatal(n, err)
		}
	})
}

// A worker or a client that goes away ends the tunnel for the other.
func TestTunnelEndsWithEitherSide(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		ended := make(chan struct{}, 8)
		r.worker(func(c net.Conn) {
			echoSocket(c)
			ended <- struct{}{}
		})
		s := r.socket()
		s.echoed("x")
		s.Close()
		testkit.Receive(t, testkit.Timeout, ended)
		cut := make(chan net.Conn, 1)
		r.worker(func(c net.Conn) {
			select {
			case cut <- c:
			default:
			}
			echoSocket(c)
		})
		r.idleSlots(2)
		r.dial().get("/a", 200, "/a") // the slot that was idle longest: the first one
		s = r.socket()
		s.echoed("y")
		testkit.Receive(t, testkit.Timeout, cut).Close()
		s.ends()
	})
}

// The client of a request that waits in the queue leaves, or ends its side.
func TestUpgradeInTheQueue(t *testing.T) {
	r := newRig(t, upgradeSettings)
	hold := make(chan struct{})
	r.worker(func(c net.Conn) {
		<-hold
		echoSocket(c)
	})
	blocked := r.dial()
	blocked.write("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
	queued := func(n int) {
		t.Helper()
		testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Pool().Snapshot(r.server.Now()).QueueLength == n })
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.inFlight() == 1 })
	gone := r.dial()
	gone.write(upgradeHead)
	queued(1)
	gone.Close()
	queued(0)
	stays := r.dial()
	stays.write(upgradeHead)
	queued(1)
	close(hold)
	if _, body := blocked.read("GET"); !strings.Contains(body, "/first") {
		t.Fatal(body)
	}
	stays.switched()
	(&socket{stays}).echoed("after the queue")
}

// The client leaves while the worker thinks about it; the worker then agrees.
func TestUpgradeForNobody(t *testing.T) {
	bothWays(t, nil, func(t *testing.T, r *rig) {
		asked, agree, over := make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
		w := r.worker(func(c net.Conn) {
			br := bufio.NewReader(c)
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			asked <- struct{}{}
			<-agree
			_, _ = io.WriteString(c, other)
			_, _ = io.Copy(io.Discard, br)
			over <- struct{}{}
		})
		c := r.dial()
		c.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n")
		testkit.Receive(t, testkit.Timeout, asked)
		c.Close()
		agree <- struct{}{}
		testkit.Receive(t, testkit.Timeout, over)
		testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Pool().Info(w, r.server.Now()).Upgraded == 0 })
	})
}

// The access record is written when the tunnel ends.
func TestUpgradeIsRecorded(t *testing.T) {
	lines := make(chan string, 8)
	var log *journal.AccessLog
	r := newRig(t, func(o *proxy.Options) {
		upgradeSettings(o)
		log = journal.NewAccessLog(journal.AccessOptions{Mode: config.AccessJSON, Out: lineWriter(lines), App: "test"})
		o.Access = log
	})
	t.Cleanup(func() { log.Close() })
	r.worker(echoSocket)
	s := r.socket()
	s.echoed("12345")
	select {
	case line := <-lines:
		t.Fatalf("recorded too early: %s", line)
	default:
	}
	s.send(true, opClose, nil)
	s.want(true, opClose, nil)
	s.ends()
	line := testkit.Receive(t, testkit.Timeout, lines)
	for _, part := range []string{`"status":101`, `"path":"/chat"`, `"bytes_in":17`, `"bytes_out":9`, `"worker":1`} {
		if !strings.Contains(line, part) {
			t.Errorf("%s is not in %s", part, line)
		}
	}
}

// lineWriter passes each line on.
type lineWriter chan<- string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
