// Package unitstest is a systemd for tests: it answers on a bus of its own, and has
// the units that a test gives it.
package unitstest

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"ripd/internal/testkit"
)

const (
	name    = "org.freedesktop.systemd1"
	path    = dbus.ObjectPath("/org/freedesktop/systemd1")
	subtree = path + "/unit"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>
`

// Properties are those of a unit.
type Properties map[string]any

// Address is one of a socket's, for the property Listen: {"Stream", "[::]:80"}.
type Address struct{ Kind, Address string }

// Systemd is the fake.
type Systemd struct {
	// Environ names its bus.
	Environ []string

	conn *dbus.Conn

	mu     sync.Mutex
	units  map[string]Properties
	calls  []string
	refuse string            // the D-Bus error that steering gets; "": none
	result map[string]string // of a job, by unit; done where it is not there
	jobs   int
}

// Start starts a bus and the fake on it, until the test ends.
func Start(t testing.TB) *Systemd {
	t.Helper()
	testkit.Need(t, "dbus-daemon")
	dir := testkit.TempSocketDir(t)
	socket, config := filepath.Join(dir, "bus"), filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, socket), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--nopidfile", "--nosyslog", "--print-address")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal("dbus-daemon: ", err)
	}
	address := "unix:path=" + socket
	s := &Systemd{Environ: []string{"DBUS_SYSTEM_BUS_ADDRESS=" + address}, units: map[string]Properties{}, result: map[string]string{}}
	if s.conn, err = dbus.Connect(address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.conn.Close() })
	if err := s.export(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Systemd) export() error {
	err := s.conn.ExportMethodTable(map[string]any{
		"ListUnitsByPatterns": s.list, "Subscribe": func() *dbus.Error { return nil }, "Reload": func() *dbus.Error { s.note("Reload"); return nil },
		"StartUnit":       func(unit, mode string) (dbus.ObjectPath, *dbus.Error) { return s.job("StartUnit", unit, "active") },
		"StopUnit":        func(unit, mode string) (dbus.ObjectPath, *dbus.Error) { return s.job("StopUnit", unit, "inactive") },
		"EnableUnitFiles": s.enable, "DisableUnitFiles": s.disable,
	}, path, name+".Manager")
	if err != nil {
		return err
	}
	err = s.conn.ExportSubtreeMethodTable(map[string]any{"GetAll": s.properties}, subtree, "org.freedesktop.DBus.Properties")
	if err != nil {
		return err
	}
	_, err = s.conn.RequestName(name, dbus.NameFlagDoNotQueue)
	return err
}

// Set gives a unit these properties, beside those that it has.
func (s *Systemd) Set(unit string, p Properties) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.units[unit] == nil {
		s.units[unit] = Properties{"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "disabled", "Result": "success", "NeedDaemonReload": false}
	}
	maps.Copy(s.units[unit], p)
}

// Refuse makes systemd refuse what needs a privilege, with this D-Bus error.
func (s *Systemd) Refuse(code string) { s.mu.Lock(); s.refuse = code; s.mu.Unlock() }

// Result is how jobs of a unit end.
func (s *Systemd) Result(unit, result string) { s.mu.Lock(); s.result[unit] = result; s.mu.Unlock() }

// Calls are what was asked for, in order.
func (s *Systemd) Calls() []string { s.mu.Lock(); defer s.mu.Unlock(); return slices.Clone(s.calls) }

func (s *Systemd) note(call string) { s.mu.Lock(); s.calls = append(s.calls, call); s.mu.Unlock() }

// listed is a unit as ListUnitsByPatterns gives it.
type listed struct {
	Name, Description, Load, Active, Sub, Followed string
	Path                                           dbus.ObjectPath
	Job                                            uint32
	JobType                                        string
	JobPath                                        dbus.ObjectPath
}

func (s *Systemd) list(states, patterns []string) ([]listed, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []listed{}
	for unit, p := range s.units {
		for _, pattern := range patterns {
			if ok, _ := filepath.Match(pattern, unit); ok {
				list = append(list, listed{Name: unit, Load: fmt.Sprint(p["LoadState"]), Active: fmt.Sprint(p["ActiveState"]), Path: subtree, JobPath: "/"})
				break
			}
		}
	}
	return list, nil
}

var escaped = regexp.MustCompile(`_[0-9a-f]{2}`)

func (s *Systemd) properties(m dbus.Message, iface string) (map[string]dbus.Variant, *dbus.Error) {
	object, _ := m.Headers[dbus.FieldPath].Value().(dbus.ObjectPath)
	unit := escaped.ReplaceAllStringFunc(strings.TrimPrefix(string(object), string(subtree)+"/"), func(code string) string {
		b, _ := hex.DecodeString(code[1:])
		return string(b)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.units[unit]
	if p == nil {
		p = Properties{"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"}
	}
	all := map[string]dbus.Variant{}
	for key, value := range p {
		all[key] = dbus.MakeVariant(value)
	}
	return all, nil
}

func (s *Systemd) refused() *dbus.Error {
	if s.refuse == "" {
		return nil
	}
	return dbus.NewError(s.refuse, []any{"Access denied"})
}

func (s *Systemd) job(method, unit, state string) (dbus.ObjectPath, *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, method+" "+unit)
	if err := s.refused(); err != nil {
		return "", err
	}
	if s.units[unit] == nil {
		return "", dbus.NewError(name+".NoSuchUnit", []any{"Unit " + unit + " not loaded."})
	}
	s.jobs++
	id, result := s.jobs, "done"
	if r := s.result[unit]; r != "" {
		result = r
	} else {
		s.units[unit]["ActiveState"] = state
	}
	job := dbus.ObjectPath(fmt.Sprintf("%s/job/%d", path, id))
	// As with systemd, a quick job may have ended before the answer arrives.
	_ = s.conn.Emit(path, name+".Manager.JobRemoved", uint32(id), job, unit, result)
	return job, nil
}

// change is one link that was made or removed.
type change struct{ Type, File, Destination string }

func (s *Systemd) enable(files []string, runtime, force bool) (bool, []change, *dbus.Error) {
	s.note(fmt.Sprint("EnableUnitFiles ", strings.Join(files, " "), " ", runtime, " ", force))
	return true, []change{}, s.links(files, "enabled")
}

func (s *Systemd) disable(files []string, runtime bool) ([]change, *dbus.Error) {
	s.note(fmt.Sprint("DisableUnitFiles ", strings.Join(files, " "), " ", runtime))
	return []change{}, s.links(files, "disabled")
}

func (s *Systemd) links(files []string, state string) *dbus.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refused(); err != nil {
		return err
	}
	for _, f := range files {
		if s.units[f] != nil {
			s.units[f]["UnitFileState"] = state
		}
	}
	return nil
}
