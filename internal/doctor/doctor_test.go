package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ripd/internal/api"
	"ripd/internal/units"
)

// clinic is a machine made of files in a folder, and an app on it that is well.
type clinic struct {
	t    *testing.T
	root string
	host Host
	p    Patient
	said map[string]string // what journalctl says, by a part of its command line
}

const shopFile = "app = \"APP\"\ncommand = [\"./app\"]\n[listen]\nhttp = [\"8080\"]\n"

func newClinic(t *testing.T) *clinic {
	c := &clinic{t: t, root: t.TempDir(), said: map[string]string{"_PID=1": "Started."}}
	// The folders of the temporary one are entered by everybody, as those of a machine are.
	for dir := c.root; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c.write("/srv/shop/app", "#!/bin/sh\n", 0o755)
	c.write("/bin/sh", "\x7fELF", 0o755)
	c.write("/etc/ripd/shop.toml", strings.ReplaceAll(shopFile, "APP", c.root+"/srv/shop"), 0o644)
	c.write("/proc/sys/net/core/somaxconn", "4096\n", 0o644)
	c.write("/proc/net/tcp", "  sl  local_address rem_address   st\n", 0o644)
	c.write("/proc/net/tcp6", tcpLine("00000000000000000000000000000000:1F90", 77), 0o644)
	c.write("/proc/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n", 0o644)
	c.write("/sys/fs/cgroup/ripd.slice/shop/cgroup.controllers", "cpu memory pids\n", 0o644)
	c.write("/run/ripd/shop/x", "", 0o644)
	c.write("/var/log/journal/x", "", 0o644)
	c.write(generatorPath, "", 0o755)
	for _, unit := range []string{"service", "socket"} {
		c.write(generated+"ripd@shop."+unit+".d/00-ripd.conf", "", 0o644)
	}
	c.host = Host{Root: c.root, UID: os.Geteuid(),
		Output:  c.output,
		Account: func(string) (int, []int, error) { return os.Geteuid(), []int{os.Getegid()}, nil },
		NoExec:  func(string) bool { return false },
		Free:    func(string) (uint64, error) { return 1 << 40, nil },
	}
	unit := units.App{Name: "shop", State: units.Running, Service: units.Unit{
		Name: "ripd@shop.service", Load: "loaded", Active: "active", Sub: "running", Enabled: "enabled", Result: "success",
		DropIns: []string{generated + "ripd@shop.service.d/00-ripd.conf"}, User: "ripd", Descriptors: 524288, Group: "/ripd.slice/shop",
		Sandbox: units.Sandbox{Home: "yes", PrivateTmp: false, System: "strict"},
	}, Sockets: []units.Socket{{Unit: units.Unit{Name: "ripd@shop.socket", Load: "loaded", Active: "active",
		DropIns: []string{generated + "ripd@shop.socket.d/00-ripd.conf"}}, Listen: []string{"[::]:8080"}, Backlog: 4096}}}
	c.p = Patient{Name: "shop", File: "/etc/ripd/shop.toml", Unit: &unit, Version: "1.0.0", Control: "/run/ripd/shop.control.sock",
		Status: &api.Status{App: "shop", Version: "1.0.0", PID: os.Getpid(), StartedAt: time.Now().Add(time.Minute), Workers: api.WorkerCounts{Wanted: 2, Ready: 2}, Queue: api.Queue{Size: 512}}}
	return c
}

// tcpLine is a socket that listens, in the form of /proc/net/tcp.
func tcpLine(local string, inode int) string {
	return fmt.Sprintf("  sl  local_address rem_address   st\n   0: %s 00000000:0000 0A 00000000:00000000 00:00000000 00000000   33        0 %d 1 0\n", local, inode)
}

func (c *clinic) write(path, text string, mode os.FileMode) {
	c.t.Helper()
	file := c.root + path
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		c.t.Fatal(err)
	}
	c.chmod(path, mode)
}

func (c *clinic) chmod(path string, mode os.FileMode) {
	c.t.Helper()
	if err := os.Chmod(c.root+path, mode); err != nil {
		c.t.Fatal(err)
	}
}

// settings writes another file, older than what the generator has made of it.
func (c *clinic) settings(text string) {
	c.write("/etc/ripd/shop.toml", strings.ReplaceAll(text, "APP", c.root+"/srv/shop"), 0o644)
	c.age("/etc/ripd/shop.toml", -time.Hour)
}

func (c *clinic) age(path string, by time.Duration) {
	c.t.Helper()
	at := time.Now().Add(by)
	if err := os.Chtimes(c.root+path, at, at); err != nil {
		c.t.Fatal(err)
	}
}

