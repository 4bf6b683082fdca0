package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	c := mustLoad(t, Input{Args: []string{"demo"}, Dir: dir})
	want := Config{
		Name: "demo", Variant: "main", SocketPrefix: "rip_main_demo", Demo: true, Foreground: true, Adapter: "auto", Workdir: dir,
		Listen: Listen{HTTP: []Address{{Network: "tcp", Port: 3080}}, HTTPS: []Address{}, Metrics: []Address{}},
		Workers: Workers{Count: 2, CountAuto: true, Concurrency: 1, Upgrades: 100, Release: "answer", Streams: 100, MaxRequests: 10000, Scheduling: SchedulingAuto, Ready: ReadyAuto,
			StartTimeout: time.Minute, StopTimeout: 30 * time.Second, Surge: 1},
		Queue: Queue{Size: 512, Timeout: 5 * time.Second},
		Timeouts: Timeouts{Connect: time.Second, Read: 30 * time.Second, ClientHeader: 10 * time.Second,
			ClientBody: time.Minute, ClientIdle: time.Minute, ClientWrite: time.Minute, UpgradeIdle: time.Hour, UpgradeDrain: 20 * time.Second},
		Limits:      Limits{Header: 32 << 10, Body: 100 << 20, Buffer: 64 << 10, ResponseSpool: 1 << 30, Connections: 16384, Streams: 100, Line: 16 << 10, RateBurst: 50},
		Proxy:       Proxy{RequestBuffering: true, StatusPath: "/status"},
		Static:      Static{Index: "index.html", Precompressed: true, CacheControl: "no-cache"},
		TLS:         TLS{HTTP2: true, ACMEDirectory: DefaultACMEDirectory},
		Reload:      Reload{Mode: ModeProcess},
		Log:         Log{Access: AccessHuman, AccessTo: AccessToAuto, Slow: time.Second, Sample: 100, Level: slog.LevelInfo},
		Compression: Compression{Codings: []string{}, Level: 4, MinSize: 1 << 10, Types: c.Compression.Types, Streams: 64},
	}
	if n := len(want.Compression.Types); n != 16 {
		t.Errorf("%d types are compressed", n)
	}
	got := *c
	got.settings, got.notes = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// Each way to name an app, and what comes of it.
func TestTargets(t *testing.T) {
	dir := t.TempDir()
	put := func(path, text string, mode os.FileMode) {
		t.Helper()
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	put("shop/ripd.toml", `command = ["puma"]`, 0o644)
	put("etc/other.toml", "app = \"../releases/42\"\ncommand = [\"puma\"]", 0o644)
	put("releases/42/config.ru", "", 0o644)
	put("bin/api-server", "#!/bin/sh", 0o755)
	put("blog/current/ripd.toml", `command = ["puma"]`, 0o644)
	put("prog/ripd.toml", `app = "./run"`, 0o644)
	put("prog/run", "#!/bin/sh", 0o755)
	if err := os.Symlink("releases/42", filepath.Join(dir, "now")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, args, env      string
		app, file, workdir   string
		command, called, pre string
	}{
		{name: "folder", args: "shop", app: "shop", file: "shop/ripd.toml", workdir: "shop", command: "puma", called: "shop", pre: "rip_main_shop"},
		{name: "file", args: "shop/ripd.toml", app: "shop", file: "shop/ripd.toml", workdir: "shop", command: "puma", called: "shop", pre: "rip_main_shop"},
		{name: "config flag", args: "--config etc/other.toml", app: "releases/42", file: "etc/other.toml", workdir: "releases/42", command: "puma", called: "42", pre: "rip_main_42"},
		{name: "config and app", args: "--config=etc/other.toml now", app: "now", file: "etc/other.toml", workdir: "now", command: "puma", called: "now", pre: "rip_main_now"},
		{name: "config and RIP_APP", args: "--config=etc/other.toml", env: "RIP_APP=now", app: "now", file: "etc/other.toml", workdir: "now", command: "puma", called: "now", pre: "rip_main_now"},
		{name: "program", args: "bin/api-server --variant=blue", app: "bin/api-server", workdir: "bin", command: "bin/api-server", called: "api-server", pre: "rip_blue_api-server"},
		{name: "program in a file", args: "prog", app: "prog/run", file: "prog/ripd.toml", workdir: "prog", command: "prog/run", called: "run", pre: "rip_main_run"},
		{name: "current", args: "blog/current", app: "blog/current", file: "blog/current/ripd.toml", workdir: "blog/current", command: "puma", called: "blog", pre: "rip_main_blog"},
		{name: "instance", args: "--instance=web --config=etc/other.toml", app: "releases/42", file: "etc/other.toml", workdir: "releases/42", command: "puma", called: "web", pre: "rip_main_web"},
		{name: "RIP_APP", env: "RIP_APP=shop", app: "shop", file: "shop/ripd.toml", workdir: "shop", command: "puma", called: "shop", pre: "rip_main_shop"},
		{name: "word beats RIP_APP", args: "shop", env: "RIP_APP=prog", app: "shop", file: "shop/ripd.toml", workdir: "shop", command: "puma", called: "shop", pre: "rip_main_shop"},
		{name: "RIP_COMMAND", args: "now", env: "RIP_COMMAND=puma -b 'a b'", app: "now", workdir: "now", command: "puma|-b|a b", called: "now", pre: "rip_main_now"},
		{name: "socket prefix", args: "shop --socket-prefix x_y", app: "shop", file: "shop/ripd.toml", workdir: "shop", command: "puma", called: "shop", pre: "x_y"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := Input{Args: strings.Fields(test.args), Dir: dir}
			if test.env != "" {
				in.Environ = []string{"PATH=/bin", test.env}
			}
			c := mustLoad(t, in)
			under := func(p string) string {
				if p == "" {
					return ""
				}
				return filepath.Join(dir, p)
			}
			command := test.command
			if strings.Contains(command, "/") {
				command = under(command)
			}
			for _, x := range []struct{ what, got, want string }{
				{"app", c.App, under(test.app)}, {"file", c.File, under(test.file)}, {"workdir", c.Workdir, under(test.workdir)},
				{"command", strings.Join(c.Command, "|"), command}, {"name", c.Name, test.called}, {"prefix", c.SocketPrefix, test.pre},
			} {
				if x.got != x.want {
					t.Errorf("%s: got %q, want %q", x.what, x.got, x.want)
				}
			}
			if c.Foreground == strings.Contains(test.args, "--instance") {
				t.Errorf("foreground: %v", c.Foreground)
			}
		})
	}
}

