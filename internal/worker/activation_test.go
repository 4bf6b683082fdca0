package worker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/activation"

	"ripd/internal/config"
	"ripd/internal/testkit"
)

// playActivated is a server in Go that knows its socket from go-systemd alone.
func playActivated() int {
	listeners, err := activation.ListenersWithNames()
	if err != nil || len(listeners[activationName]) != 1 {
		fmt.Fprintln(os.Stderr, listeners, err)
		return 1
	}
	err = http.Serve(listeners[activationName][0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", r.URL.Path)
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// activatedSpec is a worker that is given its socket, with a name of which
// ripd's own sockets have left traces in the environment.
func activatedSpec(t *testing.T, ready config.Ready, command ...string) Spec {
	t.Helper()
	s := readySpec(t, ready)
	s.Activation = true
	s.Command = command
	s.Env = append(s.Env, "LISTEN_FDS=7", "LISTEN_FDNAMES=control")
	return s
}

// The servers are the real ones, started as their manuals say for systemd.
func TestServersTakeTheirSocket(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("config.ru", `run ->(env) { [200, { "content-type" => "text/plain" }, ["hello #{env["PATH_INFO"]}"]] }`+"\n")
	write("wsgi.py", `def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello " + environ["PATH_INFO"].encode()]
`)
	write("asgi.py", `async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello " + scope["path"].encode()})
`)
	write("server.js", `require("http").createServer((request, response) => response.end("hello " + request.url)).listen({ fd: 3 })`+"\n")
	l := newLauncher(t)
	for _, tc := range []struct {
		name    string
		needs   []string
		command []string
		role    string
	}{
		{"puma by its path", []string{"puma"}, []string{"puma", "-b", "unix://$SOCKET_PATH"}, ""},
		{"puma by what it is given", []string{"puma"}, []string{"puma", "--bind-to-activated-sockets=only"}, ""},
		{"gunicorn", []string{"gunicorn"}, []string{"gunicorn", "wsgi:app"}, ""},
		{"uvicorn", []string{"/usr/bin/python3"}, []string{"/usr/bin/python3", "-m", "uvicorn", "--fd", "3", "--no-access-log", "asgi:app"}, ""},
		{"node", []string{"node"}, []string{"node", "server.js"}, ""},
		{"go", nil, []string{"/proc/self/exe"}, "activated"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testkit.Need(t, tc.needs...)
			s := activatedSpec(t, config.ReadyListen, tc.command...)
			s.Dir = dir
			if tc.role != "" {
				s.Command[0] = ownProgram(t)
				s.Env = append(s.Env, roleVariable+"="+tc.role)
			}
			for range 2 { // each with a socket of its own
				p, _ := start(t, l, s)
				select {
				case <-p.ReadyC():
				case <-p.Done():
					t.Fatalf("%v: %q", p.Exit(), p.LastWords())
				case <-time.After(testkit.Timeout):
					t.Fatalf("it accepts nothing: %q", p.LastWords())
				}
				for _, path := range []string{"/one", "/two"} {
					if got := ask(t, s.Socket, path); got != "hello "+path {
						t.Errorf("%s: %q", path, got)
					}
				}
				p.Terminate()
				waitDone(t, p)
				if _, err := os.Lstat(s.Socket); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the socket's file is still there: %v", err)
				}
			}
		})
	}
}

func ownProgram(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ask sends one request on a connection of its own.
func ask(t *testing.T, socket, path string) string {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n", path)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// A worker has the socket and no other descriptor, and the variables are for its
// own process; without the setting there is nothing of the kind.
func TestWhatActivationPasses(t *testing.T) {
	testkit.Need(t, "ls", "python3")
	l := newLauncher(t)
	look := shell(` # ls needs one descriptor itself
		echo "fds $(ls /proc/self/fd | tr '\n' ' ')"
		echo "self $$"
		echo "env $(tr '\0' '\n' </proc/$$/environ | grep ^LISTEN_ | sort | tr '\n' ' ')"
		[ ! -e /proc/self/fd/3 ] || python3 -c 'import socket
s = socket.socket(fileno=3)
print("socket", s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), s.getblocking(), s.getsockname(), flush=True)'`)
	for _, ready := range []config.Ready{config.ReadyAuto, config.ReadyRegister, config.ReadyNotify, config.ReadyListen} {
		s := activatedSpec(t, ready, look...)
		p, r := start(t, l, s)
		if exit := waitDone(t, p); !exit.Clean() {
			t.Fatalf("%v: %q", exit, p.LastWords())
		}
		want := fmt.Sprintf("fds 0 1 2 3 4 \nself %d\nenv LISTEN_FDNAMES=http LISTEN_FDS=1 LISTEN_PID=%d \nsocket 1 True %s", p.PID(), p.PID(), s.Socket)
		if got := strings.Join(r.texts(Stdout), "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", ready, got, want)
		}
		select {
		case <-p.ReadyC():
			t.Errorf("%s: it was ready without accepting anything", ready)
		default:
		}
	}

	s := readySpec(t, config.ReadyListen)
	s.Env = Environment([]string{"PATH=" + os.Getenv("PATH"), "LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=http:control"}, nil, nil, Variables{Socket: s.Socket})
	s.Command = look
	p, r := start(t, l, s)
	waitDone(t, p)
	if got := strings.Join(r.texts(Stdout), "\n"); got != fmt.Sprintf("fds 0 1 2 3 \nself %d\nenv ", p.PID()) {
		t.Errorf("without activation: %s", got)
	}
}

// The worker is ready when it takes what waits in its queue, and not before.
func TestReadyByAccepting(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	before := openDescriptors(t)
	s := activatedSpec(t, config.ReadyAuto, "python3", "-c", `import signal, socket
signal.sigwait([signal.SIGUSR1])
s = socket.socket(fileno=3)
c, _ = s.accept()
print("said", c.recv(10), flush=True)
signal.sigwait([signal.SIGUSR1])`)
	s.Command[2] = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nprint('up', flush=True)\n" + s.Command[2]
	p, r := start(t, l, s)
	r.waitLine(t, "up")
	select {
	case <-p.ReadyC():
		t.Error("it is ready, and has accepted nothing")
	default:
	}
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	testkit.Closed(t, testkit.Timeout, p.ReadyC())
	if p.ReadyBy() != config.ReadyListen {
		t.Errorf("ready by %q", p.ReadyBy())
	}
	if got := r.waitLine(t, "said "); got != "b''" { // the connection says nothing, and is closed
		t.Errorf("it was told %s", got)
	}
	// The queue is the worker's alone: it goes with it.
	conn, err := net.Dial("unix", s.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.Kill()
	waitDone(t, p)
	if err := conn.SetReadDeadline(time.Now().Add(testkit.Timeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client of a worker that is gone: %v", err)
	}
	conn.Close()
	testkit.Eventually(t, testkit.Timeout, func() bool { return openDescriptors(t) <= before }, "ripd's side of the socket is closed")
}

// Other signs count as before.
func TestActivatedWorkerNotifies(t *testing.T) {
	testkit.Need(t, "python3")
	l := newLauncher(t)
	for _, ready := range []config.Ready{config.ReadyAuto, config.ReadyNotify} {
		s := activatedSpec(t, ready, "python3", "-c", `import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)`)
		p, _ := start(t, l, s)
		testkit.Closed(t, testkit.Timeout, p.ReadyC())
		if p.ReadyBy() != config.ReadyNotify {
			t.Errorf("ready by %q", p.ReadyBy())
		}
		p.Kill()
		waitDone(t, p)
	}
}

// What cannot be started leaves no socket behind.
func TestActivationThatFails(t *testing.T) {
	l := newLauncher(t)
	before := openDescriptors(t)
	s := activatedSpec(t, config.ReadyAuto, "no-such-program")
	if _, err := l.Start(s, func(Line) {}); err == nil {
		t.Error("it was started")
	}
	if _, err := os.Lstat(s.Socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file is still there: %v", err)
	}
	s.Socket = filepath.Join(t.TempDir(), "missing", "x.sock")
	s.Ready = config.ReadyRegister
	if _, err := l.Start(s, func(Line) {}); err == nil || !strings.Contains(err.Error(), "bind the worker's socket "+s.Socket) {
		t.Errorf("got %v", err)
	}
	s.Socket = ""
	if _, err := l.Start(s, func(Line) {}); err == nil || !strings.Contains(err.Error(), "needs a path for it") {
		t.Errorf("got %v", err)
	}
	testkit.Eventually(t, testkit.Timeout, func() bool { return openDescriptors(t) <= before }, "all descriptors are closed")
}

// The watch of an offer ends with its context, and on a clock of its own.
func TestOfferWait(t *testing.T) {
	path := testkit.TempSocket(t, "s.sock")
	o, err := openOffer(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openOffer(path, false); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second one: %v", err)
	}
	clock := testkit.NewFakeClock()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan bool)
	go func() { result <- o.wait(ctx, clock) }()
	for range 3 {
		clock.WaitPending(t, 1)
		clock.Advance(listenLastStep)
	}
	clock.WaitPending(t, 1)
	cancel()
	if testkit.Receive(t, testkit.Timeout, result) {
		t.Error("it was accepted by nobody")
	}
	if _, err := net.Dial("unix", path); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the socket is still open: %v", err)
	}
	env := []string{"A=1", "LISTEN_PID=1", "B=2"}
	if got := withActivation(env); !slices.Contains(got, fmt.Sprintf("LISTEN_PID=%d", os.Getpid())) || slices.Contains(got, "LISTEN_PID=1") || env[1] != "LISTEN_PID=1" {
		t.Errorf("%q, %q", got, env)
	}
}
