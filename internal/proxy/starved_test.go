package proxy_test

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ripd/internal/metrics"
	"ripd/internal/proxy"
	"ripd/internal/testkit"
)

// inChild runs the test again in a process of its own, which may spoil itself. It
// reports whether this is that process.
func inChild(t *testing.T) bool {
	if os.Getenv(acceptChild) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), acceptChild+"=1")
	child := testkit.Start(t, cmd)
	if code := child.Wait(t, testkit.Timeout); code != 0 {
		t.Fatalf("the child ended with %d", code)
	}
	return false
}

// exhaust takes all descriptors that are left.
func exhaust(t *testing.T) (give func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	var held []int
	for {
		fd, err := syscall.Dup(0)
		if err != nil {
			break
		}
		held = append(held, fd)
	}
	return func() {
		for _, fd := range held {
			syscall.Close(fd)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	}
}

// Without a descriptor for a connection to its worker a request is answered 503,
// and the worker stays: it is not at fault. Idle clients make room before that.
func TestNoDescriptorForAWorker(t *testing.T) {
	if !inChild(t) {
		return
	}
	s := &siege{metrics: metrics.New(metrics.Options{App: "test"}), lines: &lines{}}
	s.rig = newRig(t, func(o *proxy.Options) {
		o.Metrics, o.Log, o.Config.Timeouts.Connect = s.metrics, slog.New(s.lines), soon
	})
	begun, release := make(chan struct{}, 1), make(chan struct{})
	s.workerSlots(2, handler(func(req *http.Request) string {
		if req.URL.Path == "/wait" {
			begun <- struct{}{}
			<-release
		}
		return echo(req)
	}))
	busy, c := s.dial(), s.dial()
	busy.write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n") // the other slot has no connection yet
	testkit.Receive(t, testkit.Timeout, begun)
	testkit.Eventually(t, testkit.Timeout, func() bool { return s.server.Stats().Connections == 2 })
	give := exhaust(t)
	c.get("/starved", 503, "no descriptor")
	c.get("/starved", 503, "no descriptor")
	s.told("open-files", 2)
	give()
	c.get("/fed", 200, "GET /fed")
	close(release)
	busy.read("GET")
	if d := s.dropped(); len(d) > 0 {
		t.Errorf("workers were dropped: %v", d)
	}
}

// workerSocket is set in a process that is a worker.
const workerSocket = "RIPD_TEST_WORKER_SOCKET"

func TestWorkerOfAnotherProcess(t *testing.T) {
	path := os.Getenv(workerSocket)
	if path == "" {
		return // it is for TestIdleClientsGiveDescriptors
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go plainWorker(c) // until the process is killed
	}
}

func TestIdleClientsGiveDescriptors(t *testing.T) {
	if !inChild(t) {
		return
	}
	r := newRig(t, func(o *proxy.Options) { o.Config.Timeouts.Connect = 10 * time.Second })
	path := filepath.Join(r.dir, "other.sock")
	cmd := exec.Command(os.Args[0], "-test.run=^TestWorkerOfAnotherProcess$")
	cmd.Env = append(os.Environ(), workerSocket+"="+path)
	testkit.Start(t, cmd)
	testkit.Eventually(t, testkit.Timeout, func() bool {
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	r.workerAt(1, path, 1)
	c := r.dial()
	for range 10 {
		r.dial()
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Idle == 11 })
	defer exhaust(t)()
	c.get("/", 200, "pong")
	if d := r.dropped(); len(d) > 0 {
		t.Errorf("workers were dropped: %v", d)
	}
}

// An eighth of the idle connections makes room at once.
func TestLackOfDescriptorsClosesAnEighth(t *testing.T) {
	counts := metrics.New(metrics.Options{App: "test"})
	r := newRig(t, func(o *proxy.Options) { o.Metrics = counts })
	r.worker(plainWorker)
	const clients = 80
	for range clients {
		r.dial().get("/", 200, "pong")
	}
	since := r.server.Now()
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Now()-since > 300*time.Millisecond }, "idle connections")
	r.server.MakeDescriptors()
	const share = clients/8 + 1
	if n := metricOf(t, counts, `ripd_evicted_total{app="test",state="idle"}`); n != share {
		t.Errorf("%d made room, not %d", n, share)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return r.server.Stats().Connections == clients-share }, "as many connections")
}

func TestOpenFilesBoundConnections(t *testing.T) {
	for _, c := range []struct {
		files              uint64
		setting, w, c, out int
	}{
		{1 << 20, 16384, 4, 1, 16384},
		{^uint64(0), 16384, 4, 1, 16384},
		{1024, 16384, 4, 1, 1024 - 128 - 4*9},
		{1024, 100, 4, 1, 100},
		{100, 16384, 4, 1, 16},
		{100, 8, 4, 1, 8},
		{4096, 16384, 100, 20, 4096 - 128 - 100*28},
	} {
		s := settings()
		s.Limits.Connections, s.Workers.Count, s.Workers.Concurrency = c.setting, c.w, c.c
		if got := proxy.ConnectionsFor(s, c.files); got != c.out {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
