package config

import (
	"path/filepath"
	"strings"
)

// Defaults of names.
const (
	defaultVariant = "main"
	nameless       = "app" // when nothing is left of a folder's name
	// currentLink is how deploy tools call the link to the release in force:
	// the name of the app is that of the folder above.
	currentLink = "current"
)

// nameOf makes an app's name from the path of its folder or program.
func nameOf(path string) string {
	base := filepath.Base(path)
	if base == currentLink {
		base = filepath.Base(filepath.Dir(path))
	}
	return sanitise(base)
}

// sanitise makes a valid name of any text.
func sanitise(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 && validNameByte(byte(r)) {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
		if b.Len() == MaxNameBytes {
			break
		}
	}
	if name := strings.Trim(b.String(), "-."); name != "" {
		return name
	}
	return nameless
}

func validNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.", c) >= 0
}

// checkName tells what is wrong with a name that was given.
func checkName(name string, most int) *fault {
	for i := range len(name) {
		if !validNameByte(name[i]) {
			return faultf("%s has other characters than letters, digits, '-', '_' and '.'", quote(shorten(name))).
				hinted("as in %s", sanitise(name))
		}
	}
	switch {
	case name == "":
		return faultf("the name is empty")
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-"):
		return faultf("%s begins with %q", quote(name), name[:1]).hinted("begin with a letter or a digit")
	case len(name) > most:
		return faultf("%s has %d bytes; %d is the most, so that the path of a socket fits", quote(shorten(name)), len(name), most)
	}
	return nil
}

// finishNames decides the names of the app and of its sockets.
func (l *loader) finishNames() {
	c := l.cfg
	switch {
	case !c.Foreground:
		if f := checkName(c.Name, MaxNameBytes); f != nil {
			l.fail(place{origin: "--instance=" + shorten(c.Name)}, "", f)
		}
	case c.Demo:
		c.Name = demoWord
	default:
		c.Name = nameOf(c.App)
	}
	if f := checkName(c.Variant, MaxVariantBytes); f != nil {
		l.failKey("variant", f)
	}
	if c.SocketPrefix == "" {
		c.SocketPrefix = "rip_" + c.Variant + "_" + c.Name
	} else if f := checkName(c.SocketPrefix, MaxPrefixBytes); f != nil {
		l.failKey("socket_prefix", f)
	}
}
