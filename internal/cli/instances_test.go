package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/control/controltest"
	"ripd/internal/units/unitstest"
)

// keeps gives the machine a systemd, which keeps these apps.
func (m *machine) keeps(names ...string) *unitstest.Systemd {
	m.t.Helper()
	s := unitstest.Start(m.t)
	m.bus = s.Environ
	for _, name := range names {
		m.fileOf(name, "app = \"/srv/"+name+"\"\n")
		for _, unit := range []string{"ripd@" + name + ".service", "ripd@" + name + ".socket", "ripd-control@" + name + ".socket"} {
			s.Set(unit, nil)
		}
	}
	return s
}

func (m *machine) fileOf(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.config, name+".toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// runsAsUnit starts an app behind systemd's control socket.
func (m *machine) runsAsUnit(a *controltest.App) {
	m.t.Helper()
	m.runsAt(filepath.Join(m.system, a.StatusIs.App+".control.sock"), a)
}

func stamp(at time.Time) uint64 { return uint64(at.UnixMicro()) }

func TestListGoldenOfSystemd(t *testing.T) {
	m := newMachine(t)
	s := m.keeps("shop", "blog", "idle", "broken", "taken", "old")
	m.runsAsUnit(shop())
	s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "active", "MemoryCurrent": uint64(412_345_678), "MainPID": uint32(4711), "UnitFileState": "enabled", "StateChangeTimestamp": stamp(now.Add(-2 * time.Hour))})
	s.Set("ripd@shop.socket", unitstest.Properties{"ActiveState": "active", "Listen": []unitstest.Address{{Kind: "Stream", Address: "[::]:3080"}}})
	s.Set("ripd@blog.service", unitstest.Properties{"ActiveState": "active", "MemoryCurrent": uint64(99_000_000), "StatusText": "3 workers ready, 1 busy, queue 0/512, 1,240 req/s", "StateChangeTimestamp": stamp(now.Add(-90 * time.Second))})
	s.Set("ripd@blog.socket", unitstest.Properties{"ActiveState": "active", "Listen": []unitstest.Address{{Kind: "Stream", Address: "0.0.0.0:80"}, {Kind: "Stream", Address: "/run/blog.sock"}}})
	s.Set("ripd@idle.socket", unitstest.Properties{"ActiveState": "active", "StateChangeTimestamp": stamp(now.Add(-time.Hour)), "Listen": []unitstest.Address{{Kind: "Stream", Address: "[::]:81"}}})
	s.Set("ripd@broken.service", unitstest.Properties{"ActiveState": "failed", "Result": "exit-code", "StateChangeTimestamp": stamp(now.Add(-time.Minute))})
	s.Set("ripd@taken.socket", unitstest.Properties{"ActiveState": "failed", "Result": "resources", "Listen": []unitstest.Address{{Kind: "Stream", Address: "[::]:80"}}})
	s.Set("ripd@gone.service", nil) // its file is gone, and it is stopped
	if err := os.WriteFile(filepath.Join(m.config, "no name.toml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	golden(t, "list-systemd", m.text(m.ripctl("list")))
	m.width = 80
	golden(t, "list-systemd-80", m.text(m.ripctl("list")))

	var l Listing
	r := m.ripctl("list", "--json")
	if err := json.Unmarshal([]byte(r.out), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Apps) != 1 || len(l.Instances) != 6 {
		t.Fatalf("%+v", l)
	}
	in := l.Instances[4]
	if in.App != "shop" || in.State != "running" || !in.Enabled || in.PID != 4711 || in.Memory != 412_345_678 || in.Unit != "ripd@shop.service" || len(in.Listen) != 1 || in.File != m.config+"/shop.toml" {
		t.Errorf("%+v", in)
	}
	if in := l.Instances[5]; in.App != "taken" || in.State != "failed" || in.Result != "resources" {
		t.Errorf("%+v", in)
	}
}

// To look at an app that systemd would start at a call does not start it.
func TestLookingStartsNothing(t *testing.T) {
	for _, state := range []string{"inactive", "failed"} {
		m := newMachine(t)
		s := m.keeps("shop")
		a := shop()
		m.runsAsUnit(a) // who answers is whom systemd would have started
		s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": state})
		s.Set("ripd@shop.socket", unitstest.Properties{"ActiveState": "active"})
		if r := m.ripctl("list"); r.code != ExitDone || !strings.Contains(r.out, "shop") {
			t.Errorf("%+v", r)
		}
		for _, command := range []string{"status", "workers", "restart"} {
			r := m.ripctl(command, "shop")
			if r.code != ExitNotRunning || !strings.Contains(r.stderr, `"ripctl start shop" starts it now`) {
				t.Errorf("%s: %+v", command, r)
			}
		}
		if r := m.ripctl("status"); r.code != ExitNotRunning {
			t.Errorf("%+v", r)
		}
		if calls := a.Calls(); len(calls) > 0 {
			t.Errorf("called: %q", calls)
		}
	}
}

func TestWordsForSystemd(t *testing.T) {
	for words, want := range map[string]string{
		"4 workers ready, 1 busy, queue 0/512, 1,240 req/s": "4 1,240", "1 worker ready, 0 busy, queue 0/512, 3.2 req/s": "1 3.2",
		"serving generation 3": " ", "": " ", "14 workers ready": "14 ",
	} {
		if workers, rate := spoken(words); workers+" "+rate != want {
			t.Errorf("%q: %q %q", words, workers, rate)
		}
	}
}

func TestJobs(t *testing.T) {
	for _, c := range []struct {
		args  string
		setup func(m *machine, s *unitstest.Systemd)
		calls string
		code  int
		out   string
		err   string
	}{
		{args: "start shop", calls: "StartUnit ripd@shop.service", out: "shop runs\n"},
		{args: "start", calls: "StartUnit ripd@shop.service", out: "shop runs\n"},
		{args: "start shop --json", calls: "StartUnit ripd@shop.service", out: `{"ok":true}` + "\n"},
		{args: "enable shop", calls: "EnableUnitFiles ripd@shop.service ripd@shop.socket ripd-control@shop.socket false true, Reload", out: "shop starts with the machine\n"},
		{args: "enable shop --now", calls: "EnableUnitFiles ripd@shop.service ripd@shop.socket ripd-control@shop.socket false true, Reload, StartUnit ripd@shop.service", out: "shop runs, and starts with the machine\n"},
		{args: "disable shop", calls: "DisableUnitFiles ripd@shop.service ripd@shop.socket ripd-control@shop.socket false, Reload", out: "shop does not start with the machine\n"},
		{args: "start shop", setup: func(_ *machine, s *unitstest.Systemd) {
			s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "active"})
		}, out: "shop runs already\n"},
		{args: "start shop", setup: func(_ *machine, s *unitstest.Systemd) {
			s.Result("ripd@shop.service", "failed")
			s.Set("ripd@shop.service", unitstest.Properties{"Result": "exit-code", "StatusText": "worker 1: no database"})
		}, calls: "StartUnit ripd@shop.service", code: ExitFailed, err: "shop did not start: ripd@shop.service: failed (exit-code)\n  │ worker 1: no database\nnext: \"ripctl logs shop\""},
		{args: "start shop", setup: func(_ *machine, s *unitstest.Systemd) { s.Refuse("org.freedesktop.DBus.Error.AccessDenied") },
			calls: "StartUnit ripd@shop.service", code: ExitFailed, err: "systemd does not let you"},
		{args: "start shp", code: ExitNoApp, err: `did you mean "shop"?`},
		{args: "start a/b", code: ExitUsage, err: "no app's name"},
		{args: "start shop blog", code: ExitUsage, err: "one argument too many"},
		{args: "start --socket /x", code: ExitUsage, err: "leave --socket out"},
		{args: "stop shop", setup: func(m *machine, s *unitstest.Systemd) {
			s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "active"})
			m.runsAsUnit(shop())
		}, calls: "StopUnit ripd@shop.socket, StopUnit ripd-control@shop.socket, StopUnit ripd@shop.service", out: "systemd stops the sockets and ripd, which finishes what it has\nstopped\n"},
		{args: "stop", setup: func(m *machine, s *unitstest.Systemd) {
			s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "active"})
			m.runsAsUnit(shop())
		}, calls: "StopUnit ripd@shop.socket, StopUnit ripd-control@shop.socket, StopUnit ripd@shop.service", out: "systemd stops the sockets and ripd, which finishes what it has\nstopped\n"},
		{args: "stop shop", setup: func(m *machine, s *unitstest.Systemd) {
			s.Set("ripd@shop.socket", unitstest.Properties{"ActiveState": "active"})
		}, calls: "StopUnit ripd@shop.socket, StopUnit ripd-control@shop.socket, StopUnit ripd@shop.service", out: "systemd stops the sockets and ripd, which finishes what it has\nstopped\n"},
		{args: "stop shop", code: ExitNotRunning, err: `"ripctl start shop" starts it`},
	} {
		t.Run(c.args, func(t *testing.T) {
			m := newMachine(t)
			s := m.keeps("shop")
			if c.setup != nil {
				c.setup(m, s)
			}
			r := m.ripctl(strings.Fields(c.args)...)
			check(t, r, c.code, c.err)
			if r.out != c.out {
				t.Errorf("%q, not %q", r.out, c.out)
			}
			if got := strings.Join(s.Calls(), ", "); got != c.calls {
				t.Errorf("%s\nnot\n%s", got, c.calls)
			}
		})
	}
}

