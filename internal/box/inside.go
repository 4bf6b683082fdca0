package box

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// commandMost bounds a command inside of a box.
const commandMost = 2 * time.Minute

// Try runs a program inside, as root, and gives what it wrote. The error has its
// exit code.
func (b *Box) Try(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandMost)
	defer cancel()
	all := append([]string{"--target=" + strconv.Itoa(b.pid), "--all", program}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", all...)
	cmd.Env = []string{"PATH=" + searchPath, "LANG=C.UTF-8", "HOME=/root", "TERM=dumb", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_PAGER=", "SYSTEMD_COLORS=0"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run is Try for what must succeed.
func (b *Box) Run(program string, args ...string) string {
	b.t.Helper()
	out, err := b.Try(program, args...)
	if err != nil {
		b.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// Fail is Try for what must not succeed. It gives the exit code.
func (b *Box) Fail(program string, args ...string) (out string, code int) {
	b.t.Helper()
	out, err := b.Try(program, args...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		b.t.Fatalf("%s %s was to fail: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out, exit.ExitCode()
}

// Path gives a path inside of the box as this machine sees it.
func (b *Box) Path(inside string) string {
	return fmt.Sprintf("/proc/%d/root%s", b.pid, path.Clean("/"+inside))
}

// Write writes a file inside, and the folders above it.
func (b *Box) Write(inside, text string, mode os.FileMode) {
	b.t.Helper()
	if err := os.MkdirAll(path.Dir(b.Path(inside)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.Path(inside), []byte(text), mode); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(b.Path(inside), mode); err != nil {
		b.t.Fatal(err)
	}
}

// Copy copies a file of this machine into the box.
func (b *Box) Copy(file, inside string, mode os.FileMode) {
	b.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Write(inside, string(data), mode)
}

// Processes gives the processes inside whose command line begins so.
func (b *Box) Processes(start string) (pids []string) {
	entries, err := os.ReadDir(b.Path("/proc"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		line, err := os.ReadFile(b.Path("/proc/" + e.Name() + "/cmdline"))
		if err == nil && strings.HasPrefix(strings.ReplaceAll(string(line), "\x00", " "), start) {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// Property gives one property of a unit.
func (b *Box) Property(unit, name string) string {
	b.t.Helper()
	return strings.TrimSpace(b.Run("systemctl", "show", "--value", "--property="+name, unit))
}

// Journal gives a unit's lines of the journal.
func (b *Box) Journal(unit string) string {
	b.t.Helper()
	out, _ := b.Try("journalctl", "--no-pager", "--output=cat", "--unit="+unit)
	return out
}

// Dial connects from inside of the box's network. The address is an IP address
// and a port, or the path of a socket.
func (b *Box) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if network == "unix" {
		return d.DialContext(ctx, network, b.Path(address))
	}
	type result struct {
		c   net.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		// A thread that has changed its namespace ends with its goroutine.
		runtime.LockOSThread()
		if err := unix.Setns(int(b.netns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		c, err := d.DialContext(ctx, network, address)
		done <- result{c, err}
	}()
	r := <-done
	return r.c, r.err
}

// Client makes a client for an address inside (127.0.0.1:80, or a socket's path),
// with a new connection for each request unless keep is true.
func (b *Box) Client(address string, keep bool) *http.Client {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DisableKeepAlives: !keep,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return b.Dial(ctx, network, address)
			},
		},
	}
}

// Get gives the status and the text of a page: "200 pong".
func (b *Box) Get(address, page string) (string, error) {
	client := b.Client(address, false)
	defer client.CloseIdleConnections()
	return get(client, page)
}

func get(client *http.Client, page string) (string, error) {
	answer, err := client.Get("http://box" + page)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body))), nil
}

// Answers waits until a page begins as it should.
func (b *Box) Answers(address, page, want string) {
	b.t.Helper()
	var got string
	var err error
	ok := testkit.Within(testkit.Timeout, func() bool {
		got, err = b.Get(address, page)
		return err == nil && strings.HasPrefix(got, want)
	})
	if !ok {
		b.t.Fatalf("%s%s: %q, %v, and not %q", address, page, got, err, want)
	}
}
