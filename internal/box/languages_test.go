package box

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// language is an app in one language. Its folder is below testdata/languages.
type language struct {
	name string
	file string // its ripd.toml, but for the app and the number of workers
	want string // what it answers begins so
}

// All but Java and LuaJIT are loaded by ripd's adapters. Workers start a child too,
// since interpreters differ in how they do it.
var spoken = []language{
	{"ruby", "env = { RUBYOPT = \"--yjit\" }\n", "200 jit="},
	{"node", "", "200 jit=true child=true cpus=true interfaces=lo"},
	{"bun", "adapter = \"bun\"\n", "200 jit=true child=true cpus=true interfaces=lo"},
	{"python", "", "200 child=True"},
	{"java", "command = [\"java\", \"Worker.java\"]\n", "200 jit=true child=true"},
	{"luajit", "command = [\"luajit\", \"worker.lua\"]\n", "200 jit=true child=true"},
	{"activated", "command = [\"node\", \"server.mjs\"]\nworkers.activation = true\nworkers.ready = \"listen\"\n", "200 jit=true given=true"},
}

// httpSocket is where an app answers in a bare box.
func httpSocket(app string) string { return "/run/ripd/" + app + ".http.sock" }

// Workers of each language run in the unit as it is, with its hardening.
func TestLanguages(t *testing.T) {
	Need(t)
	bun := testkit.Bun(t)
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			b := bareTree(t, release, LanguagesTree(t, release))
			b.Copy(bun, "/usr/local/bin/bun", 0o755)
			for _, l := range spoken {
				if !t.Run(l.name, func(t *testing.T) { b.in(t).speaks(l) }) {
					return // what cannot start is tried for long
				}
			}
			for _, recipe := range []struct {
				name string
				test func(*Box)
			}{
				{"writes its folder", (*Box).writesItsFolder}, {"connects nowhere", (*Box).connectsNowhere}, {"connects to some", (*Box).connectsToSome},
				{"no executable memory", (*Box).noExecutableMemory}, {"a sandbox of its own", (*Box).sandboxOfItsOwn}, {"credentials", (*Box).credentials},
			} {
				ok := t.Run(recipe.name, func(t *testing.T) {
					recipe.test(b.in(t))
					b.in(t).dropIn("")
				})
				if !ok {
					return
				}
			}
		})
	}
}

// serveLanguage puts the app into its place.
func (b *Box) serveLanguage(l language) {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "languages", l.name, "*"))
	if err != nil || len(files) == 0 {
		b.t.Fatalf("%s has no files: %v", l.name, err)
	}
	for _, file := range files {
		b.Copy(file, "/srv/"+l.name+"/"+filepath.Base(file), 0o644)
	}
	b.Write("/etc/ripd/"+l.name+".toml", "app = \"/srv/"+l.name+"\"\n"+l.file+"workers.count = 1\n", 0o644)
}

func (b *Box) speaks(l language) {
	b.serveLanguage(l)
	unit := "ripd@" + l.name + ".service"
	if out, err := b.Try("systemctl", "start", unit); err != nil {
		b.t.Fatalf("%v: %s\n%s", err, out, b.Journal(unit))
	}
	b.Answers(httpSocket(l.name), "/", l.want)
	got, err := b.Get(httpSocket(l.name), "/")
	b.t.Logf("%s, %v", got, err)
	if got := b.Property(unit, "MemoryDenyWriteExecute"); got != "no" {
		b.t.Errorf("memory may not be made executable: %s", got)
	}
	b.Run("systemd-analyze", "security", "--threshold="+exposureMost, unit)
	if l.name != "python" { // the recipes are tried with it
		b.Run("systemctl", "stop", "ripd@"+l.name+".socket", "ripd-control@"+l.name+".socket", unit)
	}
}

// dropIn gives the Python app's service lines of its own, as docs/hardening.md
// has them, and starts it again. "" takes them away.
func (b *Box) dropIn(lines string) {
	b.t.Helper()
	b.Write("/etc/systemd/system/ripd@python.service.d/override.conf", "[Service]\n"+lines, 0o644)
	b.Run("systemctl", "daemon-reload")
	if out, err := b.Try("systemctl", "restart", "ripd@python.service"); err != nil {
		b.t.Fatalf("%v: %s\n%s", err, out, b.Journal("ripd@python.service"))
	}
	b.Answers(httpSocket("python"), "/", "200 child=True")
}

