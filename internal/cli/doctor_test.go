package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/doctor"
	"ripd/internal/units/unitstest"
)

// sickbed gives the machine a systemd that keeps shop, and a file system without
// anything else.
func sickbed(t *testing.T) (*machine, *unitstest.Systemd) {
	m := newMachine(t)
	root := socketDir(t)
	m.host = &doctor.Host{
		Root: root, UID: 7,
		Output:  func(context.Context, ...string) ([]byte, error) { return nil, errors.New("no journalctl") },
		Account: func(string) (int, []int, error) { return 0, nil, errors.New("unknown") },
		NoExec:  func(string) bool { return false },
		Free:    func(string) (uint64, error) { return 1 << 40, nil },
	}
	s := m.keeps("shop")
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(m.config+"/shop.toml", "command = [\"./app\"]\n[workers]\ncount = 0\n")
	write("/proc/sys/net/core/somaxconn", "4096\n")
	s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "failed", "Result": "exit-code", "NeedDaemonReload": true,
		"StatusText": "no worker has become ready; worker 1 ended: no shelves", "LimitNOFILE": uint64(524288), "User": "ripd"})
	s.Set("ripd@shop.socket", unitstest.Properties{"Listen": []unitstest.Address{{Kind: "Stream", Address: "[::]:3080"}}})
	return m, s
}

// report is a result as golden files have it, without this machine's folders.
func (m *machine) report(r result) string {
	return strings.NewReplacer(m.host.Root, "", m.config, "/etc/ripd").Replace(m.text(r))
}

func TestDoctorGolden(t *testing.T) {
	for _, width := range []int{0, 60, 80, 120} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			m, _ := sickbed(t)
			m.width = width
			r := m.ripctl("doctor", "shop")
			golden(t, fmt.Sprintf("doctor-%d", width), m.report(r))
			for line := range strings.Lines(r.out) {
				if n := len([]rune(strings.TrimRight(line, "\n"))); width > 0 && n > width {
					t.Errorf("a line has %d cells, the terminal %d: %s", n, width, line)
				}
			}
		})
	}
	m, _ := sickbed(t)
	golden(t, "json-doctor", m.report(m.ripctl("doctor", "shop", "--json")))
	m.environ, m.width = []string{"TERM=xterm", "CLICOLOR_FORCE=1"}, 80
	golden(t, "doctor-colour", m.report(m.ripctl("doctor", "shop")))
}

// A foreground app is looked at too; nothing is wrong with this one.
func TestDoctorOfTheForeground(t *testing.T) {
	m := newMachine(t)
	a := shop()
	a.StatusIs = api.Status{App: "shop", Version: m.version, PID: os.Getpid(), StartedAt: time.Now(), Workers: api.WorkerCounts{Wanted: 1, Ready: 1}, Queue: api.Queue{Size: 8}}
	m.runs(a)
	r := m.ripctl("doctor", "--json")
	check(t, r, ExitDone)
	var x Examined
	if err := json.Unmarshal([]byte(r.out), &x); err != nil {
		t.Fatal(err)
	}
	if !x.OK || len(x.Apps) != 1 || x.Apps[0].App != "shop" || x.Apps[0].Count(doctor.Good) < 4 {
		t.Errorf("%+v", x)
	}
	check(t, m.ripctl("doctor", "--socket", m.socket("shop")), ExitDone)
	a.StatusIs.Workers.Ready = 0
	check(t, m.ripctl("doctor", "shop"), ExitFailed, "something is wrong with shop")
	check(t, m.ripctl("doctor", "shpo"), ExitNoApp, "there is no file")
	check(t, m.ripctl("doctor", "a/b"), ExitUsage, "no app's name")
	check(t, newMachine(t).ripctl("doctor"), ExitNotRunning, "there is no app to look at")
}

// An app that waits for its first client is not started by a look at it.
func TestDoctorStartsNothing(t *testing.T) {
	m, s := sickbed(t)
	a := shop()
	m.runsAsUnit(a)
	s.Set("ripd@shop.service", unitstest.Properties{"ActiveState": "inactive", "Result": "success"})
	s.Set("ripd@shop.socket", unitstest.Properties{"ActiveState": "active"})
	m.ripctl("doctor", "shop")
	if len(s.Calls()) > 0 || len(a.Calls()) > 0 {
		t.Error(s.Calls(), a.Calls())
	}
}
