package main

import "strings"

// pages makes all pages, by file name.
func (s *sources) pages() (map[string]string, error) {
	ripctl, err := s.pageOfRipctl()
	if err != nil {
		return nil, err
	}
	toml, err := s.pageOfSettings()
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"ripd.8": s.pageOfRipd(), "ripctl.1": ripctl, "ripd.toml.5": toml, "ripd-generator.8": s.pageOfGenerator(),
	}, nil
}

func (s *sources) pageOfRipd() string {
	p := newPage("ripd", "8", "application server", s.date)
	p.section("SYNOPSIS")
	for i, line := range strings.Split(part(s.ripd, "Usage"), "\n") {
		if i > 0 {
			p.b.WriteString(".br\n")
		}
		p.lines(line)
	}
	p.b.WriteString(".br\nsystemctl enable \\-\\-now ripd@\\fIAPP\\fP\n")
	p.section("DESCRIPTION")
	p.text(intro(s.ripd))
	p.text("\n\nAPP is a folder with a `ripd.toml`, a `FILE.toml`, or a program that serves HTTP on the unix socket `$SOCKET_PATH`. The demo needs no app. With `new`, ripd writes a small app for an adapter into a new folder, and says what to type next.")
	p.section("WORDS")
	for _, e := range entries(s.ripd, "Words") {
		p.item(e.form, e.text)
	}
	p.section("OPTIONS")
	p.text("A value follows an equal sign or a space.")
	for _, e := range entries(s.ripd, "Flags") {
		p.item(e.form, e.text)
	}
	p.section("UNDER SYSTEMD")
	p.text(underSystemd)
	p.section("SIGNALS")
	p.item("SIGTERM, SIGINT", "End: no new connections, an answer to every request that was accepted, then the workers end. A second one ends at once.")
	p.item("SIGHUP", "Read the settings again, and replace the workers without losing a request.")
	p.section("EXIT STATUS")
	p.item("0", "It was told to end, and did.")
	p.item("1", "It could not start, or could not go on.")
	p.item("2", "The settings are wrong.")
	p.item("130, 143", "A second SIGINT or SIGTERM ended it at once.")
	p.section("FILES")
	p.item("/etc/ripd/APP.toml", "The settings of an app under systemd; see ripd.toml(5).")
	p.item("/run/ripd/APP.control.sock", "The control socket of an app under systemd, for root and the group ripctl.")
	p.item("/run/ripd/APP", "The workers' sockets.")
	p.item("/usr/share/doc/ripd/docs", "The pages of the documentation: systemd.md for administrators, tls.md, logging.md and others.")
	p.section("ENVIRONMENT")
	p.text("Each setting is also a variable: `queue.size` is `RIP_QUEUE_SIZE`. What a worker finds in its environment is in ripd.toml(5).")
	p.section("EXAMPLES")
	p.verbatim(part(s.ripd, "Examples"))
	return p.seeAlso("ripctl(1)", "ripd.toml(5)", "ripd-generator(8)", "systemctl(1)", "journalctl(1)", "systemd.socket(5)")
}

const underSystemd = `The file /etc/ripd/APP.toml says everything about an app. After "systemctl daemon-reload" its units know the
file; ripd-generator(8) has written what they need. "systemctl enable --now ripd@APP" opens the sockets and starts the app, now
and at each boot.

systemd holds the sockets, for clients (ripd@APP.socket, ripd-https@APP.socket where the file has listen.https, and ripd-metrics@APP.socket where it has listen.metrics) and for operators (ripd-control@APP.socket). While ripd is
restarted, or has crashed, clients wait and are served by the next one.

"systemctl reload ripd@APP" replaces the workers and returns the verdict. "systemctl stop ripd@APP.socket ripd@APP" ends an app;
without its socket, the next client would start it again. Limits, and what else a unit may say, go into drop-ins:
"systemctl edit ripd@APP". Limits for all apps together belong to ripd.slice.`

