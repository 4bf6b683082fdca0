package http1

import "bytes"

// connection is what all Connection fields of a message say together (RFC 9110
// section 7.6.1).
type connection struct {
	close, keepAlive, upgrade bool
	options                   int // all of them
	named                     int // those that may name a field to remove
}

// add reads one Connection field.
func (c *connection) add(value []byte) error {
	for more := true; more; {
		var option []byte
		option, value, more = nextElement(value)
		if len(option) == 0 {
			continue
		}
		if c.options++; c.options > MaxConnectionOptions || !isToken(option) {
			return errOptions
		}
		switch {
		case foldedEqual(option, "close"):
			c.close = true
		case foldedEqual(option, "keep-alive"):
			c.keepAlive = true
		case foldedEqual(option, "upgrade"):
			c.upgrade = true
		case foldedEqual(option, "te"):
		default:
			c.named++
		}
	}
	return nil
}

// persists tells whether the sender wishes to go on using the connection
// (RFC 9112 section 9.3).
func (c *connection) persists(minor int) bool {
	return !c.close && (minor >= 1 || c.keepAlive)
}

// removes tells whether a Connection field names f. It can do so only for
// fields without a rule: those for one connection go anyway, and no peer can
// take away framing, origin, credentials or what a response says about its
// body and its caching.
func (c *connection) removes(fields []Field, f *Field) bool {
	if c.named == 0 || f.kind != kindOther {
		return false
	}
	for i := range fields {
		if fields[i].kind != kindConnection {
			continue
		}
		value, more := fields[i].Value, true
		for more {
			var option []byte
			option, value, more = nextElement(value)
			if bytes.EqualFold(option, f.Name) {
				return true
			}
		}
	}
	return false
}
