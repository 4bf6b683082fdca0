package worker

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// readySpec is a worker with a socket, which is ready by the given sign.
func readySpec(t *testing.T, ready config.Ready) Spec {
	t.Helper()
	s := spec(t, "")
	s.Ready = ready
	s.Socket = testkit.TempSocket(t, "app.3.sock")
	s.Env = append(s.Env, "SOCKET_PATH="+s.Socket)
	return s
}

func TestReadyByListening(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	for name, tc := range map[string]struct{ script string }{
		"at once":            {`s.bind(path); s.listen(1)`},
		"step by step":       {`s.bind(path); time.sleep(0.1); s.listen(1)`},
		"under another name": {`os.chdir(os.path.dirname(path)); s.bind("./app.3.sock"); s.listen(1)`},
		"by a child": {`s.bind(path)
if os.fork() == 0: s.listen(1)`},
	} {
		t.Run(name, func(t *testing.T) {
			s := readySpec(t, config.ReadyAuto)
			s.Command = []string{"python3", "-c", `import os, socket, time
path = os.environ["SOCKET_PATH"]
s = socket.socket(socket.AF_UNIX)
` + tc.script + `
print("listening", flush=True)
time.sleep(1000)`}
			p, r := start(t, l, s)
			testkit.Closed(t, testkit.Timeout, p.ReadyC())
			if p.ReadyBy() != config.ReadyListen {
				t.Errorf("ready by %q", p.ReadyBy())
			}
			r.waitLine(t, "listening")
			p.Kill()
			waitDone(t, p)
		})
	}
}

func TestReadyByNotify(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	say := `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ["NOTIFY_SOCKET"])
`
	for name, script := range map[string]string{
		"itself": say + `s.send(b"STATUS=warm\nREADY=1\n")`,
		"a child that ends": say + `
if os.fork() == 0:
  s.send(b"STATUS=warm\nREADY=1"); os._exit(0)
os.wait()`,
		"with a barrier": say + `
r, w = os.pipe()
s.send(b"STATUS=warm\nREADY=1")
socket.send_fds(s, [b"BARRIER=1"], [w])
os.close(w)
assert os.read(r, 1) == b""`,
		"after too much": say + `
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
s.send(b"STATUS=dropped\nREADY=1\nX=" + b"x" * 8000)
s.send(b"STATUS=warm\nREADY=1")`,
	} {
		t.Run(name, func(t *testing.T) {
			s := readySpec(t, config.ReadyNotify)
			s.Command = []string{"python3", "-c", script + "\nprint('said', flush=True)\nimport time; time.sleep(1000)"}
			p, r := start(t, l, s)
			testkit.Closed(t, testkit.Timeout, p.ReadyC())
			r.waitLine(t, "said")
			if p.ReadyBy() != config.ReadyNotify || p.StatusText() != "warm" {
				t.Errorf("ready by %q, status %q", p.ReadyBy(), p.StatusText())
			}
			p.Kill()
			waitDone(t, p)
			if _, err := os.Lstat(notifyPath(s.Socket)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the notify socket is still there: %v", err)
			}
		})
	}
}

// TestOthersCannotNotify sends READY=1 from a process that is not the worker's.
func TestOthersCannotNotify(t *testing.T) {
	l := newLauncher(t)
	s := readySpec(t, config.ReadyNotify)
	s.Command = shell("echo socket $NOTIFY_SOCKET; sleep 1000")
	p, r := start(t, l, s)
	path := r.waitLine(t, "socket ")
	for _, text := range []string{"READY=1", "STATUS=forged"} {
		sendNotify(t, path, text, nil)
	}
	barrier(t, path)
	select {
	case <-p.ReadyC():
		t.Error("it was believed")
	default:
	}
	if p.StatusText() != "" || p.ReadyBy() != "" {
		t.Errorf("status %q", p.StatusText())
	}
	p.Kill()
	waitDone(t, p)
}

// A worker has a notify socket of its own: another worker of the same user, which
// can find it, does not speak for it.
func TestSiblingsCannotNotify(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	one := readySpec(t, config.ReadyNotify)
	one.Command = shell("echo socket $NOTIFY_SOCKET; sleep 1000")
	p, r := start(t, l, one)
	path := r.waitLine(t, "socket ")

	two := readySpec(t, config.ReadyNotify)
	two.Env = append(two.Env, "OTHER="+path)
	two.Command = []string{"python3", "-c", `import os, socket, time
for path in os.environ["OTHER"], os.environ["NOTIFY_SOCKET"]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"STATUS=mine\nREADY=1", path)
time.sleep(1000)`}
	sibling, _ := start(t, l, two)
	testkit.Closed(t, testkit.Timeout, sibling.ReadyC())
	barrier(t, path)
	if p.ReadyBy() != "" || p.StatusText() != "" || sibling.StatusText() != "mine" {
		t.Errorf("ready by %q, status %q; its sibling's is %q", p.ReadyBy(), p.StatusText(), sibling.StatusText())
	}
	for _, p := range []*Process{p, sibling} {
		p.Kill()
		waitDone(t, p)
	}
}

// sendNotify sends a message, and descriptors with it, to a notify socket.
func sendNotify(t *testing.T, path, text string, rights []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendmsg(fd, []byte(text), rights, &unix.SockaddrUnix{Name: path}, 0); err != nil {
		t.Fatal(err)
	}
}

// barrier waits until the notify socket's owner has handled what was sent.
func barrier(t *testing.T, path string) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	sendNotify(t, path, "BARRIER=1", unix.UnixRights(int(write.Fd())))
	write.Close()
	if _, err := read.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
}

