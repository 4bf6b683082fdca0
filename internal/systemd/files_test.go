package systemd

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ripd/internal/testkit"
)

// child is the environment variable that makes this test binary report what it
// was handed instead of running tests.
const child = "RIPD_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		if err := json.NewEncoder(os.Stdout).Encode(inChild()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// report is what the child saw.
type report struct {
	Error     string
	Any       bool
	Listeners map[string][]string // addresses by name
	Again     int                 // of a second Take
	Odd       []string
	Left      []string // names that Close closed
	Env       []string // what is left of the protocols' variables
	Inherited string   // what the descriptors of a grandchild are
}

func inChild() report {
	r := report{Listeners: map[string][]string{}}
	h, err := Files()
	if err != nil {
		r.Error = err.Error()
	}
	n, err := NewNotifier()
	if err != nil {
		r.Error += err.Error()
	}
	_ = n.Close()
	r.Any = h.Any()
	for _, name := range []string{HTTP, Control} {
		for _, l := range h.Take(name) {
			r.Listeners[name] = append(r.Listeners[name], l.Addr().String())
		}
	}
	r.Again = len(h.Take(HTTP))
	for _, o := range h.Odd() {
		r.Odd = append(r.Odd, o.String())
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "LISTEN_") || strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			r.Env = append(r.Env, v)
		}
	}
	out, err := exec.Command("/bin/sh", "-c", `for f in /proc/$$/fd/*; do readlink "$f"; done; true`).Output()
	if err != nil {
		r.Error += err.Error()
	}
	r.Inherited = string(out)
	if r.Left, err = h.Close(); err != nil {
		r.Error += err.Error()
	}
	return r
}

// runChild starts this binary with files from descriptor 3 on, as systemd does
// it: LISTEN_PID is the process's own id, which a shell puts in before it
// becomes the process.
func runChild(t *testing.T, files []*os.File, env ...string) report {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `[ -n "$LISTEN_PID" ] || export LISTEN_PID=$$; exec "$0"`, os.Args[0])
	cmd.Env = append([]string{child + "=1"}, env...)
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var r report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// socket opens a socket of any kind and closes it after the test.
func socket(t *testing.T, domain, kind int) *os.File {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keep(t, os.NewFile(uintptr(fd), "socket"))
}

