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
// the unit itself stays.
func socketDropIn(app *config.Units, rivals []rival) string {
	var b strings.Builder
	b.WriteString(head(app, "ripd@"+app.Name+".socket"))
	if len(app.HTTP) == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "\n[Socket]\n# listen.http: %s\nListenStream=\n", app.HTTPOrigin)
	for _, a := range app.HTTP {
		b.WriteString("ListenStream=" + stream(a) + "\n")
	}
	if len(rivals) > 0 {
		b.WriteString("\n# Said before the socket is opened, so that who cannot open it knows why.\nSyslogIdentifier=" + Name + "\n")
	}
	for _, r := range rivals {
		b.WriteString("ExecStartPre=-/bin/echo \"" + quoted("<4>"+r.line()) + "\"\n")
	}
	return b.String()
}

// serviceDropIn gives ripd@shop.service its user.
func serviceDropIn(app *config.Units) string {
	text := head(app, "ripd@"+app.Name+".service")
	if app.User != "" {
		text += fmt.Sprintf("\n[Service]\n# user: %s; the group is the user's own.\nUser=%s\nGroup=\n", app.UserOrigin, app.User)
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