func TestWithoutSystemd(t *testing.T) {
	m := newMachine(t)
	m.fileOf("shop", "")
	check(t, m.ripctl("start", "shop"), ExitFailed, "systemd cannot be asked", "next: is systemd process 1")
	a := shop()
	m.runsAsUnit(a)
	check(t, m.ripctl("stop", "shop"), ExitDone)
	if got := strings.Join(a.Calls(), ", "); got != "stop" {
		t.Error(got)
	}
	check(t, m.ripctl("list"), ExitDone)
}

// An app of the foreground is not systemd's, whatever its name.
func TestStopOfTheForeground(t *testing.T) {
	m := newMachine(t)
	s := m.keeps("shop")
	a := shop()
	m.runs(a)
	check(t, m.ripctl("stop", "shop"), ExitDone)
	if got := strings.Join(a.Calls(), ", "); got != "stop" || len(s.Calls()) > 0 {
		t.Error(got, s.Calls())
	}
}

func TestUnitThatIsNotInstalled(t *testing.T) {
	m := newMachine(t)
	s := m.keeps()
	m.fileOf("shop", "")
	check(t, m.ripctl("start", "shop"), ExitFailed, "systemd has no unit ripd@shop.service", "next: install the package")
	if len(s.Calls()) > 0 {
		t.Error(s.Calls())
	}
}

