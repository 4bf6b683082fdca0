package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ripd/internal/api"
	"ripd/internal/control"
	"ripd/internal/control/controltest"
	"ripd/internal/testkit"
)

// childCall, when set, makes this test's binary a caller: "socket method path".
const childCall = "RIPD_TEST_CALL"

// nobody is the user id of a stranger.
const nobody = 65534

// child makes one call and prints what came of it as JSON.
func child(call string) int {
	f := strings.Fields(call)
	c := api.NewClient(f[0], "1.2.0")
	var err error
	switch f[1] {
	case "status":
		_, err = c.Status(context.Background())
	case "stop":
		_, err = c.Stop(context.Background(), nil)
	case "register":
		err = c.Register(context.Background(), api.Register{App: "shop", WorkerID: 1, Token: "t"})
	}
	var e *api.Error
	switch {
	case err == nil:
		e = &api.Error{Message: "ok"}
	case errors.Is(err, api.ErrDenied):
		e = &api.Error{Message: "denied by the kernel"}
	case !errors.As(err, &e):
		e = &api.Error{Message: err.Error()}
	}
	json.NewEncoder(os.Stdout).Encode(e)
	return 0
}

// callAs calls as another user. The socket's folder is opened for that.
func callAs(t *testing.T, uid int, path, what string) api.Error {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The folder of the test's binary is closed to others, so they get a copy.
	dir := testkit.TempSocketDir(t)
	copyOf := filepath.Join(dir, "caller")
	if err := copyFile(copyOf, exe); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(path)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(copyOf)
	cmd.Dir = "/"
	cmd.Env = []string{fmt.Sprintf("%s=%s %s", childCall, path, what)}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var e api.Error
	if err := json.Unmarshal(out, &e); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return e
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

func TestOtherUsers(t *testing.T) {
	for _, c := range []struct {
		name    string
		how     func(*control.Server, net.Listener) error
		mode    os.FileMode
		uids    []int
		what    string
		want    string
		reached string // what the app saw
	}{
		{"the file is closed", (*control.Server).ServeBoth, 0o600, nil, "status", "denied by the kernel", ""},
		{"a stranger may not look", (*control.Server).ServeBoth, 0o666, nil, "status", "user id 65534 may not steer this app", ""},
		{"a stranger may not steer", (*control.Server).ServeBoth, 0o666, nil, "stop", "user id 65534 may not steer this app", ""},
		{"a stranger's registration is the registrar's to judge", (*control.Server).ServeBoth, 0o666, nil, "register", "ok", "register shop 1"},
		{"an operator by id", (*control.Server).ServeBoth, 0o666, []int{nobody}, "stop", "ok", "stop"},
		{"the operators' door trusts its file", (*control.Server).ServeOperators, 0o666, nil, "stop", "ok", "stop"},
		{"the workers' door has no other call", (*control.Server).ServeWorkers, 0o666, nil, "stop", `there is no "/v1/stop" on the control socket`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := &controltest.App{}
			_, path := serve(t, app, control.Options{OperatorUIDs: c.uids}, c.how)
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if got := callAs(t, nobody, path, c.what); got.Message != c.want {
				t.Errorf("got %q, want %q", got.Message, c.want)
			}
			if got := strings.Join(app.Calls(), ", "); got != c.reached {
				t.Errorf("the app saw %q, want %q", got, c.reached)
			}
			for _, p := range app.Peers() {
				if p.UID != nobody || p.GID != nobody || p.PID == os.Getpid() || p.Token != "t" {
					t.Errorf("peer: %+v", p)
				}
			}
		})
	}
}

func TestRootMayAlways(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be root")
	}
	_, path := serve(t, &controltest.App{}, control.Options{OperatorUIDs: []int{nobody}}, (*control.Server).ServeBoth)
	if _, err := client(t, path).Status(context.Background()); err != nil {
		t.Error(err)
	}
}
