package generator

import (
	"fmt"
	"slices"
	"strconv"

	"ripd/internal/config"
)

// claims tells which apps want an address. A TCP address is listed for its port
// and host, for its port alone, and, if it takes all interfaces, as such. Two
// apps a place are enough to find another one than oneself.
type claims map[string][]*config.Units

const claimsMost = 2

func claimsOf(apps []*config.Units) claims {
	c := claims{}
	for _, app := range apps {
		for _, a := range app.HTTP {
			if a.Network == "unix" {
				c.add(a.Path, app)
				continue
			}
			port := strconv.Itoa(a.Port)
			c.add(port, app)
			c.add(port+"@"+a.Host, app)
			if a.AllInterfaces() {
				c.add(port+"@*", app)
			}
		}
	}
	return c
}

func (c claims) add(key string, app *config.Units) {
	if list := c[key]; len(list) < claimsMost && !slices.Contains(list, app) {
		c[key] = append(list, app)
	}
}

// rival is another app that wants the address of an app.
type rival struct {
	app, other *config.Units
	address    config.Address
}

// rivals gives one rival for each address of the app that somebody else wants.
func (c claims) rivals(app *config.Units) (list []rival) {
	for _, a := range app.HTTP {
		if other := c.other(app, a); other != nil {
			list = append(list, rival{app, other, a})
		}
	}
	return list
}

func (c claims) other(app *config.Units, a config.Address) *config.Units {
	port := strconv.Itoa(a.Port)
	keys := []string{port + "@*", port + "@" + a.Host}
	switch {
	case a.Network == "unix":
		keys = []string{a.Path}
	case a.AllInterfaces():
		keys = []string{port}
	}
	for _, key := range keys {
		for _, other := range c[key] {
			if other != app {
				return other
			}
		}
	}
	return nil
}

// line says for people who wants what.
func (r rival) line() string {
	return fmt.Sprintf("%s and %s both want %s (%s, %s): only one of ripd@%s.socket and ripd@%s.socket can have it; change listen.http in one of the files",
		r.app.File, r.other.File, spoken(r.address), r.app.HTTPOrigin, r.other.HTTPOrigin, r.app.Name, r.other.Name)
}

// spoken names an address as the file does.
func spoken(a config.Address) string {
	if a.Network == "tcp" && a.Host == "" {
		return "port " + strconv.Itoa(a.Port)
	}
	return a.String()
}
