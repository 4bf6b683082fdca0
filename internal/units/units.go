// Package units speaks to systemd about the units of ripd's apps, over the system's
// D-Bus: which there are and how they are, and to start, stop, enable and
// disable them. Looking needs no privilege; for the rest systemd asks polkit.
//
//	units.go   the bus, and the names of units
//	look.go    the apps of the machine
//	job.go     start, stop, enable, disable
package units

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/godbus/dbus/v5"
)

// systemBus is where the bus is when DBUS_SYSTEM_BUS_ADDRESS does not say
// otherwise (D-Bus specification, "Well-known Message Bus Instances").
const systemBus = "unix:path=/run/dbus/system_bus_socket"

// The names of systemd on the bus (org.freedesktop.systemd1(5)).
const (
	destination = "org.freedesktop.systemd1"
	managerPath = dbus.ObjectPath("/org/freedesktop/systemd1")
	manager     = destination + ".Manager"
	unitPath    = "/org/freedesktop/systemd1/unit/"
)

// ErrNoBus means that this machine has no system bus, or no systemd on it.
var ErrNoBus = errors.New("systemd cannot be asked")

// Bus is a connection to systemd. Its methods may be called from several
// goroutines at once.
type Bus struct{ conn *dbus.Conn }

// Connect connects to the system bus that the environment (in the form of
// os.Environ) names. It waits no longer than ctx lasts. Errors are ErrNoBus.
func Connect(ctx context.Context, environ []string) (*Bus, error) {
	address := systemBus
	for _, entry := range environ {
		if v, ok := strings.CutPrefix(entry, "DBUS_SYSTEM_BUS_ADDRESS="); ok && v != "" {
			address = v
		}
	}
	conn, err := dbus.Dial(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	done := make(chan error, 1)
	go func() {
		err := conn.Auth(nil)
		if err == nil {
			err = conn.Hello()
		}
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		conn.Close() // which ends the goroutine
		err = errors.Join(ctx.Err(), <-done)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrNoBus, err)
	}
	return &Bus{conn}, nil
}

// Close ends the connection.
func (b *Bus) Close() error { return b.conn.Close() }

func (b *Bus) manager() dbus.BusObject { return b.conn.Object(destination, managerPath) }

// Service is the name of an app's service.
func Service(app string) string { return "ripd@" + app + ".service" }

// Sockets are the names of an app's socket units, by role. Not every app has all of them.
func Sockets(app string) []string {
	return []string{"ripd@" + app + ".socket", "ripd-https@" + app + ".socket", "ripd-metrics@" + app + ".socket", "ripd-control@" + app + ".socket"}
}

var unitForm = regexp.MustCompile(`^ripd(?:-https|-metrics|-control)?@([A-Za-z0-9_.-]+)\.(?:service|socket)$`)

// AppOf gives the app that a unit belongs to; "" when it is none of ripd's.
func AppOf(unit string) string {
	if m := unitForm.FindStringSubmatch(unit); m != nil {
		return m[1]
	}
	return ""
}

// objectPath is the path of a unit on the bus: all but letters and digits, and a
// digit at the start, are written as _ and two hexadecimal digits.
func objectPath(unit string) dbus.ObjectPath {
	var b strings.Builder
	b.WriteString(unitPath)
	for i := range len(unit) {
		c := unit[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' && i > 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return dbus.ObjectPath(b.String())
}
