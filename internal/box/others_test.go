package box

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

const blog = "127.0.0.1:8090"

func (d *day) secondApp(t *testing.T) {
	d.Run("useradd", "--system", "--no-create-home", "blog")
	d.serve("blog", "app = \"/srv/blog\"\ncommand = [\"./app\"]\nuser = \"blog\"\n[listen]\nhttp = [\"127.0.0.1:8090\"]\n[workers]\ncount = 1\n")
	d.Run("systemctl", "enable", "--now", "ripd@blog")
	d.Answers(blog, "/app", "200 blog")
	d.Answers(shop, "/app", "200 shop")
	ids := strings.Fields(d.Run("sh", "-c", "id -u blog; id -g blog; id -u ripd; id -g ripd"))
	d.Answers(blog, "/uid", "200 "+ids[0]+" "+ids[1])
	d.Answers(shop, "/uid", "200 "+ids[2]+" "+ids[3])
	if out := d.Run("ripctl", "list"); !strings.Contains(out, "blog") || !strings.Contains(out, "shop") {
		t.Error(out)
	}
	d.Run("systemctl", "stop", "ripd@blog.socket", "ripd@blog")
	d.Answers(shop, "/app", "200 shop")
}

// Two files that want one port: whoever looks, at whichever of the two, reads
// both names.
func (d *day) onePort(t *testing.T) {
	d.serve("rival", "app = \"/srv/rival\"\ncommand = [\"./app\"]\n[listen]\nhttp = [\"127.0.0.1:8080\"]\n")
	d.Fail("systemctl", "start", "ripd@rival")
	testkit.Eventually(t, testkit.Timeout, func() bool {
		got := d.Journal("ripd@rival.socket")
		return strings.Contains(got, "/etc/ripd/rival.toml and /etc/ripd/shop.toml both want 127.0.0.1:8080")
	}, "both names in the journal of the socket")
	if got := d.Property("ripd@shop.socket", "ActiveState"); got != "active" {
		t.Errorf("the socket that was there first is %s", got)
	}
	d.Answers(shop, "/app", "200 shop")
	d.gone("rival")
}

// gone takes apps' files away.
func (d *day) gone(names ...string) {
	d.t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(d.Path("/etc/ripd/" + name + ".toml")); err != nil {
			d.t.Fatal(err)
		}
	}
	d.Run("systemctl", "daemon-reload")
}

func (d *day) operators(t *testing.T) {
	d.Run("useradd", "--system", "--groups=ripctl", "oper")
	as := func(user string, args ...string) []string { return append([]string{"-u", user, "--"}, args...) }
	if out, code := d.Fail("runuser", as("nobody", "ripctl", "restart", "shop")...); code != 1 || !strings.Contains(out, "ripctl") {
		t.Errorf("nobody: exit code %d\n%s", code, out)
	}
	if out, code := d.Fail("runuser", as("ripd", "ripctl", "restart", "shop")...); code != 1 {
		t.Errorf("the app's user: exit code %d\n%s", code, out)
	}
	d.Run("runuser", as("oper", "ripctl", "restart", "shop")...)

	// The same through systemd, which asks polkit.
	d.Fail("runuser", as("nobody", "systemctl", "--no-ask-password", "restart", "ripd@shop")...)
	d.Fail("runuser", as("oper", "systemctl", "--no-ask-password", "restart", "dbus.service")...)
	before := d.pids()
	d.Run("runuser", as("oper", "systemctl", "--no-ask-password", "restart", "ripd@shop")...)
	if d.pids() == before {
		t.Error("nothing was restarted")
	}
	d.Answers(shop, "/ping", "200 pong")
}

