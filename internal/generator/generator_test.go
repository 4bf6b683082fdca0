package generator

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ripd/internal/config"
)

// box is a folder of apps' files, and what was made of them.
type box struct {
	t    *testing.T
	o    Options
	said []string
}

func newBox(t *testing.T, files map[string]string) *box {
	t.Helper()
	b := &box{t: t, o: Options{Files: t.TempDir(), Out: t.TempDir(), Units: []string{t.TempDir()}, Owner: os.Geteuid()}}
	for name, text := range files {
		b.file(name, text)
	}
	return b
}

func (b *box) file(name, text string) string {
	b.t.Helper()
	path := filepath.Join(b.o.Files, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// run makes the drop-ins, and gives them by "unit/key", comments left out.
func (b *box) run() map[string]string {
	b.t.Helper()
	b.said = nil
	if err := Generate(b.o, func(text string) { b.said = append(b.said, strings.ReplaceAll(text, b.o.Files, "DIR")) }); err != nil {
		b.t.Fatal(err)
	}
	all := map[string]string{}
	paths, _ := filepath.Glob(b.o.Out + "/*/*")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			b.t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '[' && !strings.HasPrefix(line, "SourcePath=") {
				lines = append(lines, line)
			}
		}
		if filepath.Base(path) != dropInName {
			b.t.Errorf("a file %s", path)
		}
		all[strings.TrimSuffix(filepath.Base(filepath.Dir(path)), ".d")] = strings.Join(lines, "\n")
	}
	return all
}

func (b *box) saidOnce(parts ...string) {
	b.t.Helper()
	if len(b.said) != 1 {
		b.t.Fatalf("said: %q", b.said)
	}
	for _, part := range parts {
		if !strings.Contains(b.said[0], part) {
			b.t.Errorf("%q does not say %q", b.said[0], part)
		}
	}
}

func TestDropIns(t *testing.T) {
	for _, test := range []struct{ name, text, socket, service, said string }{
		{"an empty file", "", "ListenStream=\nListenStream=3080", "", ""},
		{"a port", "[listen]\nhttp = [\"80\"]", "ListenStream=\nListenStream=80", "", ""},
		{"several of all kinds", "[listen]\nhttp = [\"80\", \"127.0.0.1:81\", \"[::1]:82\", \"0.0.0.0:83\", \"/run/a%b.sock\"]",
			"ListenStream=\nListenStream=80\nListenStream=127.0.0.1:81\nListenStream=[::1]:82\nListenStream=0.0.0.0:83\nListenStream=/run/a%%b.sock", "", ""},
		{"no listener", "[listen]\nhttp = []", "", "", ""},
		{"a user", "user = \"shop\"\n[listen]\nhttp = []", "", "User=shop\nGroup=", ""},
		{"https", "[listen]\nhttps = [\"443\"]", "Wants=ripd-https@shop.socket\nListenStream=\nListenStream=3080", "Sockets=ripd-https@shop.socket", ""},
		{"https alone, with a user", "user = \"shop\"\n[listen]\nhttp = []\nhttps = [\"[::1]:443\"]", "Wants=ripd-https@shop.socket", "User=shop\nGroup=\nSockets=ripd-https@shop.socket", ""},
		{"metrics", "[listen]\nmetrics = [\"127.0.0.1:9090\"]", "Wants=ripd-metrics@shop.socket\nListenStream=\nListenStream=3080", "Sockets=ripd-metrics@shop.socket", ""},
		{"https that is at fault", "[listen]\nhttps = [\"3080\"]", "ListenStream=\nListenStream=3080", "", "DIR/shop.toml:2:9: listen.https: [::]:3080 is there twice"},
		{"root", "user = \"root\"\n[listen]\nhttp = []", "", "", "DIR/shop.toml:1:8: user: ripd does not run apps as root"},
		{"a port that systemd cannot choose", "[listen]\nhttp = [\"0\", \"80\"]", "ListenStream=\nListenStream=80", "", "DIR/shop.toml:2: listen.http: systemd opens no port 0"},
		{"a bad address", "user = \"shop\"\n[listen]\nhttp = [\"www:80\"]", "", "User=shop\nGroup=", "DIR/shop.toml:3:9: listen.http: "},
		{"two faults", "a = 1\nb = 2", "ListenStream=\nListenStream=3080", "", "(and 1 more)"},
		{"no TOML", "[listen]\nhttp = [\"80\"]\n<html>", "ListenStream=\nListenStream=80", "", "DIR/shop.toml:3"},
		{"NULs", "\x00\x00\x00", "", "", "DIR/shop.toml:1"},
		{"a line in a path", "[listen]\nhttp = [\"/run/x\\nUser=root\"]", "", "", "listen.http"},
		{"a path that joins the next line", `[listen]` + "\n" + `http = ['/run/x\']`, "", "", "characters that a unit cannot have"},
		{"a space behind a path", `[listen]` + "\n" + `http = ["/run/x "]`, "", "", "characters that a unit cannot have"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t, map[string]string{"shop.toml": test.text})
			got := b.run()
			units := 2
			for _, second := range []string{"ripd-https@shop.socket", "ripd-metrics@shop.socket"} {
				if text, ok := got[second]; ok {
					units++
					if !strings.HasPrefix(text, "ListenStream=\nListenStream=") {
						t.Errorf("%s: %q", second, text)
					}
				}
			}
			if got["ripd@shop.socket"] != test.socket || got["ripd@shop.service"] != test.service || len(got) != units ||
				(units == 3) != strings.Contains(got["ripd@shop.socket"], "Wants=") {
				t.Errorf("%q", got)
			}
			if test.said == "" && len(b.said) > 0 {
				t.Errorf("said: %q", b.said)
			} else if test.said != "" {
				b.saidOnce(test.said)
			}
		})
	}
}