// TestNoSign has workers that end before they are ready, and one of which no
// sign is asked.
func TestNoSign(t *testing.T) {
	l := newLauncher(t)
	for _, ready := range []config.Ready{config.ReadyAuto, config.ReadyNotify, config.ReadyListen, config.ReadyRegister} {
		s := readySpec(t, ready)
		s.Env = append(s.Env, "NOTIFY_SOCKET=")
		s.Command = append(shell(`echo "socket <$NOTIFY_SOCKET><$1>"`), "sh", "$NOTIFY_SOCKET")
		p, r := start(t, l, s)
		waitDone(t, p)
		want := ""
		if ready == config.ReadyAuto || ready == config.ReadyNotify {
			want = notifyPath(s.Socket)
		}
		if got := r.waitLine(t, "socket "); got != "<"+want+"><"+want+">" {
			t.Errorf("%s: got %s", ready, got)
		}
		select {
		case <-p.ReadyC():
			t.Errorf("%s: ready", ready)
		default:
		}
	}
}

func TestHandleNotify(t *testing.T) {
	for _, tc := range []struct {
		text   string
		ready  bool
		status string
	}{
		{"READY=1", true, ""},
		{"READY=1\n", true, ""},
		{"STATUS=a=b\nREADY=1\nMAINPID=1", true, "a=b"},
		{"READY=10", false, ""},
		{"XREADY=1", false, ""},
		{" READY=1", false, ""},
		{"READY=1\x00", false, ""},
		{"READY=0\nSTOPPING=1\nWATCHDOG=1\nEXTEND_TIMEOUT_USEC=1", false, ""},
		{"STATUS=" + strings.Repeat("é", 200), false, strings.Repeat("é", statusMax/2)},
		{"STATUS=x" + strings.Repeat("é", 200), false, "x" + strings.Repeat("é", statusMax/2-1)},
	} {
		ready, status := false, ""
		handleNotify(tc.text, func() { ready = true }, func(text string) { status = text })
		if ready != tc.ready || status != tc.status {
			t.Errorf("%q: %v, %q", tc.text, ready, status)
		}
	}
}

func TestNotifyPath(t *testing.T) {
	for socket, want := range map[string]string{
		"/run/rip_main_shop.3.sock": "/run/rip_main_shop.3.ntfy",
		"/run/odd":                  "/run/odd.ntfy",
	} {
		if got := notifyPath(socket); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if err := removeSocket("/" + strings.Repeat("x", maxSocketPath)); err == nil || !strings.Contains(err.Error(), "has 108 bytes") {
		t.Errorf("got %v", err)
	}
}

func TestFindSocket(t *testing.T) {
	table := `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 11111 /run/a.sock
0000000000000000: 00000002 00000000 00000000 0001 01 11112 /run/bound.sock
0000000000000000: 00000003 00000000 00000000 0001 03 11113
0000000000000000: 00000003 00000000 00000000 0001 03 11114 /run/a.sock
0000000000000000: 00000002 00000000 00010000 0001 01 11115 @/run/abstract.sock
0000000000000000: 00000002 00000000 00010000 0001 01 11116 /run/with space.sock
0000000000000000: 00000002 00000000 00010000 0001 01 11117 /run/x /run/b.sock
`
	for path, want := range map[string]socketState{
		"/run/a.sock":          socketListens,
		"/run/bound.sock":      socketBound,
		"/run/none.sock":       socketUnknown,
		"/run/abstract.sock":   socketUnknown,
		"/run/with space.sock": socketListens,
		"space.sock":           socketUnknown,
		"/run/b.sock":          socketUnknown,
	} {
		if got := findSocket(strings.NewReader(table), path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		findSocket(strings.NewReader(rapid.StringN(0, 9000, 9000).Draw(t, "table")), "/run/a.sock") // must not panic
	})
}

// TestListenWatchSteps runs the watch on a clock of its own, over a socket's
// file that the kernel's table does not know.
func TestListenWatchSteps(t *testing.T) {
	clock := testkit.NewFakeClock()
	path := testkit.TempSocket(t, "s.sock")
	w := newListenWatch(path, os.Getpid(), clock)
	var looks, probes atomic.Int32
	w.table = func(int) (io.ReadCloser, error) {
		looks.Add(1)
		return io.NopCloser(strings.NewReader("")), nil
	}
	w.probe = func(string) bool { return probes.Add(1) == 3 }
	result := make(chan bool)
	go func() { result <- w.wait(context.Background()) }()
	step := listenFirstStep
	next := func() { // by one step exactly: a longer way could take in the next look too
		clock.WaitPending(t, 1)
		clock.Advance(step)
		step = min(step*5/4, listenLastStep)
	}
	for range 5 {
		next()
	}
	if looks.Load() != 0 {
		t.Error("the table was read while there was no file")
	}
	clock.WaitPending(t, 1)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for range listenPatience + 3 {
		next()
	}
	if !testkit.Receive(t, testkit.Timeout, result) {
		t.Error("it gave up")
	}
	if got := looks.Load(); got != listenPatience+3 {
		t.Errorf("%d looks", got)
	}
}

// TestListenWatchWithoutProc falls back to connecting at once.
func TestListenWatchWithoutProc(t *testing.T) {
	path := testkit.TempSocket(t, "s.sock")
	w := newListenWatch(path, os.Getpid(), systemClock{})
	w.table = func(int) (io.ReadCloser, error) { return nil, os.ErrPermission }
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if !w.listening() {
		t.Error("it does not see the listener")
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	if w.listening() {
		t.Error("it sees a listener that is gone")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if w.wait(ctx) {
		t.Error("it does not end with its context")
	}
	// A file that is no socket is none.
	file := testkit.TempSocket(t, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if newListenWatch(file, os.Getpid(), systemClock{}).listening() {
		t.Error("a file listens")
	}
}