// recipe gives the lines of docs/hardening.md that begin after a title.
func (b *Box) recipe(title string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(b.t), "docs", "hardening.md"))
	if err != nil {
		b.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), title)
	_, rest, begun := strings.Cut(rest, "```ini\n[Service]\n")
	lines, _, ended := strings.Cut(rest, "```")
	if !found || !begun || !ended {
		b.t.Fatalf("docs/hardening.md has no lines for %q", title)
	}
	return lines
}

// does has the Python app do something.
func (b *Box) does(way, of string) string {
	b.t.Helper()
	got, err := b.Get(httpSocket("python"), way+"?"+url.Values{"of": {of}}.Encode())
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *Box) want(want, way, of string) {
	b.t.Helper()
	if got := b.does(way, of); !strings.HasPrefix(got, want) {
		b.t.Errorf("%s %s: %q, and not %q", way, of, got, want)
	}
}

func (b *Box) writesItsFolder() {
	const file = "/srv/python/storage/file"
	b.Run("install", "--directory", "--owner=ripd", "--group=ripd", "/srv/python/storage")
	b.want("200 OSError: [Errno 30]", "/write", file)
	b.want("200 written", "/write", "/var/lib/ripd/python/file")
	b.dropIn(strings.ReplaceAll(b.recipe("**To write into its folder**"), "/srv/shop", "/srv/python"))
	b.want("200 written", "/write", file)
	b.want("200 OSError: [Errno 30]", "/write", "/srv/python/other")
}

// listenTCP starts something to connect to.
func (b *Box) listenTCP() (address string) {
	b.t.Helper()
	const unit = "target"
	b.Run("systemd-run", "--unit="+unit, "python3", "-m", "http.server", "--bind", "0.0.0.0", "9000")
	b.t.Cleanup(func() { b.Run("systemctl", "stop", unit) })
	b.Answers("127.0.0.1:9000", "/", "200 ")
	return "127.0.0.1:9000"
}

func (b *Box) connectsNowhere() {
	target := b.listenTCP()
	b.want("200 connected", "/connect", target)
	b.dropIn(b.recipe("For an app that makes no connections at all"))
	b.want("200 OSError: [Errno 97]", "/connect", target) // address family not supported
}

func (b *Box) connectsToSome() {
	target := b.listenTCP()
	lines := b.recipe("**No connection to the outside**")
	b.dropIn(lines)
	b.want("200 connected", "/connect", target)
	// This machine is not allowed any more, and what is in its place is not there.
	b.dropIn(strings.ReplaceAll(lines, "localhost ", ""))
	if got := b.does("/connect", target); !strings.HasPrefix(got, "200 TimeoutError: ") && !strings.HasPrefix(got, "200 PermissionError: ") {
		b.t.Errorf("%q", got)
	}
}

func (b *Box) noExecutableMemory() {
	b.dropIn(b.recipe("## Tighter still"))
	if got := b.Property("ripd@python", "MemoryDenyWriteExecute"); got != "yes" {
		b.t.Errorf("it is %s", got)
	}
}

func (b *Box) sandboxOfItsOwn() {
	b.want("200 unshare: ", "/namespace", "")
	b.dropIn(b.recipe("**Headless Chrome**"))
	b.want("200 made", "/namespace", "")
}

// Secrets come from files that the app's user cannot read.
func (b *Box) credentials() {
	const file = "/etc/ripd/python.toml"
	before, err := os.ReadFile(b.Path(file))
	if err != nil {
		b.t.Fatal(err)
	}
	b.Write(file, "env_credentials = { FROM_CREDENTIAL = \"database-url\" }\n"+string(before)+"workers.credentials = [\"signing-key\"]\n", 0o644)
	// Without them it does not start, and says why.
	b.Fail("systemctl", "restart", "ripd@python.service")
	const problem = "workers.credentials: the credential signing-key: CREDENTIALS_DIRECTORY is not set; run systemctl edit ripd@python, " +
		"write LoadCredential=signing-key:/etc/ripd/secrets/signing-key below [Service], and restart it"
	if got := b.Journal("ripd@python.service"); !strings.Contains(got, problem) {
		b.t.Errorf("the journal does not say what to do:\n%s", tail(got))
	}
	b.Write("/etc/ripd/secrets/shop-database-url", "postgres://db/shop\n", 0o600)
	b.dropIn(b.recipe("**A secret that only the app's service can read**") + "SetCredential=signing-key:not-so-secret\n")
	b.want("200 not-so-secret postgres://db/shop", "/credential", "signing-key")
	b.want("200 postgres://db/shop\n postgres", "/credential", "database-url")
	if got := b.Run("journalctl", "--no-pager", "--boot"); strings.Contains(got, "postgres://") {
		b.t.Error("a secret is in the journal")
	}
	b.Write(file, string(before), 0o644)
}
