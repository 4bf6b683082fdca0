package daemon

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// greeting is what ripd says at its start: on a terminal a few lines for people,
// elsewhere log lines with the same content.
type greeting struct{}

// line writes one whole line among those of the log.
func (a *app) line(format string, args ...any) {
	// The sink takes every line; one that it has no room for is counted there.
	_, _ = io.WriteString(a.journal.Sink, fmt.Sprintf(format, args...)+"\n")
}

// plainLines tells whether lines for people are in order.
func (a *app) plainLines() bool { return a.look.Terminal && !a.config.Log.JSON }

// hello names the app, where it is reached, and how it is operated.
func (greeting) hello(a *app) {
	c := a.config
	if !a.plainLines() {
		var name []any
		if !c.Log.JSON { // whose lines all have the field
			name = []any{"app", c.Name}
		}
		a.log.With(name...).Info("ripd serves an app", "version", a.version, "urls", strings.Join(a.urls, " "),
			"workers", c.Workers.Count, "control", a.controlPath, "pid", processID())
		for _, n := range a.notes {
			a.log.Info("note", "text", n)
		}
		return
	}
	what := c.App
	if c.Demo {
		what = "ripd's own demo"
	}
	a.line("")
	a.line("  app      %s (%s), %s", c.Name, what, plural(c.Workers.Count, "worker"))
	for i, url := range a.urls {
		label := "url"
		if i > 0 {
			label = ""
		}
		a.line("  %-8s %s", label, url)
	}
	a.line("  control  %s", a.controlPath)
	for _, n := range a.notes {
		a.line("  note     %s", n)
	}
	a.line("")
}

// suggest says what to type next, once the start is over.
func (greeting) suggest(a *app) {
	if !a.plainLines() || len(a.urls) == 0 {
		return
	}
	url, curl := a.urls[0], "curl "
	if path, ok := strings.CutPrefix(url, "unix:"); ok {
		url, curl = "http://localhost", "curl --unix-socket "+path+" "
	}
	if c := a.config; c.Listen.ProxyProtocol && c.Proxy.Trusted.Has(netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
		curl += "--haproxy-protocol "
	}
	ctl := ripctl() + " %s " + a.config.Name
	a.line("")
	a.line("  Try in another terminal:")
	if a.config.Demo {
		a.line("    %s%s/ping", curl, url)
		a.line("    %s'%s/sleep?ms=500'", curl, url)
		a.line("    %s-d hello %s/echo", curl, url)
		a.line("    %s-N %s/stream", curl, url)
		a.line("    %s%s/crash", curl, url)
	} else {
		a.line("    %s%s/", curl, url)
		a.line("    "+ctl, "status")
	}
	a.line("    "+ctl, "restart")
	a.line("  Ctrl-C finishes what runs and ends; a second one ends at once.")
	a.line("")
}

// ripctl is how a person at this terminal calls ripctl: by its name when the shell
// finds it, else by the path beside ripd.
func ripctl() string {
	const name = "ripctl"
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	beside := filepath.Join(filepath.Dir(ownBinary()), name)
	if _, err := os.Stat(beside); err != nil {
		return name
	}
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, beside); err == nil && len(rel) < len(beside) {
			return rel
		}
	}
	return beside
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
