package proxy_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

func TestSlowlorisHeads(t *testing.T) {
	s := newSiege(t, func(o *proxy.Options) { o.Config.Timeouts.ClientHeader = time.Second })
	all, end := s.crowd(300, "GET / HTTP/1.1\r\nHost: a\r\nX: ")
	quiet := drip(all)
	s.attacked(300)
	s.told("timeouts.client_header", 300)
	quiet()
	end()
	s.over()
}

func TestSlowBodies(t *testing.T) {
	for _, buffering := range []bool{true, false} {
		s := newSiege(t, func(o *proxy.Options) {
			o.Config.Timeouts.ClientBody, o.Config.Proxy.RequestBuffering = time.Second, buffering
			o.Config.Queue.Size, o.Config.Queue.Timeout = 1000, time.Minute
		})
		// Bodies that are not buffered hold workers: they have their time, and no more.
		n := map[bool]int{true: 300, false: 20}[buffering]
		all, end := s.crowd(n, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
		quiet := drip(all)
		s.attacked(map[bool]int{true: 300, false: 10}[buffering])
		s.told("timeouts.client_body", n)
		quiet()
		end()
		s.over()
	}
}

func TestSlowReaders(t *testing.T) {
	s := newSiege(t, func(o *proxy.Options) {
		o.Config.Timeouts.ClientWrite, o.Config.Queue.Size, o.Config.Queue.Timeout = time.Second, 1000, time.Minute
	})
	_, end := s.crowd(100, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
	s.attacked(200)
	end()
	s.over()

	// What kernels keep for a connection is not the spool's: an answer beyond both
	// bounds makes the worker wait, and is cut off.
	s = newSiege(t, func(o *proxy.Options) {
		o.Config.Timeouts.ClientWrite, o.Config.Limits.Buffer, o.Config.Limits.ResponseSpool = time.Second, 1000, 64<<10
	})
	unix := s.dialUnix()
	unix.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
	s.attacked(100)
	s.told("timeouts.client_write", 1)
	s.told("limits.response_spool", 1)
	unix.Close()
	s.over()
}

// TestIdleCrowd has ten thousand clients that say nothing; fewer where the process
// may not open that many descriptors, or where the race detector counts goroutines.
func TestIdleCrowd(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(10_000, int(min(limit.Cur, 1<<20))/2-500)
	if raceEnabled {
		n = min(n, 5000)
	}
	s := newSiege(t, func(o *proxy.Options) { o.Config.Limits.Connections = 20_000 })
	before := resident(t)
	_, end := s.crowd(n, "")
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.server.Stats().Connections >= n })
	t.Logf("%d idle connections take %d KB each, the client's side included", n, (resident(t)-before)/n/1024)
	s.attacked(300)
	end()
	s.over()
}

// resident is the size of this process in memory, in bytes.
func resident(t testing.TB) int {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// A flood beyond limits.connections: the idle ones make room for those that ask.
func TestConnectionFlood(t *testing.T) {
	s := newSiege(t, func(o *proxy.Options) { o.Config.Limits.Connections = 50 })
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			var held []net.Conn
			for {
				select {
				case <-stop:
					for _, c := range held {
						c.Close()
					}
					return
				default:
				}
				if c, err := net.DialTimeout("tcp", s.addr, time.Second); err == nil {
					held = append(held, c)
				}
				if len(held) > 100 {
					held[0].Close()
					held = held[1:]
				}
			}
		})
	}
	end := sync.OnceFunc(func() { close(stop); group.Wait() })
	defer end()
	s.report(s.probe(10, false)) // a connection that is kept makes room like any other
	if n := s.server.Stats().Connections; n > 50 {
		t.Errorf("%d connections", n)
	}
	s.told("limits.connections", 1)
	end()
	s.over()
}

// The folder of temporary files is full: requests whose bodies need it are refused,
// answers wait in memory at their client's pace, and others do not notice.
func TestDiskFull(t *testing.T) {
	testkit.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("ripd-test", dir, "tmpfs", 0, "size=64k"); err != nil {
		testkit.Lacking(t, "cannot mount a small file system: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := newSiege(t, func(o *proxy.Options) {
		o.SpoolDir, o.Config.Limits.Buffer = dir, 1000
		o.Config.Queue.Size = 1000
	})
	body := strings.Repeat("u", 200_000)
	var uploads sync.WaitGroup
	for range 10 {
		c := s.dial()
		uploads.Go(func() {
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			// The answer may be lost in the reset that follows what was not read.
			if res, err := http.ReadResponse(c.br, nil); err == nil && res.StatusCode != 503 {
				t.Errorf("a body that has no room: %s", res.Status)
			}
			c.Close()
		})
	}
	uploads.Wait()
	s.told("temporary-files", 10)

	reader := s.dialUnix()
	reader.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
	s.attacked(200)
	if res, body := reader.read("GET"); res.StatusCode != 200 || len(body) != 1<<20 {
		t.Errorf("a slow reader got %s with %d bytes", res.Status, len(body))
	}
	reader.Close()
	s.over()
}

// The head and the body of a request, and everything that waits of an answer, are
// bounded; so is what a crowd of the worst requests takes.
func TestMemoryBound(t *testing.T) {
	s := newSiege(t, func(o *proxy.Options) {
		o.Config.Limits.Buffer, o.Config.Limits.Body = 16<<10, 4<<20
		o.Config.Queue.Size, o.Config.Queue.Timeout = 1000, time.Minute
	})
	const n = 100
	before := resident(t)
	heads, endHeads := s.crowd(n, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 31<<10))
	bodies, endBodies := s.crowd(n, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n")
	piece := bytes.Repeat([]byte("x"), 1<<20)
	for _, c := range bodies {
		if _, err := c.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	s.attacked(100)
	// A head and its copies, a buffer and its copies, a stack and what the kernel
	// has no part in: 0.5 MB for each is generous, and less than what was sent.
	if grown := resident(t) - before; grown > (len(heads)+len(bodies))<<19 && !raceEnabled {
		t.Errorf("%d connections take %d MB", len(heads)+len(bodies), grown>>20)
	}
	endHeads()
	endBodies()
	s.over()
}
