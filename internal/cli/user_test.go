package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ripctlBinary makes a ripctl that other users can start too.
func ripctlBinary(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	dir := socketDir(t)
	path := filepath.Join(dir, "ripctl")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNoPermission has a stranger call, for whom the kernel closes the socket, or ripd the call.
func TestNoPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	ripctl := ripctlBinary(t)
	for _, c := range []struct {
		name string
		open bool // the socket's file lets everybody in
		args []string
		want []string
	}{
		{"systemd's socket is closed", false, []string{"status"}, []string{"ripctl: no permission to steer shop", "next: call ripctl as root (sudo)"}},
		{"by name", false, []string{"restart", "shop"}, []string{"no permission to steer shop", "group ripctl"}},
		{"by path", false, []string{"status", "--socket", "SOCKET"}, []string{"no permission to open the control socket", "next:"}},
		{"another name", false, []string{"status", "blog"}, []string{`there is no app "blog"; running: shop`}},
		{"ripd itself refuses", true, []string{"status", "--socket", "SOCKET"}, []string{"user id 65534 may not steer this app", "next: call as the user"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			socket := m.runsAt(filepath.Join(m.system, "shop.control.sock"), shop())
			mode := os.FileMode(0o660)
			if c.open {
				mode = 0o666
			}
			for path, mode := range map[string]os.FileMode{socket: mode, m.system: 0o755} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			args := append([]string(nil), c.args...)
			for i, a := range args {
				args[i] = strings.Replace(a, "SOCKET", socket, 1)
			}
			cmd := exec.Command(ripctl, args...)
			cmd.Dir = "/"
			cmd.Env = []string{"RUNTIME_DIRECTORY=/nonexistent", "SYSTEM_DIR=" + m.system}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Run(); err == nil {
				t.Error("it was let in")
			}
			want := ExitFailed
			if c.name == "another name" {
				want = ExitNoApp
			}
			check(t, result{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}, want, c.want...)
		})
	}
}

// TestUnsafeRuntimeDirectory does not speak to sockets that anybody can have made.
func TestUnsafeRuntimeDirectory(t *testing.T) {
	m := newMachine(t)
	m.runs(shop())
	if err := os.Chmod(m.runtime, 0o777); err != nil {
		t.Fatal(err)
	}
	check(t, m.ripctl("status"), ExitNotRunning, "is open to other users: its mode is 0777", "next: chmod 0700")
}

// TestTerminal runs ripctl on a real terminal: it has colours and a width.
func TestTerminal(t *testing.T) {
	m := newMachine(t)
	m.runs(blog())
	ripctl := ripctlBinary(t)
	for _, c := range []struct {
		width  uint16
		env    string
		colour bool
	}{{60, "TERM=xterm-256color", true}, {90, "TERM=dumb", false}, {60, "NO_COLOR=1", false}} {
		t.Run(fmt.Sprint(c.width, c.env), func(t *testing.T) {
			out := onTerminal(t, c.width, []string{"TERM=xterm", c.env, "RUNTIME_DIRECTORY=" + m.runtime, "SYSTEM_DIR=" + m.system}, ripctl, "status", "blog")
			if got := strings.Contains(out, "\x1b"); got != c.colour {
				t.Errorf("escape sequences: %v, want %v: %q", got, c.colour, out)
			}
			for line := range strings.Lines(out) {
				if n := len([]rune(clean(strings.TrimRight(line, "\r\n")))); n > int(c.width) {
					t.Errorf("%d cells on a terminal with %d: %q", n, c.width, line)
				}
			}
			if !strings.Contains(out, "degraded") {
				t.Errorf("out: %q", out)
			}
		})
	}
}

// onTerminal runs a program on a new terminal and gives what it wrote.
func onTerminal(t *testing.T, width uint16, environ []string, program string, args ...string) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	defer master.Close()
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environ, slave, slave, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	out, _ := io.ReadAll(master) // it ends with EIO when the program has ended
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	return string(out)
}
