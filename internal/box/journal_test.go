package box

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ripd/internal/testkit"
)

// entry is one of the journal's.
type entry map[string]any

func (e entry) has(fields map[string]string) bool {
	for name, value := range fields {
		if e[name] != value {
			return false
		}
	}
	return true
}

// entries are those of the app that match, as soon as there are any.
func (b *Box) entries(match ...string) []entry {
	out, err := b.Try("journalctl", append([]string{"--no-pager", "--output=json", "_SYSTEMD_UNIT=ripd@shop.service"}, match...)...)
	if err != nil {
		return nil
	}
	var all []entry
	for line := range strings.Lines(out) {
		e := entry{}
		if json.Unmarshal([]byte(line), &e) == nil {
			all = append(all, e)
		}
	}
	return all
}

// find waits for an entry with these fields.
func (b *Box) find(fields map[string]string, match ...string) entry {
	b.t.Helper()
	var found entry
	var all []entry
	if !testkit.Within(testkit.Timeout, func() bool {
		all = b.entries(match...)
		i := slices.IndexFunc(all, func(e entry) bool { return e.has(fields) })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	}) {
		b.t.Errorf("no entry with %v in %v", fields, all)
	}
	return found
}

// What the journal has of an app, and that it holds nothing up.
func TestJournal(t *testing.T) {
	for _, release := range Releases {
		t.Run(release, func(t *testing.T) {
			b := bare(t, release)
			b.Run("systemctl", "start", "ripd@shop.service")
			b.Answers(socket, "/ping", "200 pong")
			for _, part := range []struct {
				name string
				test func(*Box)
			}{{"ripd's lines", (*Box).ownLines}, {"workers' lines", (*Box).workersLines}, {"ripctl logs", (*Box).ripctlLogs},
				{"access lines", (*Box).accessLines}, {"a journal that hangs", (*Box).hangingJournal}} {
				t.Run(part.name, func(t *testing.T) { part.test(b.in(t)) })
			}
		})
	}
}

func (b *Box) ownLines() {
	b.t.Helper()
	ready := b.find(map[string]string{"RIP_LINE": "message", "RIP_APP": "shop", "RIP_WORKER": "1", "RIP_GENERATION": "1", "SYSLOG_IDENTIFIER": "ripd@shop", "PRIORITY": "6"},
		"RIP_WORKER=1", "RIP_LINE=message")
	if pid, _ := ready["OBJECT_PID"].(string); pid == "" {
		b.t.Errorf("no process in %v", ready)
	}
	if got, err := b.Get(socket, "/crash?x=1"); err != nil || !strings.HasPrefix(got, "502") {
		b.t.Errorf("%q, %v", got, err)
	}
	line := b.find(map[string]string{"RIP_LINE": "request", "HTTP_STATUS": "502", "HTTP_METHOD": "GET", "HTTP_PATH": "/crash?x=1", "PRIORITY": "4", "RIP_CHOSEN": "error"}, "HTTP_STATUS=502")
	if id, _ := line["REQUEST_ID"].(string); id == "" {
		b.t.Errorf("no request id in %v", line)
	}
	b.Answers(socket, "/ping", "200 pong")
}

var spoke = regexp.MustCompile(`pid=([0-9]+) id=(\S+)`)

// say has a worker write to its standard error. It gives its process and the request.
func (b *Box) say(text string) (pid, id string) { return b.sayMore(text, 0) }

// sayMore adds so many x to the text.
func (b *Box) sayMore(text string, fill int) (pid, id string) {
	b.t.Helper()
	got, err := b.Get(socket, "/say?"+url.Values{"text": {text}, "fill": {strconv.Itoa(fill)}}.Encode())
	m := spoke.FindStringSubmatch(got)
	if err != nil || m == nil {
		b.t.Fatalf("%q, %v", got, err)
	}
	return m[1], m[2]
}