func TestDropInSaysWhereItComesFrom(t *testing.T) {
	b := newBox(t, map[string]string{"shop.toml": "user = \"shop\"\n[listen]\nhttp = [\"80\"]"})
	b.run()
	file := b.o.Files + "/shop.toml"
	for unit, want := range map[string]string{
		"socket":  "# Made by ripd-generator(8) from FILE, and made anew at each daemon-reload.\n# Lines of your own: systemctl edit ripd@shop.socket\n[Unit]\nSourcePath=FILE\n\n[Socket]\n# listen.http: FILE:3\nListenStream=\nListenStream=80\n",
		"service": "# Made by ripd-generator(8) from FILE, and made anew at each daemon-reload.\n# Lines of your own: systemctl edit ripd@shop.service\n[Unit]\nSourcePath=FILE\n\n[Service]\n# user: FILE:1; the group is the user's own.\nUser=shop\nGroup=\n",
	} {
		text, err := os.ReadFile(b.o.Out + "/ripd@shop." + unit + ".d/00-ripd.conf")
		if want = strings.ReplaceAll(want, "FILE", file); err != nil || string(text) != want {
			t.Errorf("%v\n%s\nnot\n%s", err, text, want)
		}
	}
}

func TestFilesThatAreNotUsed(t *testing.T) {
	b := newBox(t, map[string]string{".shop.toml": "", "shop.toml~": "", "README": "", "a b.toml": ""})
	if got := b.run(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	b.saidOnce("DIR/a b.toml: ", "other characters")

	for name, make := range map[string]func(path string) error{
		"it is not a regular file": func(path string) error { return unix.Mkfifo(path, 0o644) },
		"not a regular file":       func(path string) error { return os.Mkdir(path, 0o755) },
		"(mode 0664); chmod go-w":  func(path string) error { return writeMode(path, 0o664) },
		"(mode 0646); chmod go-w":  func(path string) error { return writeMode(path, 0o646) },
		"it has more than 128KB": func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("#"), int(config.MaxFileBytes)+1), 0o644)
		},
	} {
		b := newBox(t, map[string]string{"good.toml": ""})
		if err := make(b.o.Files + "/shop.toml"); err != nil {
			t.Fatal(err)
		}
		if got := b.run(); len(got) != 2 || got["ripd@good.socket"] == "" {
			t.Errorf("%s: %q", name, got)
		}
		b.saidOnce("DIR/shop.toml is not used: ", name)
	}
}

