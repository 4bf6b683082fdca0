package generator

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ripd/internal/config"
)

// dropInName sorts before the names that administrators give to theirs: of all
// drop-ins of a unit, the last one wins (systemd.unit(5)).
const dropInName = "00-ripd.conf"

// head begins a drop-in. SourcePath= makes systemctl say when the file has
// changed since.
func head(app *config.Units, unit string) string {
	return fmt.Sprintf("# Made by %s(8) from %s, and made anew at each daemon-reload.\n"+
		"# Lines of your own: systemctl edit %s\n[Unit]\nSourcePath=%s\n", Name, app.File, unit, specifiers(app.File))
}

// socketDropIn gives ripd@shop.socket the addresses. Without any, the socket of
// the unit itself stays. It brings the second sockets along, which nobody enables.
func socketDropIn(app *config.Units, rivals []rival) string {
	var b strings.Builder
	b.WriteString(head(app, "ripd@"+app.Name+".socket"))
	for _, s := range seconds(app) {
		fmt.Fprintf(&b, "# %s: %s\nWants=%s\n", s.key, s.origin, s.unit)
	}
	b.WriteString(streams("listen.http", app.HTTPOrigin, app.HTTP))
	if len(app.HTTP) > 0 {
		b.WriteString(warnings(rivals))
	}
	return b.String()
}

// second is a socket unit beside the clients' own, for an app whose file has its key.
type second struct {
	key, origin, unit string
	addresses         []config.Address
}

// seconds gives those of an app.
func seconds(app *config.Units) (list []second) {
	for _, s := range []second{
		{"listen.https", app.HTTPSOrigin, "ripd-https@" + app.Name + ".socket", app.HTTPS},
		{"listen.metrics", app.MetricsOrigin, "ripd-metrics@" + app.Name + ".socket", app.Metrics},
	} {
		if len(s.addresses) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// dropIn gives the unit its addresses.
func (s second) dropIn(app *config.Units, rivals []rival) string {
	return head(app, s.unit) + streams(s.key, s.origin, s.addresses) + warnings(rivals)
}

// streams begins the section of a socket with its addresses, if there are any.
func streams(key, origin string, addresses []config.Address) string {
	if len(addresses) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n[Socket]\n# %s: %s\nListenStream=\n", key, origin)
	for _, a := range addresses {
		b.WriteString("ListenStream=" + stream(a) + "\n")
	}
	return b.String()
}

// warnings are the lines of a socket that others want, too.
func warnings(rivals []rival) string {
	if len(rivals) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n# Said before the socket is opened, so that who cannot open it knows why.\nSyslogIdentifier=" + Name + "\n")
	for _, r := range rivals {
		b.WriteString("ExecStartPre=-/bin/echo \"" + quoted("<4>"+r.line()) + "\"\n")
	}
	return b.String()
}

// serviceDropIn gives ripd@shop.service its user, and the second sockets if there are
// any.
func serviceDropIn(app *config.Units) string {
	text := head(app, "ripd@"+app.Name+".service")
	if app.User != "" || len(seconds(app)) > 0 {
		text += "\n[Service]\n"
	}
	if app.User != "" {
		text += fmt.Sprintf("# user: %s; the group is the user's own.\nUser=%s\nGroup=\n", app.UserOrigin, app.User)
	}
	for _, s := range seconds(app) {
		text += fmt.Sprintf("# %s: %s\nSockets=%s\n", s.key, s.origin, s.unit)
	}
	return text
}

// stream is the value of ListenStream= for an address. A port alone is all
// interfaces, IPv6 and IPv4, also where there is no IPv6.
func stream(a config.Address) string {
	switch {
	case a.Network == "unix":
		return specifiers(a.Path)
	case a.Host == "":
		return strconv.Itoa(a.Port)
	}
	return a.String()
}

// specifiers keeps systemd from seeing specifiers in a text.
func specifiers(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// quoted makes a text fit between the double quotes of an Exec line.
func quoted(text string) string {
	return strings.NewReplacer("%", "%%", "$", "$$", `"`, `\"`, `\`, `\\`).Replace(text)
}

// write puts a drop-in of a unit into place.
func write(out, unit, text string) error {
	dir := filepath.Join(out, unit+".d")
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return fmt.Errorf("cannot make a folder for drop-ins: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, dropInName), []byte(text), 0o644); err != nil {
		return fmt.Errorf("cannot write a drop-in: %w", err)
	}
	return nil
}
