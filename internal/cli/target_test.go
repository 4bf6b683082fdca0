package cli

import (
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhichApp(t *testing.T) {
	for _, c := range []struct {
		name   string
		setup  func(m *machine)
		args   []string
		code   int
		stderr []string
	}{
		{"none runs", func(*machine) {}, []string{"status"}, ExitNotRunning, []string{"ripctl: no app is running", "next: start one with"}},
		{"none runs, with a name", func(*machine) {}, []string{"restart", "shop"}, ExitNotRunning, []string{"shop is not running"}},
		{"one runs", func(m *machine) { m.runs(shop()) }, []string{"status"}, ExitDone, nil},
		{"several run", func(m *machine) { m.runs(shop()); m.runs(blog()) }, []string{"status"}, ExitUsage, []string{"2 apps run: blog, shop", "next: say which one"}},
		{"a slip of the finger", func(m *machine) { m.runs(shop()); m.runs(blog()) }, []string{"status", "sohp"}, ExitNoApp,
			[]string{`there is no app "sohp"; running: blog, shop`, `next: did you mean "shop"?`}},
		{"nothing near", func(m *machine) { m.runs(shop()) }, []string{"status", "warehouse"}, ExitNoApp, []string{`"warehouse"; running: shop`, "ripctl list"}},
		{"left over", func(m *machine) { m.runs(blog()); leftOver(m.t, m.socket("shop")) }, []string{"status", "shop"}, ExitNotRunning,
			[]string{"shop is not running: nobody listens on", "ripd FOLDER"}},
		{"left over by systemd", func(m *machine) { leftOver(m.t, filepath.Join(m.system, "shop.control.sock")) }, []string{"status", "shop"}, ExitNotRunning,
			[]string{"shop is not running", "systemctl start ripd@shop"}},
		{"by socket", func(m *machine) { m.runs(shop()); m.runs(blog()) }, []string{"status", "--socket", "SHOP"}, ExitDone, nil},
		{"another's socket", func(m *machine) { m.runs(shop()) }, []string{"status", "blog", "--socket", "SHOP"}, ExitNoApp, []string{"is the socket of shop, not of blog"}},
		{"no such socket", func(m *machine) {}, []string{"status", "--socket", "SHOP"}, ExitNotRunning, []string{"nothing listens on the control socket"}},
		{"two of one name", func(m *machine) { m.runs(shop()); m.runsAt(filepath.Join(m.system, "shop.control.sock"), shop()) }, []string{"status", "shop"}, ExitUsage,
			[]string{"2 apps that run are called shop", "choose with --socket"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			c.setup(m)
			args := append([]string(nil), c.args...)
			for i, a := range args {
				if a == "SHOP" {
					args[i] = m.socket("shop")
				}
			}
			check(t, m.ripctl(args...), c.code, c.stderr...)
		})
	}
}

// leftOver makes the socket of a ripd that was killed.
func leftOver(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
}

func TestOtherVersion(t *testing.T) {
	m := newMachine(t)
	m.version = "0.4.0"
	a := shop()
	m.runs(a)
	want := []string{"ripctl: the ripd of shop is version 0.3.1, and this ripctl is version 0.4.0", "next: use the ripctl of version 0.3.1"}
	for _, args := range [][]string{{"restart"}, {"scale", "3"}, {"drain", "2"}, {"stop"}, {"workers"}, {"events"}} {
		check(t, m.ripctl(args...), ExitFailed, want...)
	}
	if got := a.Calls(); len(got) > 0 {
		t.Errorf("called all the same: %v", got)
	}
	r := m.ripctl("status") // it can be read, with a warning
	if r.code != ExitDone || !strings.Contains(r.stderr, want[0]) || !strings.Contains(r.out, "shop") {
		t.Errorf("status: %+v", r)
	}
	if r := m.ripctl("version"); r.code != ExitDone || !strings.Contains(r.out, "does not go with this ripctl") {
		t.Errorf("version: %+v", r)
	}
}

func TestNotRipd(t *testing.T) {
	m := newMachine(t)
	path := m.socket("shop")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan struct{})
	go func() { defer close(done); stranger.Serve(l) }()
	t.Cleanup(func() { stranger.Close(); <-done })
	check(t, m.ripctl("status"), ExitFailed, "is not ripd", "next:")
	check(t, m.ripctl("status", "shop"), ExitFailed, "is not ripd", "next:")
	if r := m.ripctl("list"); !strings.Contains(r.out, "not ripd") {
		t.Errorf("list: %+v", r)
	}
}