func writeMode(path string, mode os.FileMode) error {
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func TestFileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	b := newBox(t, map[string]string{"shop.toml": ""})
	if err := os.Chown(b.o.Files+"/shop.toml", 12345, 0); err != nil {
		t.Fatal(err)
	}
	if got := b.run(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	b.saidOnce("DIR/shop.toml is not used: it does not belong to root")
}

func TestFolderThatIsNotThere(t *testing.T) {
	b := newBox(t, nil)
	dir := b.o.Files
	b.o.Files += "/nowhere"
	if got := b.run(); len(got) != 0 || len(b.said) != 0 {
		t.Errorf("%q, said %q", got, b.said)
	}
	b.o.Files = dir
	b.o.Files = b.file("file", "")
	if b.run(); len(b.said) != 1 {
		t.Errorf("said: %q", b.said)
	}
}

func TestTwoAppsThatWantOneAddress(t *testing.T) {
	for _, test := range []struct{ one, two, what string }{
		{`"80"`, `"80"`, "port 80"},
		{`"80"`, `"127.0.0.1:80"`, "port 80"},
		{`"127.0.0.1:80"`, `"80"`, "127.0.0.1:80"},
		{`"81", "127.0.0.1:80"`, `"0.0.0.0:80"`, "127.0.0.1:80"},
		{`"[::1]:80"`, `"[::1]:80"`, "[::1]:80"},
		{`"/run/x.sock"`, `"/run/x.sock"`, "/run/x.sock"},
		{`"127.0.0.1:80"`, `"127.0.0.2:80"`, ""},
		{`"80"`, `"81"`, ""},
		{`"/run/x.sock"`, `"/run/y.sock"`, ""},
	} {
		t.Run(test.one+" and "+test.two, func(t *testing.T) {
			b := newBox(t, map[string]string{"one.toml": "[listen]\nhttp = [" + test.one + "]", "two.toml": "[listen]\nhttp = [" + test.two + "]"})
			got := b.run()
			if test.what == "" {
				if len(b.said) > 0 {
					t.Errorf("said: %q", b.said)
				}
				return
			}
			if len(b.said) != 2 {
				t.Fatalf("said: %q", b.said)
			}
			want := "DIR/one.toml and DIR/two.toml both want " + test.what + " (DIR/one.toml:2, DIR/two.toml:2): only one of ripd@one.socket and ripd@two.socket can have it"
			if !strings.HasPrefix(b.said[0], want) {
				t.Errorf("%q does not begin with %q", b.said[0], want)
			}
			for _, unit := range []string{"ripd@one.socket", "ripd@two.socket"} {
				if !strings.Contains(got[unit], "\nExecStartPre=-/bin/echo \"<4>") {
					t.Errorf("%s: %q", unit, got[unit])
				}
			}
		})
	}
}

func TestWholeUnitOfTheAdministrator(t *testing.T) {
	b := newBox(t, map[string]string{"shop.toml": ""})
	if err := os.WriteFile(b.o.Units[0]+"/ripd@shop.socket", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/lib/systemd/system/ripd@.service", b.o.Units[0]+"/ripd@shop.service"); err != nil {
		t.Fatal(err)
	}
	if got := b.run(); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// The slowest files that are read must not hold up a boot.
func TestManyAndSlowFiles(t *testing.T) {
	b := newBox(t, nil)
	var keys strings.Builder
	for i := range 20 {
		fmt.Fprintf(&keys, "unknown%d = 1\n", i)
	}
	for i := range MaxApps + 3 {
		b.file(fmt.Sprintf("app%03d.toml", i), keys.String())
	}
	began := time.Now()
	got := b.run()
	if len(got) == 0 || len(got) > 2*MaxApps {
		t.Errorf("%d drop-ins", len(got))
	}
	if took := time.Since(began); took > 4*budget {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(strings.Join(b.said, "\n"), "too many or too large files") {
		t.Error("nothing was said of the files that were left out")
	}
}

// Whatever a file says, a drop-in has the lines that this package writes.
func FuzzDropIns(f *testing.F) {
	for _, seed := range []string{"", "[listen]\nhttp = [\"80\"]", "user = \"a\\nb\"", "[listen]\nhttps = [\"443\", \"/x\"]", "[listen]\nhttp = [\"/x\\ny\", \"/é%i$HOME\"]", "user = \"shop\"\n[listen]\nhttp = [\"[::1]:1\"]"} {
		f.Add([]byte(seed))
	}
	line := regexp.MustCompile(`^(|#[^\n\\]*|\[(Unit|Socket|Service)\]|SourcePath=/etc/ripd/shop\.toml|ListenStream=[^\\]*|(Wants|Sockets)=ripd-(https|metrics)@shop\.socket|User=[A-Za-z_][A-Za-z0-9_.-]*|Group=)$`)
	f.Fuzz(func(t *testing.T, data []byte) {
		app, _ := config.ReadUnits("/etc/ripd/shop.toml", data)
		keepUsable(app, func(string) {})
		all := socketDropIn(app, nil) + serviceDropIn(app)
		for _, s := range seconds(app) {
			all += s.dropIn(app, nil)
		}
		for text := range strings.SplitSeq(all, "\n") {
			if !line.MatchString(text) {
				t.Errorf("%q", text)
			}
		}
	})
}
