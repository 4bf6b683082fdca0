package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseAction(t *testing.T) {
	for args, want := range map[string]Action{
		"":                              ActionRun,
		"demo w:4":                      ActionRun,
		"demo --check":                  ActionCheck,
		"--version --check":             ActionVersion,
		"--check --version --help":      ActionHelp,
		"-h":                            ActionHelp,
		"demo help":                     ActionRun,
		"new shop --adapter=rack":       ActionNew,
		"new --check":                   ActionNew,
		"new --help":                    ActionHelp,
		"./new w:4":                     ActionRun,
		"demo new":                      ActionRun,
		"--variant --check":             ActionCheck, // a value was forgotten; Load says it
		"--variant=--check":             ActionRun,
		"--max-queue 5 --check demo":    ActionCheck,
		"--frobnicate 5 --version demo": ActionVersion,
	} {
		t.Run(args, func(t *testing.T) {
			if got := ParseAction(strings.Fields(args)); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestParseAddress(t *testing.T) {
	for _, test := range []struct{ text, want, listen, fault string }{
		{text: "3080", want: "[::]:3080", listen: ":3080"},
		{text: ":3080", want: "[::]:3080", listen: ":3080"},
		{text: "*:3080", want: "[::]:3080", listen: ":3080"},
		{text: "[::]:3080", want: "[::]:3080", listen: ":3080"},
		{text: "0.0.0.0:3080", want: "0.0.0.0:3080", listen: "0.0.0.0:3080"},
		{text: "127.0.0.1:3080", want: "127.0.0.1:3080", listen: "127.0.0.1:3080"},
		{text: "localhost:3080", want: "127.0.0.1:3080", listen: "127.0.0.1:3080"},
		{text: "[::1]:3080", want: "[::1]:3080", listen: "[::1]:3080"},
		{text: "[0:0::1]:3080", want: "[::1]:3080", listen: "[::1]:3080"},
		{text: "[fe80::1%eth0]:80", want: "[fe80::1%eth0]:80", listen: "[fe80::1%eth0]:80"},
		{text: "0", want: "[::]:0", listen: ":0"},
		{text: "65535", want: "[::]:65535", listen: ":65535"},
		{text: "/run/x.sock", want: "/run/x.sock", listen: "/run/x.sock"},
		{text: "/run//a/../x.sock", want: "/run/x.sock", listen: "/run/x.sock"},
		{text: "", fault: "not an address"},
		{text: "65536", fault: "there is no port 65536"},
		{text: "99999999999999999999999", fault: "there is no port"},
		{text: "-1", fault: "not an address"},
		{text: "+80", fault: "not an address"},
		{text: "127.0.0.1:+80", fault: "the port is not a number"},
		{text: "http", fault: "not an address"},
		{text: "127.0.0.1", fault: `the port is missing; write "127.0.0.1:3080"`},
		{text: "localhost", fault: `the port is missing; write "localhost:3080"`},
		{text: "::1", fault: `the port is missing; write "[::1]:3080"`},
		{text: "127.0.0.1:", fault: "the port is not a number"},
		{text: "example.org:80", fault: "example.org is not an IP address, and names are not looked up"},
		{text: "[::1", fault: "not an address"},
		{text: "http://x:80", fault: "not a URL"},
		{text: "unix:/run/x.sock", fault: `write "/run/x.sock"`},
		{text: "@abstract", fault: "abstract sockets"},
		{text: "run/x.sock", fault: "begins with /"},
		{text: "/run/", fault: "this is a folder's path"},
		{text: "/" + strings.Repeat("x", 107), fault: "the path has 108 bytes"},
	} {
		t.Run(test.text, func(t *testing.T) {
			a, err := ParseAddress(test.text)
			if test.fault != "" {
				if message := fmt.Sprint(err) + "; " + hintOf(err); err == nil || !strings.Contains(message, test.fault) {
					t.Errorf("got %v, %v", a, message)
				}
				return
			}
			if err != nil || a.String() != test.want || a.Listen() != test.listen {
				t.Errorf("got %s, %s, %v", a, a.Listen(), err)
			}
		})
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "12B": 12, "1K": 1024, "1KB": 1024, "1kb": 1024, "1KiB": 1024, "32 KB": 32768, "1M": 1 << 20, "1GB": 1 << 30, "2TiB": 2 << 40,
		"": -1, "KB": -1, "1.5MB": -1, "-1": -1, "1PB": -1, "1 K B": -1, "1KBB": -1, "MB1": -1, "9000000TB": -1, "9223372036854775807": 1<<63 - 1, "9223372036854775808": -1,
	} {
		t.Run(text, func(t *testing.T) {
			if got, err := ParseSize(text); got != want && (want >= 0 || err == nil) {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Millisecond: "1ms", 1500 * time.Millisecond: "1500ms", 5 * time.Second: "5s", time.Minute: "60s", 90 * time.Second: "90s",
		2 * time.Minute: "2m", 3 * time.Minute: "3m", time.Hour: "1h", 90 * time.Minute: "90m", time.Hour + time.Second: "1h0m1s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"size", "timeout", "max_requests", "start_timeout", "stop_timeout"}
	for name, want := range map[string]string{
		"siez": "size", "SIZE": "size", "sise": "size", "sze": "size", "timout": "timeout", "time_out": "timeout", "max-requests": "max_requests", "maxrequests": "max_requests",
		"star_timeout": "start_timeout", "count": "", "x": "", "": "", strings.Repeat("size", 100): "",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestNameOf(t *testing.T) {
	for path, want := range map[string]string{
		"/srv/shop": "shop", "/srv/My Shop": "My-Shop", "/srv/shop/current": "shop", "/": "app", "/srv/...": "app", "/srv/.hidden": "hidden", "/srv/größe": "gr--e",
		"/srv/" + strings.Repeat("x", 40): strings.Repeat("x", 32), "/srv/a-": "a", "/current": "app",
	} {
		if got := nameOf(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// The longest names make a socket's path that Linux takes, under systemd and in
// the runtime directory of a user.
func TestSocketPathsFit(t *testing.T) {
	name, variant := strings.Repeat("n", MaxNameBytes), strings.Repeat("v", MaxVariantBytes)
	prefix := "rip_" + variant + "_" + name
	if len(prefix) != MaxPrefixBytes {
		t.Fatalf("the prefix has %d bytes", len(prefix))
	}
	for _, dir := range []string{"/run/ripd/" + name, "/run/user/4294967295/ripd"} {
		for _, file := range []string{fmt.Sprintf("%s.%d.sock", prefix, MaxWorkers), prefix + ".ctl.sock"} {
			if path := dir + "/" + file; len(path) > MaxSocketPathBytes {
				t.Errorf("%s has %d bytes", path, len(path))
			}
		}
	}
}

func TestHelp(t *testing.T) {
	text := Help()
	for line := range strings.Lines(text) {
		if len([]rune(strings.TrimRight(line, "\n"))) > 80 {
			t.Errorf("more than 80 columns: %s", line)
		}
	}
	for i := range settings {
		s := &settings[i]
		for _, f := range s.flags {
			if !strings.Contains(text, f.name) {
				t.Errorf("flag %s is not in the help", f.name)
			}
		}
		if s.word != "" && !strings.Contains(text, s.word+":") {
			t.Errorf("word %s is not in the help", s.word)
		}
	}
	for _, f := range ownFlags {
		if !strings.Contains(text, f.name) {
			t.Errorf("flag %s is not in the help", f.name)
		}
	}
}

func TestSummary(t *testing.T) {
	file := fileFor(t, "command = [\"no-such-program\"]\n[env]\nTOKEN = \"secret\"\n")
	text := mustLoad(t, Input{Args: []string{file, "w:auto"}, Environ: []string{"RIP_QUEUE_SIZE=9"}}).Summary()
	for _, want := range []string{
		"shop: ", "file: " + file, "command                 = [\"no-such-program\"]", "# " + file + ":1\n",
		"queue.size              = 9 ", "# RIP_QUEUE_SIZE\n", `workers.count           = "auto" (2) `, "# w:auto\n", "{ TOKEN=… }",
		"\nnote: workers: 2, for the 2 CPUs of the test\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, not := range []string{"secret"} {
		if strings.Contains(text, not) {
			t.Errorf("%q is in\n%s", not, text)
		}
	}
}

func TestOwnedVariable(t *testing.T) {
	for name, want := range map[string]bool{
		"WORKER_ID": true, "SOCKET_PATH": true, "RIP_ANYTHING": true, "LISTEN_FDS": true, "LISTEN_FDNAMES": true, "WATCHDOG_USEC": true, "NOTIFY_SOCKET": true,
		"LISTEN_ADDR": false, "PATH": false, "RIPE": false, "WORKER_IDS": false,
	} {
		if OwnedVariable(name) != want {
			t.Errorf("%s: got %v", name, !want)
		}
	}
}
