package config

import (
	"net"
	"strconv"
)

// Address is where a listener listens: a TCP port or a unix socket.
type Address struct {
	// Network is "tcp" or "unix".
	Network string
	// Host is an IP address without brackets, or "" for all interfaces.
	Host string
	// Port is 0 to 65535; 0 lets the kernel choose.
	Port int
	// Path is the absolute path of a unix socket.
	Path string
}

// String gives the canonical form: "127.0.0.1:3080", "[::]:3080" for all
// interfaces, or "/run/shop.sock".
func (a Address) String() string {
	if a.Network == "unix" {
		return a.Path
	}
	host := a.Host
	if host == "" {
		host = "::"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}

// Listen gives the second argument for net.Listen; the first is Network. All
// interfaces are written as ":3080", which works without IPv6 too.
func (a Address) Listen() string {
	if a.Network == "unix" {
		return a.Path
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
}