// The app is not trusted: it runs with what its clients send.
func (d *day) hostileApp(t *testing.T) {
	ask := func(page string, q url.Values) string {
		t.Helper()
		got, err := d.Get(shop, page+"?"+q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, path := range []string{"/v1/restart", "/v1/scale", "/v1/stop", "/v1/drain"} {
		got := ask("/call", url.Values{"method": {"POST"}, "path": {path}})
		if !strings.HasPrefix(got, "200 403 ") && !strings.HasPrefix(got, "200 404 ") {
			t.Errorf("the workers' door takes %s: %s", path, got)
		}
		got = ask("/call", url.Values{"method": {"POST"}, "path": {path}, "socket": {"/run/ripd/shop.control.sock"}})
		if !strings.Contains(got, "permission denied") {
			t.Errorf("the operators' door takes %s: %s", path, got)
		}
	}
	before := d.pids()
	for _, text := range []string{"STOPPING=1", "MAINPID=1", "READY=1\nSTATUS=taken over", "ERRNO=5", "WATCHDOG=trigger"} {
		ask("/notify", url.Values{"text": {text}})
	}
	d.Answers(shop, "/ping", "200 pong")
	if after := d.pids(); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	if got := d.Property("ripd@shop", "StatusText"); strings.Contains(got, "taken over") {
		t.Errorf("status: %s", got)
	}
	for _, path := range []string{"/etc/x", "/usr/bin/x", "/srv/shop/x", "/run/ripd/x", "/var/lib/x"} {
		if got := ask("/write", url.Values{"path": {path}}); !strings.Contains(got, "read-only") && !strings.Contains(got, "denied") {
			t.Errorf("it may write %s: %s", path, got)
		}
	}
	for _, name := range []string{"NOTIFY_SOCKET=/run/systemd", "LISTEN_FDS", "WATCHDOG_", "CREDENTIALS_DIRECTORY"} {
		if got := ask("/env", nil); strings.Contains(got, "\n"+name) {
			t.Errorf("the app's environment has %s", name)
		}
	}
}

// Whatever lies in /etc/ripd, systemd goes on, and the other apps with it.
func (d *day) hostileFiles(t *testing.T) {
	d.Write("/etc/ripd/html.toml", "<html>", 0o644)
	d.Write("/etc/ripd/empty.toml", "", 0o644)
	d.Write("/etc/ripd/huge.toml", strings.Repeat("# a comment\n", 1<<20), 0o644)
	d.Write("/etc/ripd/slow.toml", strings.Repeat("a = 1\n", 20000), 0o644)
	d.Write("/etc/ripd/inject.toml", "user = \"x\\nExecStartPre=/bin/touch /pwned\"\n[listen]\nhttp = [\"/run/x\\n[Service]\\nUser=root\"]", 0o644)
	d.Write("/etc/ripd/open.toml", "user = \"blog\"\n", 0o666)
	d.Run("mkfifo", "/etc/ripd/fifo.toml")
	d.Run("ln", "-s", "/dev/zero", "/etc/ripd/zero.toml")
	d.Run("ln", "-s", "loop.toml", "/etc/ripd/loop.toml")
	d.Run("mkdir", "/etc/ripd/folder.toml")
	d.Run("systemctl", "daemon-reload")
	d.Answers(shop, "/ping", "200 pong")
	for _, unit := range []string{"html", "huge", "inject", "open", "fifo", "zero", "loop", "folder"} {
		if got := d.Property("ripd@"+unit+".service", "User"); got != "ripd" {
			t.Errorf("the user of %s is %s", unit, got)
		}
		if got := d.Property("ripd@"+unit+".socket", "Listen"); got != "/run/ripd/"+unit+".http.sock (Stream)" {
			t.Errorf("%s listens on %s", unit, got)
		}
	}
	// What systemd's generator tells the kernel's log, it tells a person who asks.
	d.Run("mkdir", "/tmp/units")
	said := d.Run("/usr/lib/systemd/system-generators/ripd-generator", "/tmp/units")
	for _, want := range []string{
		"fifo.toml is not used: it is not a regular file", "folder.toml is not used", "html.toml:1", "huge.toml is not used: it has more than 128KB",
		"inject.toml:1", "loop.toml is not used", "open.toml is not used: others than root may write it", " more\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the generator did not say %q:\n%s", want, said)
		}
	}
	if _, err := os.Stat(d.Path("/pwned")); err == nil {
		t.Error("a file has run a command")
	}
	d.gone("html", "empty", "huge", "slow", "inject", "open", "fifo", "zero", "loop", "folder")
}

// A new package while clients ask: no one notices.
func (d *day) upgrade(t *testing.T) {
	d.Copy(d.deb(newVersion), "/root/ripd.deb", 0o644)
	load := d.Load(shop, "/ping", "200 pong", 4)
	testkit.Eventually(t, testkit.Timeout, func() bool { return load.Good() > 20 })
	since := d.Property("ripd@shop", "ActiveEnterTimestampMonotonic")
	d.Run("apt-get", "install", "--yes", "/root/ripd.deb")
	if got := d.Property("ripd@shop", "ActiveEnterTimestampMonotonic"); got != since {
		t.Error("the package has restarted the service, and not handed the app over")
	}
	before := load.Good()
	testkit.Eventually(t, testkit.Timeout, func() bool { return load.Good() > before+20 })
	good, bad, longest := load.End()
	t.Logf("upgrade: %d good answers, %d others, the longest after %v", good, len(bad), longest)
	if len(bad) > 0 {
		t.Errorf("%d answers were good, and not these: %q", good, bad)
	}
	if out := d.Run("ripctl", "version"); strings.Count(out, newVersion) != 2 {
		t.Errorf("not both are new, or more runs than should:\n%s", out)
	}
}

// What the administrator has written outlives the package.
func (d *day) remove(t *testing.T) {
	d.Write("/etc/systemd/system/ripd@shop.service.d/override.conf", "[Service]\nNice=5\n", 0o644)
	d.Write("/var/lib/ripd/shop/data", "kept", 0o644)
	d.Run("systemctl", "daemon-reload")
	kept := func() {
		t.Helper()
		for _, path := range []string{"/etc/ripd/shop.toml", "/etc/systemd/system/ripd@shop.service.d/override.conf", "/var/lib/ripd/shop/data"} {
			if _, err := os.Stat(d.Path(path)); err != nil {
				t.Error(err)
			}
		}
	}
	d.Run("apt-get", "remove", "--yes", "ripd")
	kept()
	if got, err := d.Get(shop, "/ping"); err == nil {
		t.Errorf("it still answers: %q", got)
	}
	if left := append(d.Processes("./app"), d.Processes("/usr/bin/ripd")...); len(left) > 0 {
		t.Errorf("processes are left: %s", left)
	}
	d.Run("apt-get", "purge", "--yes", "ripd")
	kept()
	if out := d.Run("find", "/etc/systemd/system", "-type", "l", "-name", "ripd*"); out != "" {
		t.Errorf("links are left: %s", out)
	}
	// It comes back to where it was.
	d.Run("apt-get", "install", "--yes", "--no-install-recommends", "/root/ripd.deb")
	d.Run("systemctl", "enable", "--now", "ripd@shop")
	d.Answers(shop, "/ping", "200 pong")
}
