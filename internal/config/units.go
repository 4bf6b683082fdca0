package config

import (
	"path/filepath"
	"strings"
)

// MaxUserBytes is the length of a user's name: UT_NAMESIZE of utmp(5) without
// its NUL, which systemd holds too.
const MaxUserBytes = 31

// Units is the part of an app's file that systemd's units are made from.
type Units struct {
	// Name is the app's name, File the path of its file.
	Name, File string
	// HTTP are the clients' addresses. It is empty when the file asks for none,
	// and when what it asks for could not be read.
	HTTP []Address
	// HTTPS are the addresses for clients that speak TLS, likewise.
	HTTPS []Address
	// Metrics are the addresses for the metrics, likewise.
	Metrics []Address
	// HTTPOrigin, HTTPSOrigin, MetricsOrigin and UserOrigin say where the value is from:
	// "/path/shop.toml:12" or "default".
	HTTPOrigin, HTTPSOrigin, MetricsOrigin, UserOrigin string
	// User is who runs ripd and the app; "" when the file does not say.
	User string
}

// ReadUnits reads what a file, whose content is data, says of units. Nothing
// else is touched: whether the app is there, or may be read, is not looked at. It
// gives what could be read even with an error, which joins one *Error for each
// thing that is wrong; nil only when the file's name is no app's. Of a file
// that is no TOML, what stands above the fault counts.
func ReadUnits(path string, data []byte) (*Units, error) {
	name := strings.TrimSuffix(filepath.Base(path), ".toml")
	if f := checkName(name, MaxNameBytes); f != nil {
		return nil, &Error{File: path, Problem: f.problem, Hint: f.hint}
	}
	l := &loader{cfg: &Config{Name: name}, places: map[string]place{}}
	l.readFile(&document{data: []byte(defaultFile())})
	clear(l.places)
	l.cfg.File = path
	l.readFile(&document{path: path, dir: filepath.Dir(path), data: data})
	l.finishUser()
	l.finishListeners()

	u := &Units{
		Name: name, File: path, HTTPOrigin: l.places["listen.http"].String(), HTTPSOrigin: l.places["listen.https"].String(),
		MetricsOrigin: l.places["listen.metrics"].String(), UserOrigin: l.places["user"].String(),
	}
	_, asked := l.places["listen.http"]
	if !l.failed("listen.http") && (asked || !l.broken) {
		u.HTTP = l.cfg.Listen.HTTP
	}
	if !l.failed("listen.https") {
		u.HTTPS = l.cfg.Listen.HTTPS
	}
	if !l.failed("listen.metrics") {
		u.Metrics = l.cfg.Listen.Metrics
	}
	if !l.failed("user") {
		u.User = l.cfg.User
	}
	if len(l.errs) > 0 {
		return u, l.err()
	}
	return u, nil
}

// Overlaps tells whether the two addresses cannot both be listened on.
func (a Address) Overlaps(b Address) bool { return a.overlaps(b) }

// finishUser checks the user's name, which a unit gets, and says what becomes of it.
func (l *loader) finishUser() {
	user := l.cfg.User
	switch {
	case user == "" || l.failed("user"):
	case !validUser(user):
		l.failKey("user", faultf("%s is not a user's name", quote(shorten(user))).hinted(`as in user = "shop"`))
	case user == "root":
		l.failKey("user", faultf("ripd does not run apps as root").hinted("make a user for the app: adduser --system --group shop"))
	case l.cfg.Foreground:
		l.note("user: %s is for systemd; in the foreground ripd and the app run as who started them", user)
	}
}

// validUser tells whether the name is one that systemd takes everywhere (see
// "User/Group Name Syntax", the strict rules), or one with dots in the middle.
func validUser(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= MaxUserBytes
}
