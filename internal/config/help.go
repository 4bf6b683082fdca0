package config

import (
	"fmt"
	"strings"
)

// helpHead and helpTail frame the words and flags in the help.
const (
	helpHead = `ripd serves one app: it starts the app's workers, keeps requests in one
queue, and gives each free worker one request at a time.

Usage:
  ripd APP [words and flags]
  ripd demo [words and flags]
  ripd new FOLDER --adapter=NAME

APP is a folder with a ripd.toml, a FILE.toml, or a program that serves HTTP on
the unix socket $SOCKET_PATH. The demo needs no app. new writes a small app into
a new folder, for rack, node, bun, wsgi, asgi or exec.
`
	helpTail = `
Each setting is also a key of the file and a RIP_ variable: queue.size is
RIP_QUEUE_SIZE. The later wins: default, file, variable, word or flag.

Examples:
  ripd demo                      see ripd at work
  ripd new shop --adapter=rack   write a small app
  ripd . w:4 http:8080           this folder, 4 workers, port 8080
  ripd ./server --max-queue=100  a program
  ripd /etc/ripd/shop.toml --check
`
)

// wordHelp has one line for each word, in the order of the table.
var wordHelp = []struct{ form, key, text string }{
	{"http, http:PORT", "listen.http", "plain listener; 3080, or the next free port"},
	{"https, https:PORT", "listen.https", "TLS listener; 3443, or the next free port"},
	{"w:N, w:auto", "workers.count", "workers; auto is one per CPU that ripd may use"},
	{"c:N", "workers.concurrency", "requests in flight per worker"},
	{"r:N", "workers.max_requests", "requests until a worker is replaced; 0 never"},
}

// Help is the text of ripd --help: words, flags and examples, in at most 80
// columns. What this version lacks is left out.
func Help() string {
	var b strings.Builder
	b.WriteString(helpHead)
	b.WriteString("\nWords:\n")
	for _, w := range wordHelp {
		helpLine(&b, w.form, w.text, shownDefault(settingOf(w.key)))
	}
	b.WriteString("\nFlags (--flag=value or --flag value):\n")
	for i := range settings {
		for _, f := range settings[i].flags {
			def := ""
			if f.arg != "" {
				def = shownDefault(&settings[i])
			}
			if f.unit != "" {
				def = milliseconds(settings[i].def)
			}
			helpLine(&b, flagForm(f), f.help, def)
		}
	}
	for _, f := range ownFlags {
		helpLine(&b, flagForm(f), f.help, "")
	}
	b.WriteString(helpTail)
	return b.String()
}

func flagForm(f flag) string {
	if f.arg == "" {
		return f.name
	}
	return f.name + "=" + f.arg
}

func helpLine(b *strings.Builder, form, text, def string) {
	if def != "" {
		def = " (" + def + ")"
	}
	fmt.Fprintf(b, "  %-25s %s%s\n", form, text, def)
}

// shownDefault is the default that the help names, "" where the text has it.
func shownDefault(s *setting) string {
	switch s.key {
	case "listen.http", "listen.https", "workers.count", "socket_prefix":
		return ""
	case "reload.mode":
		return "none with --instance"
	}
	return plain(s.def)
}

// milliseconds turns a default such as "5s" into 5000.
func milliseconds(def string) string {
	d, err := parseDuration(plain(def))
	if err != nil {
		return ""
	}
	return fmt.Sprint(d.Milliseconds())
}