// stranger makes the app's user one who owns nothing here.
func (c *clinic) stranger() {
	c.host.Account = func(string) (int, []int, error) { return 64999, []int{64999}, nil }
}

func (c *clinic) output(_ context.Context, argv ...string) ([]byte, error) {
	for part, text := range c.said {
		if strings.Contains(strings.Join(argv, " "), part) {
			return []byte(text), nil
		}
	}
	return nil, nil
}

func (c *clinic) examine() Report {
	c.t.Helper()
	// The settings name files with the root, as the machine has them; the checks put it
	// before them again.
	c.write(c.root+"/srv/shop/app", "#!/bin/sh\n", 0o755)
	if info, err := os.Stat(c.root + "/srv/shop/app"); err == nil {
		data, err := os.ReadFile(c.root + "/srv/shop/app")
		if err != nil {
			c.t.Fatal(err)
		}
		c.write(c.root+"/srv/shop/app", string(data), info.Mode().Perm())
	} else {
		os.Remove(c.root + c.root + "/srv/shop/app")
	}
	return Examine(c.t.Context(), c.host, c.p)
}

// finds checks that a report has a finding with these words, and what to do.
func finds(t *testing.T, r Report, check string, level Level, words ...string) {
	t.Helper()
	for _, f := range r.Findings {
		text := f.Message + "\n" + f.Next + "\n" + strings.Join(f.Words, "\n")
		if f.Check == check && f.Level == level && contains(text, words) {
			return
		}
	}
	var all []string
	for _, f := range r.Findings {
		all = append(all, fmt.Sprintf("%s %s: %s | %s | %q", f.Check, f.Level, f.Message, f.Next, f.Words))
	}
	t.Errorf("no %s of %s with %q in\n%s", level, check, words, strings.Join(all, "\n"))
}