func TestReloadModeByDefault(t *testing.T) {
	file := fileFor(t, `command = ["puma"]`)
	for _, test := range []struct {
		name string
		args []string
		want Mode
	}{
		{"foreground", []string{file}, ModeProcess},
		{"foreground, asked", []string{file, "--hot-reload=none"}, ModeNone},
		{"instance", []string{"--config", file, "--instance", "shop"}, ModeNone},
		{"instance, asked", []string{"--config", file, "--instance", "shop", "--hot-reload=process"}, ModeProcess},
	} {
		t.Run(test.name, func(t *testing.T) {
			if c := mustLoad(t, Input{Args: test.args}); c.Reload.Mode != test.want {
				t.Errorf("got %s, want %s", c.Reload.Mode, test.want)
			}
		})
	}
}

func TestListenersAskedFor(t *testing.T) {
	with := fileFor(t, "command = [\"puma\"]\n[listen]\nhttp = [\"8080\"]")
	without := fileFor(t, `command = ["puma"]`)
	for _, test := range []struct {
		name, args, env string
		want            string
		asked           bool
	}{
		{"nothing", without, "", "[::]:3080", false},
		{"word without port", without + " http", "", "[::]:3080", false},
		{"word with port", without + " http:3080", "", "[::]:3080", true},
		{"two words", without + " http:8080 http:127.0.0.1:8081", "", "[::]:8080 127.0.0.1:8081", true},
		{"mixed words", without + " http http:8081", "", "[::]:3080 [::]:8081", true},
		{"file", with, "", "[::]:8080", true},
		{"file and word", with + " http", "", "[::]:3080", false},
		{"variable", with, "RIP_LISTEN_HTTP=0, /run/x.sock", "[::]:0 /run/x.sock", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := mustLoad(t, Input{Args: strings.Fields(test.args), Environ: []string{test.env}})
			var got []string
			for _, a := range c.Listen.HTTP {
				got = append(got, a.String())
			}
			if strings.Join(got, " ") != test.want || c.Listen.HTTPAsked != test.asked {
				t.Errorf("got %s, asked %v", got, c.Listen.HTTPAsked)
			}
		})
	}
}

func TestLogFlags(t *testing.T) {
	for _, test := range []struct {
		args   string
		access Access
		json   bool
	}{
		{"demo", AccessHuman, false},
		{"demo --json-logging", AccessJSON, true},
		{"demo --no-access-log", AccessOff, false},
		{"demo --no-access-log --json-logging", AccessOff, true},
		{"demo --json-logging --no-access-log", AccessOff, true},
	} {
		t.Run(test.args, func(t *testing.T) {
			if c := mustLoad(t, Input{Args: strings.Fields(test.args)}); c.Log.Access != test.access || c.Log.JSON != test.json {
				t.Errorf("got %+v", c.Log)
			}
		})
	}
}