func (s *sources) pageOfRipctl() (string, error) {
	help, err := s.ripctl("")
	if err != nil {
		return "", err
	}
	names, err := s.commands(help, "")
	if err != nil {
		return "", err
	}
	p := newPage("ripctl", "1", "look at and steer the apps that ripd serves", s.date)
	p.section("SYNOPSIS")
	p.lines("`ripctl` [flags] COMMAND [arguments]")
	p.section("DESCRIPTION")
	p.text(intro(help))
	p.section("OPTIONS")
	p.text("These flags go with each command.")
	common := entries(help, "Flags")
	for _, e := range common {
		p.item(e.form, e.text)
	}
	p.section("COMMANDS")
	for _, name := range names {
		text, err := s.ripctl(name)
		if err != nil {
			return "", err
		}
		p.subsection(usage(text))
		p.text(intro(text))
		for _, e := range entries(text, "Flags") {
			if !contains(common, e.form) {
				p.item(e.form, e.text)
			}
		}
		if examples := part(text, "Examples"); examples != "" {
			p.verbatim(examples)
		}
	}
	p.section("EXIT STATUS")
	for _, e := range []entry{
		{"0", "Done."}, {"1", "It was tried and failed, or ripctl may not."}, {"2", "The command line is wrong, or does not say which app."},
		{"3", "No app runs, or the one that is meant does not."}, {"4", "Apps run, but none has that name."},
		{"5", "Rolled back: the new code did not start; the old workers serve."},
	} {
		p.item(e.form, e.text)
	}
	p.section("FILES")
	p.item("/run/ripd/APP.control.sock", "The control socket of an app under systemd. Root and the group ripctl may open it.")
	p.item("$XDG_RUNTIME_DIR/ripd", "The control sockets of apps that you started in a terminal.")
	return p.seeAlso("ripd(8)", "ripd.toml(5)", "systemctl(1)"), nil
}

func contains(list []entry, form string) bool {
	for _, e := range list {
		if e.form == form {
			return true
		}
	}
	return false
}

func (s *sources) pageOfSettings() (string, error) {
	p := newPage("ripd.toml", "5", "settings of an app that ripd serves", s.date)
	p.section("SYNOPSIS")
	p.text("/etc/ripd/APP.toml\n\nFOLDER/ripd.toml")
	p.section("DESCRIPTION")
	p.text(`The settings of one app, in TOML. A built-in default holds where the file says nothing; variables of the environment win over
the file, and words and flags of ripd(8) over these. What is not known is an error that names the nearest key.

"ripctl config check FILE" says what a file means.

Of a file in /etc/ripd, ripd-generator(8) gives "listen.http" and "user" to the units of systemd. Such a file must belong to root, and nobody
else may write it.`)
	p.section("VALUES")
	if err := p.values(s.configuration); err != nil {
		return "", err
	}
	p.section("KEYS")
	p.text("Below each key stand its default, its bounds, and its names in the environment and on the command line.")
	if err := p.settings(s.configuration); err != nil {
		return "", err
	}
	p.section("EXAMPLES")
	p.verbatim("app = \"/srv/shop\"\ncommand = [\"puma\", \"-b\", \"unix://$SOCKET_PATH\"]\nuser = \"shop\"\n\n[listen]\nhttp = [\"80\"]\n\n[workers]\ncount = 4")
	return p.seeAlso("ripd(8)", "ripctl(1)", "ripd-generator(8)"), nil
}

func (s *sources) pageOfGenerator() string {
	p := newPage("ripd-generator", "8", "turn the settings of ripd's apps into drop-ins for systemd", s.date)
	p.section("SYNOPSIS")
	p.text("/usr/lib/systemd/system-generators/ripd-generator\n\n/usr/lib/systemd/system-generators/ripd-generator FOLDER")
	p.section("DESCRIPTION")
	p.text(`systemd runs ripd-generator at boot and at each "systemctl daemon-reload". It reads /etc/ripd/*.toml and writes
drop-ins, called 00-ripd.conf, for the units of each app. "systemctl cat ripd@APP ripd@APP.socket" shows them. With one FOLDER,
it writes there instead, and says what is wrong on its standard error.`)
	p.item("listen.http", "The addresses become ListenStream= of ripd@APP.socket. Without any, the socket is /run/ripd/APP.http.sock. Port 0 is not possible.")
	p.item("user", "Becomes User= of ripd@APP.service; the group is the user's own. Without it: the user and the group ripd.")
	p.text("\n\nEach drop-in has SourcePath=, so that systemctl says when a file has changed since.")
	p.section("WHICH FILES ARE READ")
	p.text(`A file's name is the app's: letters, digits, "-", "_" and ".", at most 32 of them, and ".toml". The file must be a
regular file (or a link to one) that belongs to root and that nobody else may write, because it decides as whom a service runs. It has at most
128 KB. What is wrong with a file goes to the kernel's log, where the journal finds it: "journalctl -b -t ripd-generator". Such a file
holds up nothing: what could be read of it counts, and of a file that is not TOML, what stands above the fault.

Two apps that want one address are both told so, there and in the journal of their sockets; the first socket that is opened has it.`)
	p.section("WHAT WINS")
	p.text(`Of all drop-ins of a unit the one with the last name wins, and administrators' names come after 00-ripd.conf. "systemctl edit ripd@APP.socket"
makes one. An empty ListenStream= in it takes the file's addresses away. An app's whole unit in /etc/systemd/system gets no drop-in at all, and an empty
file /etc/systemd/system/ripd@APP.socket.d/00-ripd.conf hides the generator's.`)
	return p.seeAlso("ripd(8)", "ripd.toml(5)", "systemd.generator(7)", "systemd.unit(5)")
}