func contains(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func TestWellApp(t *testing.T) {
	c := newClinic(t)
	r := c.examine()
	for _, f := range r.Findings {
		if f.Level != Good {
			t.Errorf("%+v", f)
		}
	}
	for _, check := range []string{checkFile, checkUnits, checkState, checkPorts, checkUser, checkApp, checkCommand, checkJournal, checkBacklog,
		checkDescriptors, checkControllers, checkRuntime, checkControl, checkVersion, checkWorkers, checkQueue} {
		finds(t, r, check, Good)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(*clinic)
		check string
		level Level
		words []string
	}{
		{"no file", func(c *clinic) { os.Remove(c.root + "/etc/ripd/shop.toml") }, checkFile, Problem, []string{"there is no file", "examples"}},
		{"a broken file", func(c *clinic) { c.settings("app = \"APP\"\nworker = 3\n") }, checkFile, Problem, []string{"cannot start", "config check", "worker"}},
		{"anybody's file", func(c *clinic) { c.chmod("/etc/ripd/shop.toml", 0o666) }, checkFile, Problem, []string{"chmod go-w"}},
		{"no folder", func(c *clinic) { c.settings("app = \"APP/none\"\ncommand = [\"./app\"]\n") }, checkFile, Problem, []string{"/srv/shop/none"}},
		{"no unit", func(c *clinic) { c.p.Unit.Service.Load = "not-found" }, checkUnits, Problem, []string{"install the package"}},
		{"no bus", func(c *clinic) { c.p.Unit, c.p.BusErr = nil, units.ErrNoBus }, checkUnits, Unseen, []string{"dbus"}},
		{"stale units", func(c *clinic) { c.p.Unit.Service.NeedReload = true }, checkUnits, Problem, []string{"systemctl daemon-reload"}},
		{"a newer file", func(c *clinic) { c.age("/etc/ripd/shop.toml", time.Hour) }, checkUnits, Problem, []string{"older than", "daemon-reload"}},
		{"no drop-in", func(c *clinic) { c.p.Unit.Service.DropIns = nil }, checkUnits, Problem, []string{"lacks what the file says", "daemon-reload"}},
		{"no generator", func(c *clinic) { c.p.Unit.Service.DropIns = nil; os.Remove(c.root + generatorPath) }, checkUnits, Problem, []string{"install the package"}},
		{"an older ripd", func(c *clinic) { c.p.Status.StartedAt = time.Now().Add(-time.Hour) }, checkUnits, Warning, []string{"systemctl reload ripd@shop"}},
		{"failed", func(c *clinic) {
			c.p.Unit.State, c.p.Unit.Service.Active, c.p.Unit.Service.Result = units.Failed, "failed", "exit-code"
			c.said["_SYSTEMD_UNIT="] = "no database\n"
		}, checkState, Problem, []string{"ended with an error", "no database", "ripctl logs shop"}},
		{"tried again", func(c *clinic) {
			c.p.Unit.State, c.p.Unit.Service.Active, c.p.Unit.Service.Sub, c.p.Unit.Service.Restarts = units.Starting, "activating", "auto-restart", 7
		}, checkState, Problem, []string{"7 times"}},
		{"a watchdog's", func(c *clinic) {
			c.p.Unit.Service.Restarts = 2
			c.said["UNIT=ripd@shop.service"] = "{\"UNIT_RESULT\":\"watchdog\"}\n{\"UNIT_RESULT\":\"watchdog\"}\n"
		}, checkState, Warning, []string{"hung 2 times", "ripctl logs"}},
		{"not at boot", func(c *clinic) { c.p.Unit.Service.Enabled = "disabled" }, checkState, Warning, []string{"ripctl enable shop"}},
		{"a rival", func(c *clinic) {
			c.p.Unit.Sockets[0].Active = "failed"
			c.p.Others = []units.App{{Name: "blog", Sockets: []units.Socket{{Unit: units.Unit{Name: "ripd@blog.socket"}, Listen: []string{"127.0.0.1:8080"}}}}}
		}, checkPorts, Problem, []string{"ripd@shop.socket", "ripd@blog.socket"}},
		{"a taken port", func(c *clinic) {
			c.p.Unit.Sockets[0].Active = "failed"
			c.write("/proc/net/tcp", tcpLine("0100007F:1F90", 4242), 0o644)
			c.write("/proc/net/tcp6", "", 0o644)
			c.write("/proc/812/comm", "nginx\n", 0o644)
			c.write("/proc/812/cgroup", "0::/system.slice/nginx.service\n", 0o644)
			os.Mkdir(c.root+"/proc/812/fd", 0o755)
			os.Symlink("socket:[4242]", c.root+"/proc/812/fd/3")
		}, checkPorts, Problem, []string{"[::]:8080 is taken by nginx (process 812, nginx.service)", "systemctl stop nginx.service"}},
		{"a taken port, seen from afar", func(c *clinic) { c.p.Unit.Sockets[0].Active = "failed" }, checkPorts, Problem, []string{"a program of user 33"}},
		{"other addresses", func(c *clinic) { c.write("/proc/net/tcp6", "", 0o644) }, checkPorts, Warning, []string{"ripctl stop shop && ripctl start shop"}},
		{"no user", func(c *clinic) {
			c.host.Account = func(string) (int, []int, error) { return 0, nil, errors.New("unknown") }
		}, checkUser, Problem, []string{"useradd --system ripd"}},
		{"a closed folder", func(c *clinic) {
			c.stranger()
			c.write(c.root+"/srv/shop/app", "", 0o755)
			c.chmod(c.root+"/srv/shop", 0o700)
		}, checkApp, Problem, []string{"/srv/shop may not be used by ripd", "mode 0700", "chmod o+"}},
		{"an app at home", func(c *clinic) { c.p.Unit.Service.Sandbox.Inaccessible = []string{"-" + c.root + "/srv"} }, checkApp, Problem, []string{"hidden"}},
		{"no program", func(c *clinic) { c.settings("app = \"APP\"\ncommand = [\"frobnicate\"]\n") }, checkCommand, Problem, []string{"no program frobnicate", "install it"}},
		{"no interpreter", func(c *clinic) { os.Remove(c.root + "/bin/sh") }, checkCommand, Problem, []string{"the first line of", "/bin/sh", "is not there"}},
		{"no program at all", func(c *clinic) { c.write("/srv/shop/app", "hello", 0o755) }, checkCommand, Problem, []string{"neither a program"}},
		{"DOS", func(c *clinic) { c.write("/srv/shop/app", "#!/bin/sh\r\n", 0o755) }, checkCommand, Problem, []string{"carriage return"}},
		{"noexec", func(c *clinic) { c.host.NoExec = func(string) bool { return true } }, checkCommand, Problem, []string{"noexec"}},
		{"a journal in memory", func(c *clinic) { os.RemoveAll(c.root + "/var/log/journal") }, checkJournal, Warning, []string{"Storage=persistent"}},
		{"a full disk", func(c *clinic) { c.host.Free = func(string) (uint64, error) { return 5 << 20, nil } }, checkJournal, Warning, []string{"only 5 MB"}},
		{"dropped lines", func(c *clinic) { c.said[droppedMessage] = "Suppressed 12 messages from ripd@shop.service" }, checkJournal, Warning, []string{"Suppressed 12"}},
		{"a closed journal", func(c *clinic) { delete(c.said, "_PID=1") }, checkJournal, Unseen, []string{"systemd-journal"}},
		{"a small backlog", func(c *clinic) { c.write("/proc/sys/net/core/somaxconn", "128", 0o644) }, checkBacklog, Warning, []string{"net.core.somaxconn = 4096"}},
		{"few descriptors", func(c *clinic) { c.p.Unit.Service.Descriptors = 1024 }, checkDescriptors, Problem, []string{"1024", "LimitNOFILE="}},
		{"no controllers", func(c *clinic) { c.write("/sys/fs/cgroup/ripd.slice/shop/cgroup.controllers", "cpu\n", 0o644) }, checkControllers, Warning, []string{"memory, pids"}},
		{"no runtime folder", func(c *clinic) { os.RemoveAll(c.root + "/run/ripd/shop") }, checkRuntime, Problem, []string{"/run/ripd/shop"}},
		{"a closed door", func(c *clinic) { c.p.Status, c.p.StatusErr = nil, api.ErrDenied }, checkControl, Unseen, []string{"group ripctl"}},
		{"no answer", func(c *clinic) { c.p.Status, c.p.StatusErr = nil, api.ErrNoAnswer }, checkControl, Problem, []string{"does not answer"}},
		{"an older ripd runs", func(c *clinic) { c.p.Version = "1.0.1" }, checkVersion, Warning, []string{"1.0.0", "ripctl upgrade shop"}},
		{"a worker that crashed", func(c *clinic) {
			c.p.Status.CrashLoops = []api.CrashLoop{{Worker: 2, Count: 5, Exit: "exit status 3"}}
		}, checkWorkers, Warning, []string{"it is ready since"}},
		{"a crashing worker", func(c *clinic) {
			c.p.Status.Workers.Ready = 1
			c.p.Status.CrashLoops = []api.CrashLoop{{Worker: 2, Count: 5, Exit: "exit status 3", LastWords: []string{"no shelves"}}}
		}, checkWorkers, Problem, []string{"worker 2 ended 5 times", "no shelves"}},
		{"a bad roll", func(c *clinic) {
			c.p.Status.LastRoll = &api.Roll{Kind: "reload", Verdict: api.VerdictRolledBack, Reason: "it did not start", Output: []string{"no shelves"}}
		}, checkWorkers, Warning, []string{"rolled back", "no shelves", "ripctl reload shop"}},
		{"no certificate", func(c *clinic) {
			c.p.Status.Certificates = []api.Certificate{{Names: []string{"shop.example"}, Source: api.CertificateACME, Problem: "no proof"}}
		}, checkTLS, Problem, []string{"no certificate for shop.example yet", "no proof", "ripctl reload shop"}},
		{"certificate not renewed", func(c *clinic) {
			c.p.Status.Certificates = []api.Certificate{{Names: []string{"shop.example"}, Source: api.CertificateACME, Problem: "no proof", Ends: time.Now().Add(200 * time.Hour)}}
		}, checkTLS, Warning, []string{"was not renewed", "no proof", "ripctl reload shop"}},
		{"certificate ended", func(c *clinic) {
			c.p.Status.Certificates = []api.Certificate{{Names: []string{"shop.example"}, Source: api.CertificateFile, Ends: time.Now().Add(-time.Hour)}}
		}, checkTLS, Problem, []string{"the certificate for shop.example has ended"}},
		{"certificate ends", func(c *clinic) {
			c.p.Status.Certificates = []api.Certificate{{Names: []string{"shop.example"}, Source: api.CertificateFile, Ends: time.Now().Add(time.Hour)}}
		}, checkTLS, Warning, []string{"the certificate for shop.example ends soon"}},
		{"nobody ready", func(c *clinic) { c.p.Status.Workers.Ready = 0 }, checkWorkers, Problem, []string{"no worker is ready"}},
		{"drained", func(c *clinic) { c.p.Status.Workers.Drained = 1 }, checkWorkers, Warning, []string{"ripctl resume shop"}},
		{"a full queue", func(c *clinic) { c.p.Status.Totals.QueueFull = 9 }, checkQueue, Warning, []string{"9 requests"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clinic := newClinic(t)
			c.fault(clinic)
			finds(t, clinic.examine(), c.check, c.level, c.words...)
		})
	}
}
