package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzLoadFile: any file gives errors with places, or settings within all bounds.
func FuzzLoadFile(f *testing.F) {
	f.Add([]byte(defaultFile()))
	f.Add([]byte("command = [\"x\"]\n[queue]\nsize = 5\n[[env]]\n[env.x]\na.b.c = 1\n"))
	f.Add([]byte("env = { A = { B = [1, [2], { c = 3 }] } }\nqueue = { size = { x = 1 } }\n\"\" = 1\n[\"\"]\n"))
	f.Add([]byte("\xef\xbb\xbfcommand = ['''a\nb''']\r\nworkers.count = \"auto\"\nlisten.http = [\"0\", \"/x\", \"[::1]:1\"]\n"))
	f.Add([]byte("timeouts.read = 1979-05-27T07:32:00Z\nlimits = { body = 0x10, buffer = \"9999999999999TB\" }\n"))
	for _, c := range keyCases {
		for value := range c.bad {
			f.Add([]byte("command = [\"x\"]\nqueue.timeout = " + value + "\nenv = " + value + "\n"))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := filepath.Join(t.TempDir(), "shop")
		file := filepath.Join(dir, FileName)
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(file, data, 0o644)); err != nil {
			t.Fatal(err)
		}
		c, err := load(t, Input{Args: []string{file}})
		if err == nil {
			checkBounds(t, c)
			return
		}
		all := Problems(err)
		if c != nil || len(all) == 0 || len(all) > MaxErrors+1 {
			t.Fatalf("%d errors, %v", len(all), c)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, e := range all {
			if e.File == "" || e.Problem == "" || e.Line < 0 || e.Line > lines || e.Column < 0 || e.Line > 0 && e.Column == 0 && !strings.HasSuffix(e.File, ".env") {
				t.Errorf("%#v", e)
			}
		}
	})
}

// FuzzArguments: any words and variables give errors or settings within all bounds.
func FuzzArguments(f *testing.F) {
	f.Add("demo\nw:4\nhttp:8080\n--max-queue\n5", "RIP_QUEUE_SIZE=4\nRIP_COMMAND=a 'b")
	f.Add("--config\n--help\n-\n--\n=\n:\nhttp:\nw", "RIP_=\nRIP_LISTEN_HTTP=,\n=")
	f.Fuzz(func(t *testing.T, args, environ string) {
		in := Input{Args: strings.Split(args, "\n"), Environ: strings.Split(environ, "\n")}
		if !slices.Contains([]Action{ActionRun, ActionCheck, ActionVersion, ActionHelp, ActionNew}, ParseAction(in.Args)) {
			t.Error("no action")
		}
		c, err := load(t, in)
		if err != nil {
			if len(Problems(err)) == 0 {
				t.Errorf("no problem in %v", err)
			}
			return
		}
		checkBounds(t, c)
	})
}

// checkBounds holds what every reader of a Config relies on.
func checkBounds(t *testing.T, c *Config) {
	t.Helper()
	within := func(what string, n, low, high int64) {
		t.Helper()
		if n < low || n > high {
			t.Errorf("%s is %d, not in %d to %d", what, n, low, high)
		}
	}
	for i := range settings {
		s := &settings[i]
		var n int64
		switch v := s.current(c).(type) {
		case int:
			n = int64(v)
		case int64:
			n = v
		case time.Duration:
			n = int64(v)
		case counted:
			n = int64(v.n)
		default:
			continue
		}
		if n != 0 || s.zero == "" {
			within(s.key, n, s.min, s.max)
		}
	}
	if !c.Demo && ((len(c.Command) == 0) == (c.Detected == "") || len(c.Command) > 0 && c.Command[0] == "" || !filepath.IsAbs(c.App)) {
		t.Errorf("app %q, command %q", c.App, c.Command)
	}
	for _, text := range append(slices.Clone(c.Command), c.App, c.Workdir, c.EnvFile, c.Proxy.StatusPath) {
		if strings.IndexByte(text, 0) >= 0 {
			t.Errorf("a NUL byte in %q", text)
		}
	}
	for name, value := range c.Env {
		if f := checkVariable(name, value); f != nil {
			t.Errorf("env: %s", f.problem)
		}
	}
	within("the name's length", int64(len(c.Name)), 1, MaxNameBytes)
	within("the prefix' length", int64(len(c.SocketPrefix)), 1, int64(MaxPrefixBytes))
	if !filepath.IsAbs(c.Workdir) || strings.ContainsAny(c.SocketPrefix, "/ ") || len(c.Listen.HTTP) > MaxListeners {
		t.Errorf("%+v", c)
	}
}

// FuzzEnvFile: any text gives valid variables or a fault with a line.
func FuzzEnvFile(f *testing.F) {
	for _, c := range envFileCases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		env, line, fault := parseEnvFile(text)
		if fault != nil {
			if env != nil || line < 1 || line > strings.Count(text, "\n")+1 {
				t.Errorf("line %d: %s", line, fault.problem)
			}
			return
		}
		for name, value := range env {
			if f := checkVariable(name, value); f != nil {
				t.Error(f.problem)
			}
		}
	})
}
