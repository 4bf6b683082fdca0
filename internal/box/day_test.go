package box

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"ripd/internal/testkit"
)

// The versions of the package that are installed, one over the other.
const (
	oldVersion = "1.0.0"
	newVersion = "1.0.1"
)

// built is what the tests put into boxes.
type built struct {
	dir string
	err error
}

// buildOnce builds both packages and the app.
var buildOnce = sync.OnceValue(func() built {
	// Who works on these tests builds once, and names the folder.
	if dir := os.Getenv("RIPD_BOX_FILES"); dir != "" {
		return built{dir: dir}
	}
	dir, err := os.MkdirTemp("", "ripd-box-")
	if err != nil {
		return built{err: err}
	}
	run := func(env []string, program string, args ...string) {
		if err != nil {
			return
		}
		cmd := exec.Command(program, args...)
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), env...)
		if out, failed := cmd.CombinedOutput(); failed != nil {
			err = fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), failed, out)
		}
	}
	for _, version := range []string{oldVersion, newVersion} {
		run([]string{"DIST=" + dir, "RIPD_VERSION=" + version}, "packaging/deb/build", runtime.GOARCH)
	}
	run([]string{"CGO_ENABLED=0"}, "go", "build", "-o", filepath.Join(dir, "app"), "./internal/box/boxapp")
	return built{dir, err}
})

func TestMain(m *testing.M) {
	code := m.Run()
	if started && os.Getenv("RIPD_BOX_FILES") == "" {
		_ = os.RemoveAll(buildOnce().dir)
	}
	os.Exit(code)
}

// started tells whether anything was built.
var started bool

// day is a box in which the tests go on where the last one has stopped.
type day struct {
	*Box
	files string // what was built
}

// The first day of somebody who installs ripd on a server, and what may go wrong
// on the following ones: in the same order, in the same box.
func TestDay(t *testing.T) {
	Need(t)
	testkit.Need(t, "go", "git")
	files := buildAll(t)
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			d := &day{Boot(t, release), files}
			for _, part := range []struct {
				name string
				test func(*day, *testing.T)
			}{
				{"install", (*day).install}, {"first app", (*day).firstApp}, {"units say where lines are from", (*day).origins},
				{"the units are sound", (*day).soundUnits}, {"administrators win", (*day).administratorsWin},
				{"activation", (*day).activation}, {"names in either order", (*day).eitherOrder},
				{"reload has a verdict", (*day).reload}, {"restart loses nothing", (*day).restart},
				{"a worker dies", (*day).workerDies}, {"ripd cannot start", (*day).crashLoop}, {"ripd is killed", (*day).killed},
				{"stop and start", (*day).stopAndStart}, {"a second app, another user", (*day).secondApp},
				{"two apps, one port", (*day).onePort}, {"operators", (*day).operators}, {"a hostile app", (*day).hostileApp},
				{"hostile files", (*day).hostileFiles}, {"upgrade", (*day).upgrade}, {"remove and purge", (*day).remove},
			} {
				if !t.Run(part.name, func(t *testing.T) { part.test(&day{d.in(t), d.files}, t) }) {
					t.Logf("the end of the journal:\n%s", tail(d.Run("journalctl", "--no-pager", "--boot", "--lines=60")))
					return // what follows goes on from here
				}
			}
		})
	}
}

// in gives the box to another test.
func (b *Box) in(t testing.TB) *Box {
	again := *b
	again.t = t
	return &again
}

func tail(text string) string { return text[max(0, len(text)-4000):] }

func (d *day) deb(version string) string {
	return filepath.Join(d.files, "ripd_"+version+"_"+runtime.GOARCH+".deb")
}

// serve puts an app and its file into place.
func (d *day) serve(name, file string) {
	d.t.Helper()
	d.Copy(filepath.Join(d.files, "app"), "/srv/"+name+"/app", 0o755)
	d.Write("/etc/ripd/"+name+".toml", file, 0o644)
	d.Run("systemctl", "daemon-reload")
}

const shopFile = `app = "/srv/shop"
command = ["./app"]

[listen]
http = ["8080", "[::1]:8081", "/run/shop.sock"]

[workers]
count = 2
`

// shop is the address of the app shop.
const shop = "127.0.0.1:8080"

func (d *day) install(t *testing.T) {
	d.Copy(d.deb(oldVersion), "/root/ripd.deb", 0o644)
	d.Run("apt-get", "install", "--yes", "--no-install-recommends", "/root/ripd.deb")
	for _, path := range []string{"/etc/ripd", "/usr/bin/ripctl", "/usr/share/doc/ripd/examples/shop.toml"} {
		if _, err := os.Stat(d.Path(path)); err != nil {
			t.Error(err)
		}
	}
	if got := d.Run("ripd", "--version"); got != "ripd "+oldVersion+"\n" {
		t.Errorf("%q", got)
	}
	d.Run("getent", "passwd", "ripd")
	d.Run("getent", "group", "ripctl")
}

func (d *day) firstApp(t *testing.T) {
	d.serve("shop", shopFile)
	d.Run("systemctl", "enable", "--now", "ripd@shop")
	d.Answers(shop, "/ping", "200 pong")
	d.Answers("[::1]:8081", "/app", "200 shop")
	d.Answers("/run/shop.sock", "/app", "200 shop")
	for _, unit := range []string{"ripd@shop.service", "ripd@shop.socket", "ripd-control@shop.socket"} {
		if got := strings.TrimSpace(d.Run("systemctl", "is-enabled", unit)); got != "enabled" {
			t.Errorf("%s is %s", unit, got)
		}
	}
	if out := d.Run("ripctl", "status", "shop"); !strings.Contains(out, "shop") {
		t.Error(out)
	}
	if got := d.Property("ripd@shop", "StatusText"); got == "" {
		t.Error("no status text")
	}
	if got := d.Property("ripd@shop", "Slice"); got != "ripd.slice" {
		t.Errorf("slice: %s", got)
	}
}

func (d *day) origins(t *testing.T) {
	cat := d.Run("systemctl", "cat", "ripd@shop.socket")
	for _, want := range []string{"SourcePath=/etc/ripd/shop.toml", "# listen.http: /etc/ripd/shop.toml:5", "ListenStream=8080"} {
		if !strings.Contains(cat, want) {
			t.Errorf("no %q in\n%s", want, cat)
		}
	}
	if got := d.Property("ripd@shop.service", "NeedDaemonReload"); got != "no" {
		t.Errorf("a reload is needed: %s", got)
	}
}

func (d *day) administratorsWin(t *testing.T) {
	d.Write("/etc/systemd/system/ripd@shop.service.d/override.conf", "[Service]\nUser=nobody\n", 0o644)
	d.Write("/etc/systemd/system/ripd@shop.socket.d/override.conf", "[Socket]\nListenStream=\nListenStream=8079\n", 0o644)
	d.Run("systemctl", "daemon-reload")
	if got := d.Property("ripd@shop.service", "User"); got != "nobody" {
		t.Errorf("the user is %s", got)
	}
	if got := d.Property("ripd@shop.socket", "Listen"); got != "[::]:8079 (Stream)" {
		t.Errorf("listens on %s", got)
	}
	for _, unit := range []string{"service", "socket"} {
		if err := os.RemoveAll(d.Path("/etc/systemd/system/ripd@shop." + unit + ".d")); err != nil {
			t.Fatal(err)
		}
	}
	d.Run("systemctl", "daemon-reload")
	d.Run("ripctl", "stop", "shop")
	d.Run("ripctl", "start", "shop")
	d.Answers(shop, "/ping", "200 pong")
}