func (b *Box) workersLines() {
	b.t.Helper()
	for _, c := range []struct {
		text, message, priority string
		fill                    int
	}{
		{"plain words", "plain words", "6", 0},
		{"<3>an error", "an error", "3", 0},
		{`{"level":"info","text":"a \"b\""}`, `{"level":"info","text":"a \"b\""}`, "6", 0},
		{"a trace\n  at one\n\tat two", "a trace\n  at one\n\tat two", "6", 0},
		{"long ", "long " + strings.Repeat("x", 100_000), "6", 100_000},
	} {
		pid, _ := b.sayMore(c.text, c.fill)
		e := b.find(map[string]string{"MESSAGE": c.message, "PRIORITY": c.priority, "RIP_LINE": "output", "OBJECT_PID": pid, "RIP_STREAM": "stderr", "RIP_APP": "shop"}, "RIP_LINE=output", "--all")
		if e == nil {
			continue
		}
		if want := fmt.Sprintf("shop/worker-%v", e["RIP_WORKER"]); e["SYSLOG_IDENTIFIER"] != want {
			b.t.Errorf("%v instead of %s", e["SYSLOG_IDENTIFIER"], want)
		}
	}
}

func (b *Box) ripctlLogs() {
	b.t.Helper()
	_, id := b.say("a line for logs")
	e := b.find(map[string]string{"MESSAGE": "a line for logs"}, "RIP_LINE=output")
	worker, _ := e["RIP_WORKER"].(string)
	b.say("names " + id)
	for _, args := range [][]string{{"logs", "shop"}, {"logs", "shop", "--worker", worker}, {"logs", "shop", "--request", id}} {
		var out string
		want := "a line for logs"
		if len(args) == 4 && args[2] == "--request" {
			want = "names " + id
		}
		if !testkit.Within(testkit.Timeout, func() bool {
			out, _ = b.Try("ripctl", args...)
			return strings.Contains(out, want)
		}) {
			b.t.Errorf("%v has no %q:\n%s", args, want, tail(out))
		}
		if !strings.Contains(out, "$ journalctl --unit=ripd@shop.service") {
			b.t.Errorf("%v does not say which command it is:\n%s", args, out)
		}
	}
}

// accessLines sends them to a file, which is opened anew, and nowhere.
func (b *Box) accessLines() {
	b.t.Helper()
	const log = "/var/log/ripd/shop/access.log"
	with := func(text string) {
		b.Write("/etc/ripd/shop.toml", "app = \"/srv/shop\"\ncommand = [\"./app\"]\n[workers]\ncount = 2\n[log]\n"+text, 0o644)
		b.Run("systemctl", "restart", "ripd@shop.service")
	}
	lines := func(path, want string) {
		b.t.Helper()
		testkit.Eventually(b.t, testkit.Timeout, func() bool {
			text, err := os.ReadFile(b.Path(path))
			return err == nil && strings.Contains(string(text), want)
		}, "%s in %s", want, path)
	}
	with("access_file = \"" + log + "\"\n")
	b.Answers(socket, "/ping?first", "200 pong")
	lines(log, "/ping?first")
	b.Run("mv", log, log+".1")
	b.Run("systemctl", "kill", "--kill-whom=main", "--signal=USR1", "ripd@shop.service")
	b.Answers(socket, "/ping?second", "200 pong")
	testkit.Eventually(b.t, testkit.Timeout, func() bool {
		b.Answers(socket, "/ping?third", "200 pong")
		text, err := os.ReadFile(b.Path(log))
		return err == nil && strings.Contains(string(text), "/ping?third")
	}, "the file that was opened anew")
	lines(log+".1", "/ping?first")
	with("access_to = \"off\"\n")
	if got, err := b.Get(socket, "/crash?silent"); err != nil || !strings.HasPrefix(got, "502") {
		b.t.Errorf("%q, %v", got, err)
	}
	b.Answers(socket, "/ping", "200 pong")
	b.say("after the silence")
	b.find(map[string]string{"MESSAGE": "after the silence"}, "RIP_LINE=output")
	if all := b.entries("HTTP_PATH=/crash?silent", "RIP_LINE=request"); len(all) > 0 {
		b.t.Errorf("access lines are off: %v", all)
	}
}

// hangingJournal stops the journal: requests go on, whatever is written.
func (b *Box) hangingJournal() {
	b.t.Helper()
	const requests = 400
	b.Run("systemctl", "kill", "--signal=STOP", "systemd-journald.service")
	func() {
		defer b.Run("systemctl", "kill", "--signal=CONT", "systemd-journald.service")
		for i := range requests {
			b.sayMore(fmt.Sprint(i, " "), 10_000)
		}
	}()
	b.say("the journal goes on")
	b.find(map[string]string{"MESSAGE": "the journal goes on"}, "RIP_LINE=output")
}