// An app that an adapter loads, and the demo, can be told to keep the order.
func TestSerial(t *testing.T) {
	note := "serial: a worker has one request at a time anyway; c:2 gives it the next one too"
	for args, noted := range map[string]bool{"demo": true, "demo c:2": false} {
		c := mustLoad(t, Input{Args: strings.Fields(args), Environ: []string{"RIP_WORKERS_SERIAL=true"}})
		if !c.Workers.Serial || slices.Contains(c.Notes(), note) != noted {
			t.Errorf("%s: %v, %q", args, c.Workers.Serial, c.Notes())
		}
	}
	file := fileFor(t, "[workers]\nserial = true\nconcurrency = 2\n")
	write(t, file, "../config.ru", "run App\n")
	if c := mustLoad(t, Input{Args: []string{file}}); !c.Workers.Serial {
		t.Error("an app in Ruby has no order")
	}
}

// The workers of an app in Ruby or Python can be forked from one process; then none of
// them loads changed code by itself.
func TestPreload(t *testing.T) {
	for entry, ok := range map[string]bool{"config.ru": true, "wsgi.py": true, "asgi.py": true, "index.js": false} {
		file := fileFor(t, "[workers]\npreload = true\n")
		write(t, file, "../"+entry, "# the app\n")
		c, err := Load(Input{Args: []string{file}})
		if !ok {
			if err == nil || !strings.Contains(err.Error(), `"node" cannot fork an app that it has loaded; take it out; rack, wsgi and asgi can`) {
				t.Errorf("%s: %v", entry, err)
			}
			continue
		}
		if err != nil || !c.Workers.Preload || c.Reload.Mode != ModeProcess {
			t.Fatalf("%s: %v", entry, err)
		}
		for mode, message := range map[string]string{"none": "", "process": "", "module": `workers.preload: in the reload mode "module" each worker loads code by itself`} {
			_, err := Load(Input{Args: []string{file, "--hot-reload=" + mode}})
			if (err == nil) != (message == "") || err != nil && !strings.Contains(err.Error(), message) {
				t.Errorf("%s, mode %s: %v", entry, mode, err)
			}
		}
	}
}

func TestEnvTablesAreJoined(t *testing.T) {
	for name, text := range map[string]string{
		"inline": "env = { A = \"1\", B = \"x y\" }",
		"table":  "[env]\nA = \"1\"\nB = \"x y\"",
		"dotted": "env.A = \"1\"\nenv.B = \"x y\"",
	} {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, Input{Args: []string{fileFor(t, "command = [\"x\"]\n"+text)}})
			if len(c.Env) != 2 || c.Env["A"] != "1" || c.Env["B"] != "x y" {
				t.Errorf("got %v", c.Env)
			}
			for _, e := range c.Explain() {
				if e.Key == "env" && e.Value != "{ A=…, B=… }" {
					t.Errorf("a value is shown: %s", e.Value)
				}
			}
		})
	}
}

func TestLoadFile(t *testing.T) {
	t.Setenv("RIP_QUEUE_SIZE", "7") // does not count
	file := fileFor(t, "command = [\"puma\"]\nqueue.size = 9")
	c, err := LoadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Queue.Size != 9 || c.Workers.Count < 1 {
		t.Errorf("got %+v", c)
	}
	if _, err := LoadFile(filepath.Join(filepath.Dir(file), "ripd.tml")); err == nil || !strings.Contains(err.Error(), "did you mean "+file) {
		t.Errorf("got %v", err)
	}
	if _, err := LoadFile(SystemDir + "/no-such-app.toml"); err == nil || err.Error() != SystemDir+"/no-such-app.toml: there is no such file" {
		t.Errorf("got %v", err)
	}
}

func TestFileIsBounded(t *testing.T) {
	file := fileFor(t, "command = [\"puma\"]\n"+strings.Repeat("# comment\n", int(MaxFileBytes)/10))
	if _, err := LoadFile(file); err == nil || !strings.Contains(err.Error(), "more than 128KB") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsAreBounded(t *testing.T) {
	_, err := LoadFile(fileFor(t, "command = [\"puma\"]\n[queue]\n"+keysOfLetters(41)))
	all := Problems(err)
	if len(all) != MaxErrors+1 || all[MaxErrors].Problem != "and 21 more" {
		t.Errorf("%d errors, the last: %v", len(all), all[len(all)-1])
	}
}

func keysOfLetters(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("q" + strings.Repeat("z", i+6) + " = 1\n")
	}
	return b.String()
}

func TestNotes(t *testing.T) {
	c := mustLoad(t, Input{Args: []string{fileFor(t, "command = [\"no-such-program\"]\nlisten.http = [\"8080\"]"), "c:2"}})
	for _, want := range []string{
		"workers: 2, for the 2 CPUs of the test",
		"command: no-such-program is not in ripd's PATH",
		"http: port 8080 is open on all interfaces; 127.0.0.1:8080 is this machine only",
		"reload: process, because ripd runs in the foreground",
	} {
		if !slices.Contains(c.Notes(), want) {
			t.Errorf("%q is not in %q", want, c.Notes())
		}
	}
}