func TestLogs(t *testing.T) {
	if err := os.WriteFile(filepath.Join(t.TempDir(), "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "journalctl"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	const both = "journalctl --unit=ripd@shop.service --unit=ripd@shop.socket --unit=ripd-https@shop.socket" +
		" --unit=ripd-metrics@shop.socket --unit=ripd-control@shop.socket"
	for _, c := range []struct {
		args, want string
		code       int
		err        string
	}{
		{"logs shop", both + " --pager-end", 0, ""},
		{"logs", both + " --pager-end", 0, ""},
		{"logs shop -f", both + " --follow", 0, ""},
		{"logs shop --json", both + " --pager-end --output=json", 0, ""},
		{"logs shop -f --worker 3", "journalctl --unit=ripd@shop.service --follow RIP_WORKER=3", 0, ""},
		{"logs shop --request a.b'c", `journalctl --unit=ripd@shop.service --pager-end '--grep=a\.b'\''c' --case-sensitive=yes`, 0, ""},
		{"logs shop -- --since today", both + " --pager-end --since today", 0, ""},
		{"logs -- --since today", both + " --pager-end --since today", 0, ""},
		{"logs shop --worker 0", "", ExitUsage, "ids count from 1"},
		{"logs nope", "", ExitNoApp, "there is no file"},
		{"logs front", "", ExitFailed, "front runs in the foreground"},
		{"logs shop more", "", ExitUsage, "one argument too many"},
	} {
		t.Run(c.args, func(t *testing.T) {
			m := newMachine(t)
			m.fileOf("shop", "")
			a := shop()
			a.StatusIs.App = "front"
			m.runs(a)
			r := m.ripctl(strings.Fields(c.args)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.err) {
				t.Errorf("exit %d\n%s", r.code, r.stderr)
			}
			if c.want == "" {
				if len(m.ran) > 0 {
					t.Error(m.ran)
				}
				return
			}
			if r.stderr != "$ "+c.want+"\n" || len(m.ran) != 1 || shellWords(m.ran[0]) != c.want {
				t.Errorf("%q, ran %q", r.stderr, m.ran)
			}
		})
	}
	t.Setenv("PATH", t.TempDir())
	m := newMachine(t)
	m.fileOf("shop", "")
	check(t, m.ripctl("logs"), ExitFailed, "journalctl is not on this machine")
}