func keep(t *testing.T, f *os.File) *os.File {
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// listener returns a listening socket's file and address.
func listener(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	return keep(t, f), l.Addr().String()
}

func TestFilesByName(t *testing.T) {
	path := filepath.Join(testkit.TempSocketDir(t), "control.sock")
	one, oneAddress := listener(t, "tcp", "127.0.0.1:0")
	control, controlAddress := listener(t, "unix", path)
	two, twoAddress := listener(t, "tcp", "127.0.0.1:0")
	secure, _ := listener(t, "tcp", "127.0.0.1:0")
	r := runChild(t, []*os.File{one, control, two, secure},
		"LISTEN_FDS=4", "LISTEN_FDNAMES=http:control:http:https", "NOTIFY_SOCKET=/nowhere/notify")
	if r.Error != "" || !r.Any || len(r.Odd) != 0 || r.Again != 0 {
		t.Errorf("%+v", r)
	}
	if got, want := strings.Join(r.Listeners[HTTP], " "), oneAddress+" "+twoAddress; got != want {
		t.Errorf("http: %s, not %s", got, want)
	}
	if got := strings.Join(r.Listeners[Control], " "); got != controlAddress {
		t.Errorf("control: %s, not %s", got, controlAddress)
	}
	if got := strings.Join(r.Left, " "); got != HTTPS {
		t.Errorf("nobody took %s, not https", got)
	}
	if len(r.Env) != 0 {
		t.Errorf("left in the environment: %v", r.Env)
	}
	if !strings.Contains(r.Inherited, "pipe:") || strings.Contains(r.Inherited, "socket:") {
		t.Errorf("a grandchild has %s", r.Inherited)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the unix socket's file is gone: %v", err)
	}
}

func TestFilesThatAreNoListeners(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	connection := keep(t, os.NewFile(uintptr(pair[0]), "pair"))
	keep(t, os.NewFile(uintptr(pair[1]), "pair"))
	fifo, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	keep(t, end)
	file, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	device, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := listener(t, "tcp", "127.0.0.1:0")
	good, _ := listener(t, "tcp", "127.0.0.1:0")
	for _, test := range []struct {
		name string
		file *os.File
		want string
	}{
		{"http", socket(t, unix.AF_INET, unix.SOCK_DGRAM), "it is a datagram socket"},
		{"http", socket(t, unix.AF_UNIX, unix.SOCK_SEQPACKET), "it is a sequential-packet socket"},
		{"http", socket(t, unix.AF_NETLINK, unix.SOCK_RAW), "it is a netlink socket"},
		{"control", connection, "it is a connection"},
		{"http", keep(t, fifo), "it is a FIFO"},
		{"metrics", keep(t, file), "it is a file"},
		{"metrics", keep(t, folder), "it is a folder"},
		{"https", keep(t, device), "it is a device"},
		{"htpp", stranger, "ripd knows no socket of this name"},
		{"", stranger, "ripd knows no socket of this name"},
	} {
		t.Run(test.want, func(t *testing.T) {
			r := runChild(t, []*os.File{test.file, good}, "LISTEN_FDS=2", "LISTEN_FDNAMES="+test.name+":http")
			if r.Error != "" || len(r.Listeners[HTTP]) != 1 || len(r.Odd) != 1 {
				t.Fatalf("%+v", r)
			}
			name := test.name
			if name == "" {
				name = "LISTEN_FD_3"
			}
			if want := "descriptor 3 (" + name + "): " + test.want; !strings.HasPrefix(r.Odd[0], want) {
				t.Errorf("%q does not start with %q", r.Odd[0], want)
			}
		})
	}
}

func TestFilesThatAreNotThere(t *testing.T) {
	good, _ := listener(t, "tcp", "127.0.0.1:0")
	for _, test := range []struct {
		name  string
		env   []string
		check func(r report) bool
	}{
		{"no systemd", nil, func(r report) bool { return r.Error == "" && !r.Any && len(r.Odd) == 0 }},
		{"meant for another process", []string{"LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=http"},
			func(r report) bool { return r.Error == "" && !r.Any }},
		{"nonsense for another process", []string{"LISTEN_PID=1", "LISTEN_FDS=x"},
			func(r report) bool { return r.Error == "" && !r.Any }},
		{"not a number", []string{"LISTEN_FDS=x"}, func(r report) bool { return strings.Contains(r.Error, `LISTEN_FDS="x"`) }},
		{"far too many", []string{"LISTEN_FDS=1000000000"}, func(r report) bool { return strings.Contains(r.Error, "0 to 1024") }},
		{"none", []string{"LISTEN_FDS=0"}, func(r report) bool { return r.Error == "" && !r.Any }},
		{"no names", []string{"LISTEN_FDS=1"}, func(r report) bool { return r.Error == "" && !r.Any && len(r.Odd) == 1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runChild(t, []*os.File{good}, test.env...)
			if !test.check(r) || len(r.Env) != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The kinds that a child cannot easily be given.
func TestKindOf(t *testing.T) {
	if got := kindOf(1 << 20); got != "not open" {
		t.Error(got)
	}
	if got := kindOf(int(socket(t, unix.AF_UNIX, unix.SOCK_STREAM).Fd())); got != "a connection" {
		t.Error(got)
	}
	l, _ := listener(t, "tcp", "127.0.0.1:0")
	if got := kindOf(int(l.Fd())); got != "" {
		t.Error(got)
	}
}

func TestZeroHanded(t *testing.T) {
	var h Handed
	if names, err := h.Close(); h.Any() || h.Take(HTTP) != nil || h.Odd() != nil || names != nil || err != nil {
		t.Error("the zero value holds something")
	}
}
