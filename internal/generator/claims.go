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
		for _, a := range slices.Concat(app.HTTP, app.HTTPS, app.Metrics) {
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

// rivals gives one rival for each of the app's addresses that somebody else wants.
func (c claims) rivals(app *config.Units, addresses []config.Address) (list []rival) {
	for _, a := range addresses {
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
	key, origin, unit := claimOf(r.app, r.address)
	_, otherOrigin, otherUnit := claimOf(r.other, r.address)
	return fmt.Sprintf("%s and %s both want %s (%s, %s): only one of %s and %s can have it; change %s in one of the files",
		r.app.File, r.other.File, spoken(r.address), origin, otherOrigin, unit, otherUnit, key)
}

// claimOf tells which setting of the app an address is in or overlaps, where that is
// written, and whose socket it makes.
func claimOf(app *config.Units, a config.Address) (key, origin, unit string) {
	for _, s := range seconds(app) {
		if slices.ContainsFunc(s.addresses, a.Overlaps) {
			return s.key, s.origin, s.unit
		}
	}
	return "listen.http", app.HTTPOrigin, "ripd@" + app.Name + ".socket"
}

// spoken names an address as the file does.
func spoken(a config.Address) string {
	if a.Network == "tcp" && a.Host == "" {
		return "port " + strconv.Itoa(a.Port)
	}
	return a.String()
}
